import { CutoverError } from "../../errors.ts";
import { type ConnectionTarget, withConnection } from "../../postgres/connection.ts";
import { fingerprintStructure } from "../../postgres/fingerprint/fingerprint.ts";
import { currentMajor } from "../../postgres/relations.ts";
import type { EnvironmentScope, Railway, RailwayService } from "../../railway/railway.ts";
import { readPrimary } from "../decide/primary.ts";
import type { MigrationInputs } from "../inputs.ts";
import { noteAfterwards } from "../journal/journal.ts";
import type { MigrationContext } from "../journal/record.ts";
import type { DriftBaseline } from "./baseline-schema.ts";

/** Looks at everything that a baseline holds. Reads only. */
export async function readBaseline(
  railway: Railway,
  scope: EnvironmentScope,
  target: { readonly service: RailwayService; readonly connection: ConnectionTarget },
  context: Pick<MigrationContext, "source" | "schemas" | "protectedSchemas">,
): Promise<DriftBaseline> {
  const databases = [context.source.serviceId, target.service.id];
  const services = await railway.listServices(scope);
  const here = databases.filter((id) => services.some((service) => service.id === id));
  const proxies = await Promise.all(here.map((id) => railway.tcpProxies(scope, id)));
  // The service as it was resolved at the beginning of a run is hours old by its end.
  const { image, volume } = services.find(({ id }) => id === target.service.id) ?? target.service;
  return {
    recordedAt: new Date().toISOString(),
    newDatabase: {
      image,
      volumeId: volume?.id ?? null,
      volumeMountPath: volume?.mountPath ?? null,
      ...(await readServer(target.connection)),
    },
    tcpProxies: proxies.flat().map(({ id }) => id),
    ...(await readStructures(target.connection, context)),
  };
}

/**
 * Takes how things are now as right from now on: notes it in the finished migration's journal, in one statement.
 *
 * @throws CutoverError `NOT_PROMOTED`, `JOURNAL_LOST`
 */
export async function recordBaseline(railway: Railway, inputs: MigrationInputs): Promise<DriftBaseline> {
  const { entry, scope, target } = await readPrimary(railway, inputs);
  const record = entry?.record;
  if (entry === undefined || record?.state !== "finished") {
    throw new CutoverError({
      code: "NOT_PROMOTED",
      message: `There is no finished migration whose baseline could be recorded: the journal says ${record?.state ?? "nothing"}.`,
      remedy: "Run `pulumi up` with phase: cutover first.",
    });
  }
  const baseline = await readBaseline(railway, scope, target, record.context);
  await withConnection(target.connection, { purpose: "observe" }, (client) =>
    noteAfterwards(client, entry, { baseline }, "base for drift recorded"),
  );
  return baseline;
}

export type ServerFacts = Pick<DriftBaseline["newDatabase"], "serverMajor" | "vectorVersion">;

/** What a baseline holds of the new database's server. */
export async function readServer(connection: ConnectionTarget): Promise<ServerFacts> {
  return withConnection(connection, { purpose: "observe", readOnly: true }, async (client) => {
    const { rows } = await client.query(
      "select extversion as version from pg_extension where extname = 'vector'",
    );
    return { serverMajor: await currentMajor(client), vectorVersion: rows[0]?.version ?? null };
  });
}

/** What the moved and the protected schemas declare now. */
export async function readStructures(
  connection: ConnectionTarget,
  { schemas, protectedSchemas }: Pick<MigrationContext, "schemas" | "protectedSchemas">,
): Promise<Pick<DriftBaseline, "structure" | "protectedStructure">> {
  return withConnection(connection, { purpose: "observe", readOnly: true }, async (client) => ({
    structure: await fingerprintStructure(client, schemas),
    protectedStructure: await fingerprintStructure(client, protectedSchemas),
  }));
}
