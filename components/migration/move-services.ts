import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { CutoverError } from "../errors.ts";
import { applicationNamePrefix, withConnection } from "../postgres/connection.ts";
import type { Railway } from "../railway/railway.ts";
import type { FinishWorld } from "./exclusive-run.ts";
import type { ServiceInputs } from "./inputs.ts";
import { rememberValue } from "./previous-value.ts";
import type { ServiceRecord } from "./record.ts";
import type { Reporter } from "./reporter.ts";
import type { ResolvedService, ResolvedWorld } from "./resolve.ts";
import { applyVariables, deployWithVariables, proveDeployment } from "./service-switch.ts";

export interface MoveContext {
  readonly railway: Railway;
  readonly world: FinishWorld;
  readonly deploymentTimeoutMs: number;
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
  /** The journal's view of one service; saved before and after each effect. */
  read(name: string): ServiceRecord;
  save(name: string, record: ServiceRecord): Promise<void>;
}

/** Notes for every service what its variables hold now and which deployments run: what an abort puts back. */
export async function rememberServices(
  railway: Railway,
  world: ResolvedWorld,
): Promise<Record<string, ServiceRecord>> {
  // Read anew: somebody may have deployed while the data was copied.
  const now = new Map((await railway.listServices(world.scope)).map((service) => [service.id, service]));
  const entries = await Promise.all(
    world.services.map(async ({ inputs, service }) => {
      const raw = await railway.rawVariables(world.scope, service.id);
      const sealed = inputs.variables.find((name) => raw.get(name) === null);
      if (sealed !== undefined) throw sealedVariable(service.name, sealed);
      const previous = Object.fromEntries(
        inputs.variables.map((name) => [
          name,
          rememberValue(raw.get(name) ?? undefined, world.source.connection.password),
        ]),
      );
      const record: ServiceRecord = {
        serviceId: service.id,
        previous,
        replaces: (now.get(service.id) ?? service).activeDeployments.map(({ id }) => id),
        startedAt: null,
        deploymentId: null,
        provenAt: null,
      };
      return [service.name, record] as const;
    }),
  );
  return Object.fromEntries(entries);
}

function sealedVariable(service: string, name: string): CutoverError {
  return new CutoverError({
    code: "VARIABLE_SEALED",
    message: `${name} of ${service} is sealed: its value cannot be read, so it could not be put back.`,
    remedy: "Delete it on Railway and create it again unsealed, then run again.",
  });
}

/** Services grouped by wave, canaries first; those that must write while they start are left for after the promotion. */
export function wavesOf(services: readonly ResolvedService[], startsReadOnly: boolean): ResolvedService[][] {
  const chosen = services.filter(({ inputs }) => inputs.startsReadOnly === startsReadOnly);
  const waves = Map.groupBy(chosen, ({ inputs }) => inputs.wave);
  return [...waves.entries()].sort(([a], [b]) => a - b).map(([, members]) => members);
}

/** Moves the services wave by wave; a wave starts when every service of the one before is proven. */
export async function moveServices(context: MoveContext, waves: readonly ResolvedService[][]): Promise<void> {
  for (const [index, wave] of waves.entries()) {
    const names = wave.map(({ service }) => service.name).join(", ");
    context.reporter.step(
      index === 0 && waves.length > 1 ? `Switch the canary: ${names}` : `Switch: ${names}`,
    );
    await moveTogether(context, wave);
  }
}

/** The first failure stops the waiting for the others: writes are paused meanwhile. */
async function moveTogether(context: MoveContext, wave: readonly ResolvedService[]): Promise<void> {
  const failure = new AbortController();
  const signal = AbortSignal.any([context.signal, failure.signal]);
  await Promise.allSettled(
    wave.map((service) =>
      moveService({ ...context, signal }, service).catch((error) => failure.abort(error)),
    ),
  );
  failure.signal.throwIfAborted();
}

