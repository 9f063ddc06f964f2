import { withConnection } from "../postgres/connection.ts";
import { isSealed } from "../postgres/fence.ts";
import { compareFingerprints, fingerprintProtected } from "../postgres/fingerprint.ts";
import { listTables } from "../postgres/relations.ts";
import { isRunning } from "../railway/deployments.ts";
import type { Railway } from "../railway/railway.ts";
import type { MigrationInputs } from "./inputs.ts";
import { maintenanceDatabase } from "./maintenance.ts";
import { readPrimary } from "./primary.ts";
import { resolveDatabase } from "./resolve.ts";

/**
 * What differs from how a finished migration was left: one sentence each, sorted, empty when all is well. Reads only.
 * A source that was stopped or removed on purpose is no drift.
 */
export async function readDrift(
  railway: Railway,
  inputs: MigrationInputs & { migrationId: string; sourceServiceId: string },
): Promise<string[]> {
  const { entry, scope, target } = await readPrimary(railway, inputs);
  if (
    entry?.id !== inputs.migrationId ||
    (entry.record.state !== "finished" && entry.record.state !== "promoted")
  ) {
    return ["the target's journal does not know this migration: the database was replaced or restored"];
  }
  const { fence, load } = entry.record;
  const onTarget = await withConnection(
    target.connection,
    { purpose: "observe", readOnly: true },
    async (client) => {
      const present = new Set(
        (await listTables(client, inputs.schemas)).map(({ schema, name }) => `${schema}.${name}`),
      );
      const missing = fence.tables
        .map(({ schema, name }) => `${schema}.${name}`)
        .filter((name) => !present.has(name));
      const protectedNow = await fingerprintProtected(client, inputs.protectedSchemas);
      const changed = compareFingerprints(load.protectedBefore, protectedNow).filter(
        ({ aspect }) => aspect !== "rows" && aspect !== "position",
      );
      return [
        ...missing.map((name) => `table ${name} is missing on the target`),
        ...changed.map(({ object }) => `protected: ${object} changed`),
      ];
    },
  );
  return [...onTarget, ...(await sourceDrift(railway, scope, inputs))].sort();
}

async function sourceDrift(
  railway: Railway,
  scope: Parameters<Railway["readService"]>[0],
  inputs: MigrationInputs & { sourceServiceId: string },
): Promise<string[]> {
  const service = await railway.readService(scope, inputs.sourceServiceId);
  if (!service?.activeDeployments.some(isRunning)) return [];
  const { connection } = await resolveDatabase(railway, scope, inputs, "source");
  const sealed = await withConnection(
    connection,
    { purpose: "observe", readOnly: true, database: maintenanceDatabase(connection) },
    (client) => isSealed(client, connection.database),
  );
  return sealed ? [] : ["the old database accepts connections again: its seal was lifted"];
}
