import type pg from "pg";
import { type ConnectionTarget, withConnection } from "../components/postgres/connection.ts";
import { quoteIdentifier, quoteQualified } from "../components/postgres/identifiers.ts";

/** What a copy must have: a tool that left some of it out would be fast. */
export interface Inventory {
  /** Rows by table. */
  readonly rows: ReadonlyMap<string, number>;
  readonly indexes: number;
  readonly constraints: number;
  /** Tables that hold rows and were never analysed. */
  readonly unanalyzed: readonly string[];
}

/** Counts everything in the schemas. */
export async function takeInventory(
  connection: ConnectionTarget,
  schemas: readonly string[],
): Promise<Inventory> {
  return withConnection(connection, { purpose: "observe", readOnly: true }, async (client) => {
    const { rows } = await client.query<{ schema: string; name: string; analyzed: boolean }>(
      `SELECT nspname AS schema, relname AS name, reltuples >= 0 AS analyzed
         FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
        WHERE relkind = 'r' AND nspname = ANY($1::text[]) ORDER BY 1, 2`,
      [schemas],
    );
    const counts = new Map<string, number>();
    for (const { schema, name } of rows) {
      const { rows: counted } = await client.query<{ count: string }>(
        `SELECT count(*) FROM ${quoteQualified(schema, name)}`,
      );
      counts.set(`${schema}.${name}`, Number(counted[0]?.count));
    }
    return {
      rows: counts,
      indexes: await count(client, "pg_index JOIN pg_class c ON c.oid = indexrelid AND indisvalid", schemas),
      constraints: await count(
        client,
        "pg_constraint c",
        schemas,
        "convalidated AND contype <> 'n'",
        "connamespace",
      ),
      unanalyzed: rows
        .filter(({ schema, name, analyzed }) => !analyzed && (counts.get(`${schema}.${name}`) ?? 0) > 0)
        .map(({ schema, name }) => `${schema}.${name}`),
    };
  });
}

async function count(
  client: pg.Client,
  from: string,
  schemas: readonly string[],
  condition = "true",
  namespace = "relnamespace",
): Promise<number> {
  const { rows } = await client.query<{ count: string }>(
    `SELECT count(*) FROM ${from} JOIN pg_namespace n ON n.oid = c.${quoteIdentifier(namespace)}
      WHERE nspname = ANY($1::text[]) AND ${condition}`,
    [schemas],
  );
  return Number(rows[0]?.count);
}

/** What the copy lacks, in words; empty when it is whole. Pure. */
export function missingFrom(source: Inventory, copy: Inventory): string[] {
  const wrong = [...source.rows].filter(([table, rows]) => copy.rows.get(table) !== rows);
  return [
    ...wrong
      .slice(0, 5)
      .map(([table, rows]) => `${table} has ${copy.rows.get(table) ?? "no"} of ${rows} rows`),
    ...(wrong.length > 5 ? [`${wrong.length - 5} more tables differ`] : []),
    ...(copy.indexes < source.indexes ? [`${copy.indexes} of ${source.indexes} indexes`] : []),
    ...(copy.constraints < source.constraints
      ? [`${copy.constraints} of ${source.constraints} constraints`]
      : []),
    ...(copy.unanalyzed.length > 0 ? [`${copy.unanalyzed.length} tables without statistics`] : []),
  ];
}