async function moveService(context: MoveContext, { inputs, service }: ResolvedService): Promise<void> {
  const { railway, world, reporter } = context;
  if (context.read(service.name).provenAt !== null) return;
  const move = {
    scope: world.scope,
    serviceId: service.id,
    name: service.name,
    desired: desiredVariables(inputs, world),
    healthCheckUrl: inputs.healthCheckUrl,
    deploymentTimeoutMs: context.deploymentTimeoutMs,
    reporter,
    signal: context.signal,
  };
  const startedAt = context.read(service.name).startedAt ?? (await targetTime(world));
  await context.save(service.name, { ...context.read(service.name), startedAt });
  await applyVariables(railway, move);
  const deploymentId = await deployWithVariables(
    railway,
    move,
    context.read(service.name).deploymentId,
    (id) => context.save(service.name, { ...context.read(service.name), deploymentId: id }),
  );
  const old = context.read(service.name).replaces.filter((id) => id !== deploymentId);
  await railway.waitUntilRemoved(old, { timeoutMs: context.deploymentTimeoutMs, signal: context.signal });
  await proveDeployment(railway, move, deploymentId);
  await proveSessions(
    context,
    service.name,
    startedAt,
    service.healthcheckPath !== null || inputs.healthCheckUrl !== null,
  );
  await context.save(service.name, {
    ...context.read(service.name),
    deploymentId,
    provenAt: new Date().toISOString(),
  });
  reporter.detail(`${service.name}: runs on ${world.target.service.name} (deployment ${deploymentId})`);
}

/** What a service's variables shall hold when it runs on the target. */
export function desiredVariables(
  inputs: Pick<ServiceInputs, "variables">,
  world: Pick<ResolvedWorld, "target">,
): ReadonlyMap<string, { text: string; host: string }> {
  const { reference: text, privateHost: host } = world.target;
  return new Map(inputs.variables.map((name) => [name, { text, host }]));
}

/**
 * The health check queries the database, so a healthy service has opened a session on the target since its deployment
 * began. Without any health check a service may open none for a while: that is told, not refused.
 */
async function proveSessions(
  context: MoveContext,
  name: string,
  since: string,
  required: boolean,
): Promise<void> {
  const { connection } = context.world.target;
  await withConnection(connection, { purpose: "observe", readOnly: true }, (client) =>
    waitForSessions(client, context, { name, since, required }),
  );
}

async function waitForSessions(
  client: pg.Client,
  context: MoveContext,
  { name, since, required }: { name: string; since: string; required: boolean },
): Promise<void> {
  const giveUpAt = Date.now() + (required ? sessionWaitMs : sessionWaitMs / 4);
  for (;;) {
    const { rows } = await client.query(
      `select count(*)::int as count from pg_stat_activity
        where datname = current_database() and backend_type = 'client backend' and backend_start >= $1::timestamptz
          and application_name not like $2`,
      [since, `${applicationNamePrefix}:%`],
    );
    if (rows[0].count > 0) {
      context.reporter.detail(
        `${name}: ${rows[0].count} new sessions on the target since its deployment began`,
      );
      return;
    }
    if (Date.now() >= giveUpAt) break;
    await delay(500, undefined, { signal: context.signal });
  }
  if (!required) {
    context.reporter.detail(
      `${name}: no session on the target yet (it has no health check that would open one)`,
    );
    return;
  }
  throw new CutoverError({
    code: "SERVICE_NOT_SEEN_ON_TARGET",
    message: `${name} is deployed and healthy, but no new session arrived on the target.`,
    remedy: "Check that the service reads its database URL from the configured variables.",
  });
}

const sessionWaitMs = 20_000;

async function targetTime({ target }: FinishWorld): Promise<string> {
  return withConnection(target.connection, { purpose: "observe", readOnly: true }, async (client) => {
    const { rows } = await client.query("select clock_timestamp()::text as now");
    return rows[0].now;
  });
}
