import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectionTarget, withConnection } from "../../../components/postgres/connection.ts";
import { createDatabase } from "../postgres/databases.ts";
import { sharedServers } from "../postgres/shared.ts";
import { readStoredWrites, type StoredWrites } from "./checker.ts";
import { type LedgerEntry, readLedgers } from "./ledger.ts";

/** A database with the writers' two tables and nothing else, and a folder for their ledgers. */
export interface AppDatabase extends AsyncDisposable {
  readonly connection: ConnectionTarget;
  /** As the ledgers name it. */
  readonly address: string;
  readonly ledgerFolder: string;
  query(statement: string, values?: readonly unknown[]): Promise<Array<Record<string, unknown>>>;
  readEntries(): Promise<LedgerEntry[]>;
  readStored(): Promise<StoredWrites>;
}

export async function createAppDatabase(role: "source" | "target" = "source"): Promise<AppDatabase> {
  const database = await createDatabase(sharedServers()[role]);
  const ledgerFolder = await mkdtemp(join(tmpdir(), "ledgers-"));
  const { connection } = database;
  const use = <Result>(work: Parameters<typeof withConnection<Result>>[2]) =>
    withConnection(connection, { purpose: "world" }, work);
  await use((client) => client.query(tables));
  return {
    connection,
    address: `${connection.host}:${connection.port}`,
    ledgerFolder,
    query: (statement, values) =>
      use(async (client) => (await client.query(statement, [...(values ?? [])])).rows),
    readEntries: () => readLedgers(ledgerFolder),
    readStored: () => use(readStoredWrites),
    async [Symbol.asyncDispose]() {
      await database.drop();
      await rm(ledgerFolder, { recursive: true });
    },
  };
}

const tables = `
  CREATE TABLE public."AppWrite" (
    id text PRIMARY KEY, writer text NOT NULL, sequence bigint NOT NULL,
    "createdAt" timestamptz DEFAULT now(), UNIQUE (writer, sequence));
  CREATE TABLE public."WriterProgress" (writer text PRIMARY KEY, sequence bigint NOT NULL);`;
