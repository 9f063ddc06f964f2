import type pg from "pg";
import { type ConnectionTarget, endConnection, connect as openSession } from "../../postgres/connection.ts";
import { lookAgainAtDropped } from "../../postgres/look-again.ts";
import type { Railway } from "../../railway/railway.ts";
import type { Finding } from "../finding.ts";
import type { MigrationInputs } from "../inputs.ts";
import { estimateCutover } from "../plan/estimates.ts";
import { probeConnection } from "../transport.ts";
import { applyAcceptances } from "./acceptances.ts";
import { checkSource, checkTarget, compareDatabases } from "./database/check.ts";
import { isSameDatabase } from "./database/identity.ts";
import { type DatabaseObservation, observeDatabase, openObservation } from "./database/observe.ts";
import { checkSchemaLists } from "./database/schemas.ts";
import { checkTimeZones } from "./database/time-zones.ts";
import { checkDumpClient } from "./dump-client.ts";
import type { PreflightFacts } from "./facts.ts";
import { attempt } from "./problems.ts";
import { checkBackups } from "./railway/backups.ts";
import { type RailwayFacts, readRailway } from "./railway/read-railway.ts";
import { checkCanary } from "./railway/services.ts";
import { checkTargetVolume, compareSharedMemory, compareTargetUrl } from "./railway/target-service.ts";
import { checkTls } from "./railway/tls-demands.ts";
import { tryTokenRights } from "./railway/token-rights.ts";
import { findingDefinitions } from "./registry.ts";
import { checkTransport } from "./transports.ts";
import { checkWritePause } from "./write-pause.ts";

export type { AppFacts, PreflightFacts } from "./facts.ts";

export interface PreflightOptions {
  readonly railway: Railway;
  readonly inputs: MigrationInputs;
  /** In a `preview` what cannot be looked at is reported as such; in a `run` it blocks. */
  readonly mode: "preview" | "run";
  readonly connect?: typeof openSession;
  readonly probe?: typeof probeConnection;
}

export interface PreflightResult {
  /** All at once, blockers first. */
  readonly findings: readonly Finding[];
  readonly facts: PreflightFacts;
}

/**
 * Looks at Railway and both databases, and reports everything that speaks against the cutover at once. Nothing is
 * changed anywhere: the sessions are read-only by the servers' own enforcement, and Railway is only queried. A `run` that
 * nothing blocks tries the token's rights at last, by a mutation that changes nothing. Does not throw for what it finds.
 */
export async function runPreflight(options: PreflightOptions): Promise<PreflightResult> {
  const { railway, inputs, mode, probe = probeConnection } = options;
  const findings = [...checkSchemaLists(inputs.schemas, inputs.protectedSchemas), ...checkCanary(inputs)];
  const world = await readRailway(railway, inputs, findings);
  const backups = world === undefined ? [] : await checkBackups(railway, inputs, world, findings);
  const [sourceConnection, targetConnection] = await Promise.all(
    (["source", "target"] as const).map((side) => resolve(side, world, inputs, probe, findings)),
  );
  const { source, target } = await observeDatabases(
    { source: sourceConnection, target: targetConnection },
    options,
    findings,
  );
  findings.push(
    ...checkTargetService(world, source, target, targetConnection),
    ...checkTls(world?.tlsDemands ?? [], source?.server, target?.server),
  );
  if (source !== undefined) await checkWay("source", sourceConnection, inputs, findings);
  if (target !== undefined) await checkWay("target", targetConnection, inputs, findings);
  const majors = [source?.server?.major, target?.server?.major].filter((major) => major !== undefined);
  const dumpClient =
    majors.length === 0
      ? undefined
      : await attempt(findings, "this machine", () => checkDumpClient(Math.max(...majors), findings));
  const facts: PreflightFacts = {
    inputs,
    scope: world?.scope,
    services: { source: world?.source, target: world?.target, apps: world?.apps ?? [] },
    connections: { source: sourceConnection, target: targetConnection },
    source,
    target,
    dumpClient,
    backups,
  };
  findings.push(...checkWritePause(estimateCutover(facts), inputs.limits.writePauseMs));
  const known = finish(findings, inputs, mode);
  if (mode === "preview" || world === undefined || known.some(({ severity }) => severity === "blocker")) {
    return { findings: known, facts };
  }
  findings.push(...(await tryTokenRights(railway, world.scope, facts.services.apps)));
  return { findings: finish(findings, inputs, mode), facts };
}

