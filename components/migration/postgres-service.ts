import { z } from "zod";
import { CutoverError } from "../errors.ts";
import { withConnection } from "../postgres/connection.ts";
import { currentMajor } from "../postgres/relations.ts";
import type { Railway, RailwayService } from "../railway/railway.ts";
import { createTarget } from "./create-target.ts";
import { migrationInputsSchema } from "./inputs.ts";
import { maintenanceDatabase } from "./maintenance.ts";
import { readPrimary } from "./primary.ts";
import type { Reporter } from "./reporter.ts";
import { resolveDatabase } from "./resolve.ts";
import { removeLegacy, stopLegacy } from "./retire.ts";

/** One of the two Railway services that run PostgreSQL: the inputs of PostgresService. */
export const postgresServiceInputsSchema = migrationInputsSchema.extend({
  role: z.enum(["source", "target"]),
  phase: z.enum(["adopt", "cutover"]),
  /** Create the service when it does not exist (the target only). */
  create: z.boolean(),
  /** `stop` and `remove` retire the old database, behind their guards. */
  lifecycle: z.enum(["keep", "stop", "remove"]),
  soakDays: z.number().min(0),
  removal: z.object({ confirmServiceId: z.string(), finalBackup: z.string() }),
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
  return observePostgresService(railway, inputs);
}

/**
 * The old database as a stack without a state finds it after its removal: gone, as the journal's finished migration and
 * Railway both say. `undefined` where it still exists.
 */
export async function adoptRemoved(
  railway: Railway,
  inputs: PostgresServiceInputs,
): Promise<{ facts: PostgresServiceFacts; retirement: Retirement } | undefined> {
  const { entry, scope } = await readPrimary(railway, inputs);
  if (entry?.record.state !== "finished") return undefined;
  const { serviceId } = entry.record.context.source;
  if ((await railway.readService(scope, serviceId)) !== undefined) return undefined;
  const gone = {
    image: null,
    volumeId: null,
    volumeMountPath: null,
    serverMajor: null,
    vectorVersion: null,
    tls: null,
  };
  return {
    facts: { serviceId, ...gone },
    retirement: { state: "removed", evidence: [`service ${serviceId} does not exist on Railway any more`] },
  };
}

/** Looks at the service on Railway and at its server. Reads only. */
export async function observePostgresService(
  railway: Railway,
  inputs: PostgresServiceInputs,
): Promise<PostgresServiceFacts> {
  const scope = await railway.resolveEnvironment(inputs);
  const database = await resolveDatabase(railway, scope, inputs, inputs.role);
  return {
    ...serviceFacts(database.service),
    serverMajor: await serverMajor(database.connection),
    vectorVersion: inputs.role === "target" ? await vectorVersion(database.connection) : null,
    tls: database.connection.tls === "require",
  };
}

/**
 * Takes the old database to the wanted point of its life: `running` → `stopped` → `removed`. Nothing to do where it is
 * there already.
 *
 * @throws CutoverError `RETIREMENT_REFUSED` with every reason at once
 */
export async function retire(
  railway: Railway,
  inputs: PostgresServiceInputs,
  serviceId: string,
  before: Retirement,
  reporter: Reporter,
): Promise<Retirement> {
  switch (inputs.lifecycle) {
    case "keep":
      if (before.state === "running") return before;
      throw new CutoverError({
        code: "RETIREMENT_NOT_REVERSIBLE_HERE",
        message: `The old database is ${before.state}; legacyPostgres: keep cannot undo that.`,
        remedy:
          before.state === "stopped"
            ? "Its volume is kept: deploy the service by hand on Railway to start it again, or put legacyPostgres: stop back."
            : "It is gone; put legacyPostgres: remove back. Restore the final backup elsewhere if it is needed.",
      });
    case "stop":
      return before.state === "running" ? stopLegacy(railway, inputs, serviceId, reporter) : before;
    case "remove": {
      if (before.state === "removed") return before;
      const stopped =
        before.state === "running" ? await stopLegacy(railway, inputs, serviceId, reporter) : before;
      return removeLegacy(railway, inputs, serviceId, stopped, reporter);
    }
    default:
      return inputs.lifecycle satisfies never;
  }
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
async function serverMajor(connection: Parameters<typeof withConnection>[0]): Promise<number> {
  return withConnection(
    connection,
    { purpose: "observe", readOnly: true, database: maintenanceDatabase(connection) },
    currentMajor,
  );
}

async function vectorVersion(connection: Parameters<typeof withConnection>[0]): Promise<string | null> {
  return withConnection(connection, { purpose: "observe", readOnly: true }, async (client) => {
    const { rows } = await client.query(
      "select extversion as version from pg_extension where extname = 'vector'",
    );
    return rows[0]?.version ?? null;
  });
}
