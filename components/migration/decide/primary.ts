import { withConnection } from "../../postgres/connection.ts";
import type { EnvironmentScope, Railway } from "../../railway/railway.ts";
import type { MigrationInputs } from "../inputs.ts";
import { type JournalEntry, readJournal } from "../journal/journal.ts";
import { type NotedServices, type ResolvedDatabase, resolveDatabase } from "./resolve.ts";

/** Which database the journal says the application must run on. */
export interface Primary {
  readonly primary: "source" | "target";
  readonly entry: JournalEntry | undefined;
  readonly scope: EnvironmentScope;
  readonly target: ResolvedDatabase;
}

/** Asks the journal in the target. Reads only, and never needs the source: it works after its removal. */
export async function readPrimary(
  railway: Railway,
  inputs: Pick<MigrationInputs, "project" | "environment" | "source" | "target" | "transport">,
): Promise<Primary> {
  const scope = await railway.resolveEnvironment(inputs);
  const target = await resolveDatabase(railway, scope, inputs, "target");
  const entry = await withConnection(target.connection, { purpose: "observe", readOnly: true }, readJournal);
  const promoted = entry?.record.state === "promoted" || entry?.record.state === "finished";
  return { primary: promoted ? "target" : "source", entry, scope, target };
}

/** The services that an unfinished migration knows, by the names they had when its switch began. */
export function notedServices(entry: JournalEntry | undefined): NotedServices {
  const record = entry?.record;
  if (record === undefined || record.state === "aborted" || !("fence" in record)) return {};
  return record.fence?.services ?? {};
}