async function resolve(
  side: "source" | "target",
  world: RailwayFacts | undefined,
  inputs: MigrationInputs,
  probe: typeof probeConnection,
  findings: Finding[],
): Promise<ConnectionTarget | undefined> {
  const variables = world?.rendered[side];
  if (variables === undefined) return undefined;
  return attempt(findings, side, () => probe({ label: side, variables, transport: inputs.transport[side] }));
}

async function checkWay(
  side: "source" | "target",
  connection: ConnectionTarget | undefined,
  { transport }: MigrationInputs,
  findings: Finding[],
): Promise<void> {
  if (connection === undefined) return;
  const seen = await attempt(findings, side, () =>
    checkTransport(side, transport[side], connection, new Date()),
  );
  findings.push(...(seen ?? []));
}

/** One session a server, both open at once: whether they are in the same database shows only between them. */
async function observeDatabases(
  connections: PreflightFacts["connections"],
  { inputs, connect = openSession }: PreflightOptions,
  findings: Finding[],
): Promise<{ source: DatabaseObservation | undefined; target: DatabaseObservation | undefined }> {
  const open = async (side: "source" | "target"): Promise<pg.Client | undefined> => {
    const connection = connections[side];
    if (connection === undefined) return undefined;
    return attempt(findings, side, () => openObservation(connection, connect));
  };
  const [sourceClient, targetClient] = await Promise.all([open("source"), open("target")]);
  try {
    const [source, target] = await Promise.all([
      sourceClient && observeDatabase(sourceClient, "source", inputs, findings),
      targetClient && observeDatabase(targetClient, "target", inputs, findings),
    ]);
    if (source !== undefined) findings.push(...checkSource(source, inputs));
    if (target !== undefined) findings.push(...checkTarget(target, inputs));
    if (sourceClient !== undefined && targetClient !== undefined && source && target) {
      const isSame = await attempt(findings, "identity", () => isSameDatabase(sourceClient, targetClient));
      findings.push(...compareDatabases(source, target, isSame ?? false, inputs));
      const zones = await attempt(findings, "time zones", () =>
        lookAgainAtDropped(() =>
          checkTimeZones(sourceClient, targetClient, source.namedZones ?? [], source.settings ?? []),
        ),
      );
      findings.push(...(zones ?? []));
    }
    return { source, target };
  } finally {
    const opened = [sourceClient, targetClient].filter((client) => client !== undefined);
    await Promise.all(opened.map(endConnection));
  }
}

function checkTargetService(
  world: RailwayFacts | undefined,
  source: DatabaseObservation | undefined,
  target: DatabaseObservation | undefined,
  connection: ConnectionTarget | undefined,
): Finding[] {
  if (world?.target === undefined || world.rendered.target === undefined) return [];
  return [
    ...checkTargetVolume(
      world.target,
      world.rendered.target,
      target?.server?.dataFolder,
      source?.server?.databaseSizeBytes,
    ),
    ...(world.rendered.source ? compareSharedMemory(world.rendered.source, world.rendered.target) : []),
    ...(world.targetUrl && connection && target?.server
      ? compareTargetUrl(world.targetUrl, connection, target.server)
      : []),
  ];
}

function finish(
  findings: readonly Finding[],
  inputs: MigrationInputs,
  mode: PreflightOptions["mode"],
): Finding[] {
  return applyAcceptances(findings, inputs.accept, findingDefinitions)
    .map(
      (finding): Finding =>
        mode === "run" && finding.severity === "unchecked" ? { ...finding, severity: "blocker" } : finding,
    )
    .toSorted(
      (left, right) =>
        severityOrder.indexOf(left.severity) - severityOrder.indexOf(right.severity) ||
        left.code.localeCompare(right.code, "en") ||
        left.object.localeCompare(right.object, "en"),
    );
}

const severityOrder: ReadonlyArray<Finding["severity"]> = ["blocker", "unchecked", "warning"];
