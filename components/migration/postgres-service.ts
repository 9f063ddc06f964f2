import { z } from "zod";
import { finalBackupSchema } from "../backup/destination.ts";
import { CutoverError } from "../errors.ts";
import { type ConnectionTarget, withConnection } from "../postgres/connection.ts";
import { currentMajor } from "../postgres/relations.ts";
import { isNotPinned } from "../postgres/secure-socket.ts";
import { isRunning } from "../railway/deployments.ts";
import type { Railway, RailwayService } from "../railway/railway.ts";
import { readPrimary } from "./decide/primary.ts";
import { resolveDatabase } from "./decide/resolve.ts";
import { maintenanceDatabase } from "./fence/maintenance.ts";
import { migrationInputsSchema } from "./inputs.ts";
import { createTarget } from "./prepare/create-target.ts";
import type { Reporter } from "./reporter.ts";
import { evidenceSentences, type RetirementRecord } from "./retirement/evidence.ts";
import { removeLegacy } from "./retirement/remove.ts";
import type { RetirementRun } from "./retirement/run.ts";
import { stopLegacy } from "./retirement/stop.ts";

/** What the operator says about the end of the old database. */
export const removalSchema = z.strictObject({
  /** The old service's id, typed by hand: only `remove` asks for it. */
  confirmServiceId: z.string().default(""),
  /** Where the backup goes that outlives the volume; `null` as long as nothing is stopped. */
  finalBackup: finalBackupSchema.nullable().default(null),
});

/** One of the two Railway services that run PostgreSQL: the inputs of PostgresService. */
export const postgresServiceInputsSchema = migrationInputsSchema.extend({
  role: z.enum(["source", "target"]),
  phase: z.enum(["adopt", "cutover"]),
  /** Create the service when it does not exist (the target only). */
  create: z.boolean(),
  /** `stop` and `remove` retire the old database, behind their guards. */
  lifecycle: z.enum(["keep", "stop", "remove"]),
  soakDays: z.number().min(0),
  removal: removalSchema,
});

export type PostgresServiceInputs = z.infer<typeof postgresServiceInputsSchema>;

/** What a database service was seen to be. `null` where it does not run any more. */
export const postgresServiceFactsSchema = z.object({
  serviceId: z.string(),
  image: z.string().nullable(),
  volumeId: z.string().nullable(),
  volumeMountPath: z.string().nullable(),
  serverMajor: z.int().nullable(),
  /** Of the `vector` extension, on the target. */
  vectorVersion: z.string().nullable(),
  tls: z.boolean().nullable(),
});

export type PostgresServiceFacts = z.infer<typeof postgresServiceFactsSchema>;

/** What is left of a retired database, kept as evidence. */
export const retirementSchema = z.object({
  state: z.enum(["running", "stopped", "removed"]),
  /** Sentences that say what was proven, made and done, with dates. */
  evidence: z.array(z.string()),
});

export type Retirement = z.infer<typeof retirementSchema>;

/** Adopts the service by its name, or creates the target. Changes nothing on a service that exists. */
export async function adoptPostgresService(
  railway: Railway,
  inputs: PostgresServiceInputs,
  reporter: Reporter,
): Promise<PostgresServiceFacts> {
  const scope = await railway.resolveEnvironment(inputs);
  if (inputs.role === "target" && inputs.create) await createTarget(railway, scope, inputs, reporter);
  return observePostgresService(railway, inputs, reporter);
}

/**
 * The old database as a stack without a state finds it once it is retired: stopped as the journal says, or gone as Railway
 * says, too. `undefined` where it is not retired.
 */
export async function adoptRetired(
  railway: Railway,
  inputs: PostgresServiceInputs,
): Promise<{ facts: PostgresServiceFacts; retirement: Retirement } | undefined> {
  const { entry, scope } = await readPrimary(railway, inputs);
  if (entry?.record.state !== "finished") return undefined;
  const { context } = entry.record;
  const isFromHere = entry.record.retirement?.environmentId === scope.environmentId;
  const retirement = isFromHere ? entry.record.retirement : undefined;
  const { serviceId } = context.source;
  const nothing = {
    image: null,
    volumeId: null,
    volumeMountPath: null,
    serverMajor: null,
    vectorVersion: null,
    tls: null,
  };
  const service = (await railway.listServices(scope)).find(({ id }) => id === serviceId);
  if (service === undefined) {
    const evidence =
      retirement === undefined
        ? [`service ${serviceId} does not exist on Railway any more`]
        : evidenceSentences(retirement, inputs.source);
    return { facts: { serviceId, ...nothing }, retirement: { state: "removed", evidence } };
  }
  if (retirement === undefined || retirement.stoppedAt === null) return undefined;
  return {
    facts: { ...nothing, ...serviceFacts(service) },
    retirement: { state: "stopped", evidence: evidenceSentences(retirement, inputs.source) },
  };
}

