import type pg from "pg";
import { CutoverError } from "../../errors.ts";
import type { Railway } from "../../railway/railway.ts";
import type { ResolvedService, ResolvedWorld } from "../decide/resolve.ts";
import type { FinishWorld } from "../exclusion/exclusive-run.ts";
import type { ServiceInputs } from "../inputs.ts";
import type { ServiceRecord } from "../journal/record.ts";
import { addressesOf, classifyVariable } from "../preflight/railway/addresses.ts";
import { isPureReference, rememberValue } from "../recover/previous-value.ts";
import type { Reporter } from "../reporter.ts";
import { namesHost, sameText } from "./given-values.ts";
import {
  applyVariables,
  deployWithVariables,
  proveDeployment,
  type ServiceSwitch,
  waitUntilAlone,
} from "./service-switch.ts";
import { proveSessions, targetTime } from "./target-sessions.ts";

export interface MoveContext {
  readonly railway: Railway;
  readonly world: FinishWorld;
  /** The run's own session on the target: a new one for each question would cost many times the round trips. */
  readonly target: pg.Client;
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
  const leadsToSource = sourceDetector(railway, world);
  // Read anew: somebody may have deployed while the data was copied.
  const now = new Map((await railway.listServices(world.scope)).map((service) => [service.id, service]));
  const entries = await Promise.all(
    world.services.map(async ({ inputs, service }) => {
      const raw = await railway.rawVariables(world.scope, service.id);
      const sealed = inputs.variables.find((name) => raw.get(name) === null);
      if (sealed !== undefined) throw sealedVariable(service.name, sealed);
      const serving = (now.get(service.id) ?? service).activeDeployments.map(({ id }) => id);
      const { password } = world.source.connection;
      const previous = Object.fromEntries(
        await Promise.all(
          inputs.variables.map(async (name) => {
            const text = await formerText(railway, world, name, raw.get(name) ?? undefined, serving);
            const namesSource = await leadsToSource(service.id, name, text);
            return [name, rememberValue(text, password, namesSource)] as const;
          }),
        ),
      );
      const record: ServiceRecord = {
        serviceId: service.id,
        previous,
        replaces: serving,
        startedAt: null,
        askedAt: null,
        deploymentId: null,
        provenAt: null,
      };
      return [service.name, record] as const;
    }),
  );
  return Object.fromEntries(entries);
}

/**
 * A variable may name the target already although its service runs on the source: left behind by a run that died in an
 * earlier attempt. What the service runs with is what has to come back.
 */
async function formerText(
  railway: Railway,
  { source, target }: ResolvedWorld,
  name: string,
  text: string | undefined,
  serving: readonly string[],
): Promise<string | undefined> {
  if (!sameText(text, target.reference)) return text;
  const given = await Promise.all(serving.map((id) => railway.deploymentVariables(id)));
  const runsOnSource = given.some((variables) => namesHost(variables?.get(name), source.privateHost));
  return runsOnSource ? source.reference : text;
}

/** Tells of a literal text whether it leads to the source. Reads the rendered variables only where there is one. */
function sourceDetector(
  railway: Railway,
  { scope, source }: ResolvedWorld,
): (serviceId: string, name: string, text: string | undefined) => Promise<boolean> {
  return async (serviceId, name, text) => {
    if (text === undefined || isPureReference(text)) return false;
    const [own, sources] = await Promise.all([
      railway.renderedVariables(scope, serviceId),
      railway.renderedVariables(scope, source.service.id),
    ]);
    const kind = classifyVariable(text, own.get(name), { source: addressesOf(source.service.name, sources) });
    return kind.endsWith("source");
  };
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

/**
 * Works on services side by side. The first failure stops the waiting for the others: writes are paused meanwhile. What was
 * sent to Railway by then is waited for.
 */
export async function moveTogether(
  context: MoveContext,
  services: readonly ResolvedService[],
  work: (context: MoveContext, service: ResolvedService) => Promise<void> = moveService,
): Promise<void> {
  const failure = new AbortController();
  const signal = AbortSignal.any([context.signal, failure.signal]);
  const bound = { ...context, railway: context.railway.within(signal), signal };
  await Promise.allSettled(
    services.map((service) => work(bound, service).catch((error) => failure.abort(error))),
  );
  context.signal.throwIfAborted();
  failure.signal.throwIfAborted();
}

async function moveService(context: MoveContext, resolved: ResolvedService): Promise<void> {
  const { railway } = context;
  const { name } = resolved.service;
  const begun = context.read(name);
  if (begun.provenAt !== null) return;
  const move: ServiceSwitch = {
    ...switchOf(context, resolved),
    mayHaveDeployed: begun.askedAt != null && begun.deploymentId === null,
  };
  if (begun.startedAt === null)
    await context.save(name, { ...begun, startedAt: await targetTime(context.target) });
  await applyVariables(railway, move);
  const deploymentId = await deployWithVariables(railway, move, begun.deploymentId, {
    onAsking: () =>
      context.save(name, { ...context.read(name), deploymentId: null, askedAt: new Date().toISOString() }),
    onDeploying: (id) => context.save(name, { ...context.read(name), deploymentId: id }),
  });
  await proveService(context, resolved, deploymentId);
}

/**
 * Proves that a service runs on the target with this healthy deployment and nothing else of it runs any more, and notes that in
 * the journal.
 *
 * @throws CutoverError `DEPLOYMENT_NOT_REMOVED`, `DEPLOYMENT_HAS_OLD_VARIABLES`, `HEALTH_CHECK_FAILED`,
 *   `SERVICE_NOT_SEEN_ON_TARGET`
 */
export async function proveService(
  context: MoveContext,
  resolved: ResolvedService,
  deploymentId: string,
): Promise<void> {
  const { inputs, service } = resolved;
  const { replaces, startedAt } = context.read(service.name);
  if (startedAt === null) throw new TypeError(`${service.name} was not begun to move`);
  const move = switchOf(context, resolved);
  await waitUntilAlone(context.railway, move, deploymentId, replaces);
  const { givenTold } = await proveDeployment(context.railway, move, deploymentId);
  const sessions = await proveSessions(context, {
    name: service.name,
    since: startedAt,
    required: service.healthcheckPath !== null || inputs.healthCheckUrl !== null,
  });
  const provenAt = new Date().toISOString();
  await context.save(service.name, {
    ...context.read(service.name),
    deploymentId,
    provenAt,
    proof: { givenTold, healthy: inputs.healthCheckUrl === null ? null : true, sessions },
  });
  context.reporter.detail(
    `${service.name}: runs on ${context.world.target.service.name} (deployment ${deploymentId})`,
  );
}

function switchOf(context: MoveContext, { inputs, service }: ResolvedService): ServiceSwitch {
  return {
    scope: context.world.scope,
    serviceId: service.id,
    name: service.name,
    desired: desiredVariables(inputs, context.world),
    healthCheckUrl: inputs.healthCheckUrl,
    deploymentTimeoutMs: context.deploymentTimeoutMs,
    reporter: context.reporter,
    signal: context.signal,
  };
}

/** What a service's variables shall hold when it runs on the target. */
export function desiredVariables(
  inputs: Pick<ServiceInputs, "variables">,
  world: Pick<ResolvedWorld, "target">,
): ReadonlyMap<string, { text: string; host: string }> {
  const { reference: text, privateHost: host } = world.target;
  return new Map(inputs.variables.map((name) => [name, { text, host }]));
}
