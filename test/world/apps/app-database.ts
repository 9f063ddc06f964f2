import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectionTarget, withConnection } from "../../../components/postgres/connection.ts";
import { createDatabase } from "../postgres/databases.ts";
import { sharedServers } from "../postgres/shared.ts";
import { createWriterRole, grantWrites } from "../postgres/writer-role.ts";
import type { LedgerEntry } from "./ledger.ts";
import { openLedgerFolder } from "./ledger-folder.ts";
import { readStoredWrites, type StoredWrites } from "./stored-writes.ts";
import type { RoleAccount } from "./writer-settings.ts";

/** A database with what the writers use and nothing else, and a folder for their ledgers. */
export interface AppDatabase extends AsyncDisposable {
  readonly connection: ConnectionTarget;
  /** As the ledgers name it. */
  readonly address: string;
  readonly ledgerFolder: string;
  /** For lanes of kind `own-role`; of this database alone. */
  readonly role: RoleAccount;
  query(statement: string, values?: readonly unknown[]): Promise<Array<Record<string, unknown>>>;
  readEntries(): Promise<readonly LedgerEntry[]>;
  readStored(): Promise<StoredWrites>;
}

export async function createAppDatabase(role: "source" | "target" = "source"): Promise<AppDatabase> {
  const database = await createDatabase(sharedServers()[role]);
  const ledgerFolder = await mkdtemp(join(tmpdir(), "ledgers-"));
  const { connection } = database;
  const use = <Result>(work: Parameters<typeof withConnection<Result>>[2]) =>
    withConnection(connection, { purpose: "world" }, work);
  await use((client) => client.query(objects));
  const account = { user: `writer_of_${connection.database}`, password: randomBytes(16).toString("hex") };
  await createWriterRole(connection, account);
  await grantWrites(connection, account.user);
  const ledgers = openLedgerFolder(ledgerFolder);
  return {
    connection,
    address: `${connection.host}:${connection.port}`,
    ledgerFolder,
    role: account,
    query: (statement, values) =>
      use(async (client) => (await client.query(statement, [...(values ?? [])])).rows),
    readEntries: () => ledgers.read(),
    readStored: () => use(readStoredWrites),
    async [Symbol.asyncDispose]() {
      await database.drop();
      await withConnection(sharedServers()[role].connection("postgres"), { purpose: "world" }, (client) =>
        client.query(`DROP ROLE ${account.user}`),
      );
      await rm(ledgerFolder, { recursive: true });
    },
  };
}

const objects = `
  CREATE TABLE public."AppWrite" (
    id text PRIMARY KEY, writer text NOT NULL, sequence bigint NOT NULL,
    "createdAt" timestamptz DEFAULT now(), UNIQUE (writer, sequence));
  CREATE TABLE public."WriterProgress" (writer text PRIMARY KEY, sequence bigint NOT NULL);
  CREATE SCHEMA practice_management;
  CREATE SEQUENCE practice_management.claim_number AS bigint START WITH 500000 INCREMENT BY 7 CACHE 5;`;
