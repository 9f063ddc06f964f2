import os from "node:os";
import type pg from "pg";
import { connect, endConnection, withConnection } from "../../components/postgres/connection.ts";
import { quoteIdentifier } from "../../components/postgres/identifiers.ts";
import type { PostgresServer } from "../../test/world/postgres/server.ts";
import { eachOf } from "../each-of.ts";
import { paragraphs } from "./columns.ts";
import { type DataSize, dataVersion } from "./sizes.ts";
import { constraints, definitions, fill, indexes } from "./statements.ts";

/**
 * The name of a database with this data on the source's server; it is built there unless it is there already. What an
 * interrupted build left is done anew.
 */
export async function ensureData(
  server: PostgresServer,
  size: DataSize,
  log: (line: string) => void,
): Promise<string> {
  const database = `bench_${size.name.toLowerCase().replace(/\W/g, "_")}_v${dataVersion}`;
  const unfinished = `${database}_unfinished`;
  await withConnection(server.connection("postgres"), { purpose: "world" }, async (client) => {
    const { rowCount } = await client.query("SELECT FROM pg_database WHERE datname = $1", [database]);
    if (rowCount !== 0) return;
    log(`Building ${size.title}, once …`);
    await client.query(`DROP DATABASE IF EXISTS ${quoteIdentifier(unfinished)} WITH (FORCE)`);
    await client.query(`CREATE DATABASE ${quoteIdentifier(unfinished)}`);
    await build(server, unfinished, size);
    await client.query(
      `ALTER DATABASE ${quoteIdentifier(unfinished)} RENAME TO ${quoteIdentifier(database)}`,
    );
  });
  return database;
}

async function build(server: PostgresServer, database: string, { tables }: DataSize): Promise<void> {
  const clients = await Promise.all(
    Array.from({ length: os.availableParallelism() }, () =>
      connect(server.connection(database), { purpose: "world" }),
    ),
  );
  const [first] = clients as [pg.Client];
  const inParallel = (statements: readonly string[]) =>
    eachOf(clients, statements, (statement, client) => client.query(statement));
  try {
    for (const statement of paragraphs.make) await first.query(statement);
    await first.query(["BEGIN", ...definitions(tables), "COMMIT"].join(";\n"));
    const largestFirst = tables.toSorted((a, b) => b.rows - a.rows);
    await inParallel(largestFirst.map((table) => fill(table, tables)));
    await first.query(paragraphs.drop);
    await inParallel(largestFirst.flatMap(indexes));
    for (const table of tables) for (const statement of constraints(table)) await first.query(statement);
    await first.query("VACUUM (ANALYZE)");
    await first.query("CHECKPOINT");
  } finally {
    await Promise.all(clients.map(endConnection));
  }
}
