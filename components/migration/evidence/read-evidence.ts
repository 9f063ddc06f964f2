import { CutoverError } from "../../errors.ts";
import { withConnection } from "../../postgres/connection.ts";
import type { Railway } from "../../railway/railway.ts";
import { resolveDatabase } from "../decide/resolve.ts";
import type { MigrationInputs } from "../inputs.ts";
import { listMigrations, readEvents, readJournal, readMigration } from "../journal/journal.ts";
import { nothingToReport } from "../report.ts";
import { type Assembled, assemble } from "./assemble.ts";
import { type KnownSecrets, readKnownSecrets } from "./known-secrets.ts";

/**
 * Reads what the journal in the target tells of one migration, and which secrets must not be in it. Reads only, and works
 * when the old database is gone.
 *
 * @param id of the migration; without it the one that counts: the live one, else the newest
 * @throws CutoverError `NOTHING_TO_REPORT`, `MIGRATION_UNKNOWN`, and those of reaching Railway and the target
 */
export async function readEvidence(
  railway: Railway,
  inputs: MigrationInputs,
  id?: string,
): Promise<Assembled & { known: KnownSecrets }> {
  const scope = await railway.resolveEnvironment(inputs);
  const target = await resolveDatabase(railway, scope, inputs, "target");
  return withConnection(target.connection, { purpose: "report", readOnly: true }, async (client) => {
    const entry = id === undefined ? await readJournal(client) : await readMigration(client, id);
    if (entry === undefined) {
      const known = await listMigrations(client);
      throw known.length === 0 ? nothingToReport(target.service.name) : unknownMigration(id ?? "", known);
    }
    const events = await readEvents(client, entry.id);
    const where = { project: scope.projectName, environment: scope.environmentName };
    return {
      ...assemble(entry, events, where),
      known: await readKnownSecrets(railway, scope, entry.record),
    };
  });
}

function unknownMigration(id: string, known: readonly { id: string; state: string }[]): CutoverError {
  return new CutoverError({
    code: "MIGRATION_UNKNOWN",
    message: `The journal has no migration ${id}. It has ${known.map((one) => `${one.id} (${one.state})`).join(", ")}.`,
    remedy: "Name one of those with --migration, or leave it out for the newest.",
  });
}