/**
 * A stopped database as it is now: `running` where somebody deployed it again, which makes an `up` with `stop` prove
 * everything anew. Reads only.
 */
export async function observeRetired(
  railway: Railway,
  inputs: PostgresServiceInputs,
  serviceId: string,
  before: Retirement,
): Promise<Retirement> {
  if (before.state !== "stopped") return before;
  const scope = await railway.resolveEnvironment(inputs);
  const service = (await railway.listServices(scope)).find(({ id }) => id === serviceId);
  return service?.activeDeployments.some(isRunning) ? { ...before, state: "running" } : before;
}

/**
 * Looks at the service on Railway and at its server. Reads only. In `adopt` a server whose certificate nobody has pinned yet
 * is not logged in to: the certificate is reported, and the service taken as Railway tells of it.
 */
export async function observePostgresService(
  railway: Railway,
  inputs: PostgresServiceInputs,
  reporter: Reporter,
): Promise<PostgresServiceFacts> {
  const scope = await railway.resolveEnvironment(inputs);
  const { service, connection } = await resolveDatabase(railway, scope, inputs, inputs.role);
  const tls = connection.tls !== "off";
  try {
    return { ...serviceFacts(service), ...(await serverFacts(inputs.role, connection)), tls };
  } catch (error) {
    if (inputs.phase !== "adopt" || !isNotPinned(error)) throw error;
    reporter.detail(`not looked into: ${error.message} ${error.remedy}`);
    return { ...serviceFacts(service), serverMajor: null, vectorVersion: null, tls };
  }
}

async function serverFacts(
  role: PostgresServiceInputs["role"],
  connection: ConnectionTarget,
): Promise<Pick<PostgresServiceFacts, "serverMajor" | "vectorVersion">> {
  return {
    serverMajor: await serverMajor(connection),
    vectorVersion: role === "target" ? await vectorVersion(connection) : null,
  };
}

/**
 * Takes the old database to the wanted point of its life: `running` → `stopped` → `removed`. Nothing to do where it is
 * there already.
 *
 * @throws CutoverError `RETIREMENT_REFUSED` with every reason at once, and those of the final backup
 */
export async function retire(run: RetirementRun, before: Retirement): Promise<Retirement> {
  const { lifecycle } = run.inputs;
  switch (lifecycle) {
    case "keep":
      if (before.state === "running") return before;
      throw notReversible(before.state);
    case "stop":
      // One that was stopped is looked at again: it may have been deployed since, or want another backup.
      return before.state === "removed" ? before : retirementOf("stopped", run, await stopLegacy(run));
    case "remove":
      return before.state === "removed" ? before : retirementOf("removed", run, await removeLegacy(run));
    default:
      return lifecycle satisfies never;
  }
}

function retirementOf(
  state: "stopped" | "removed",
  { inputs }: RetirementRun,
  record: RetirementRecord,
): Retirement {
  return { state, evidence: evidenceSentences(record, inputs.source) };
}

function notReversible(state: "stopped" | "removed"): CutoverError {
  return new CutoverError({
    code: "RETIREMENT_NOT_REVERSIBLE_HERE",
    message: `The old database is ${state}; legacyPostgres: keep cannot undo that.`,
    remedy:
      state === "stopped"
        ? "Its volume is kept: deploy the service by hand on Railway to start it again, or put legacyPostgres: stop back."
        : "It is gone; put legacyPostgres: remove back. Restore the final backup elsewhere if it is needed.",
  });
}

function serviceFacts(
  service: RailwayService,
): Pick<PostgresServiceFacts, "serviceId" | "image" | "volumeId" | "volumeMountPath"> {
  return {
    serviceId: service.id,
    image: service.image,
    volumeId: service.volume?.id ?? null,
    volumeMountPath: service.volume?.mountPath ?? null,
  };
}

/** From the maintenance database: a sealed source tells it too. */
async function serverMajor(connection: ConnectionTarget): Promise<number> {
  return withConnection(
    connection,
    { purpose: "observe", readOnly: true, database: maintenanceDatabase(connection) },
    currentMajor,
  );
}

async function vectorVersion(connection: ConnectionTarget): Promise<string | null> {
  return withConnection(connection, { purpose: "observe", readOnly: true }, async (client) => {
    const { rows } = await client.query(
      "select extversion as version from pg_extension where extname = 'vector'",
    );
    return rows[0]?.version ?? null;
  });
}
