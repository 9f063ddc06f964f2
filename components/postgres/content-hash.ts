import type { ClientBase } from "pg";
import { z } from "zod";
import { sqlState } from "../errors.ts";
import { compareText } from "../text-order.ts";
import { quoteIdentifier, quoteQualified } from "./identifiers.ts";
import { readOnlyTransaction } from "./read-only-transaction.ts";
import type { MovedTable, TableColumn } from "./relations.ts";

/** What one table holds, in a form that says nothing about any row. */
export const tableDigestSchema = z.object({
  schema: z.string(),
  name: z.string(),
  /** Exact row count, decimal text. */
  rows: z.string().regex(/^\d+$/),
  /** 128 bits in hexadecimal over the multiset of rows: their physical order does not matter, repeated rows do. */
  hash: z.string().regex(/^[0-9a-f]{32}$/),
});

export type TableDigest = z.infer<typeof tableDigestSchema>;

type HashedTable = Pick<MovedTable, "schema" | "name" | "columns">;

export interface HashTablesOptions {
  /** Opens one more session; each worker takes one and closes it. */
  readonly connect: () => Promise<ClientBase & { end(): Promise<void> }>;
  readonly tables: readonly MovedTable[];
  /** Sessions to hash with. */
  readonly workers: number;
  /** An exported snapshot to read under; without one each table is read as of its own start. */
  readonly snapshot?: string | undefined;
  /** Ends the work before the next table. */
  readonly signal?: AbortSignal | undefined;
  readonly onTable?: ((digest: TableDigest) => void) | undefined;
  /**
   * Called for a table that cannot be hashed as declared (SQLSTATE class 42: it or a column is missing or of another
   * type), which is then left out. Without it that is a failure like any other.
   */
  readonly onMismatch?: ((table: MovedTable) => void) | undefined;
}

/**
 * Hashes many tables, largest first, and returns their digests sorted by schema and name. The first failure stops
 * the workers and is thrown as the server gave it.
 */
export async function hashTables(options: HashTablesOptions): Promise<TableDigest[]> {
  const queue = [...options.tables].sort((a, b) => b.sizeBytes - a.sizeBytes);
  const digests: TableDigest[] = [];
  const work = async () => {
    const client = await options.connect();
    try {
      for (let table = queue.shift(); table !== undefined; table = queue.shift()) {
        options.signal?.throwIfAborted();
        const digest = await hashUnderSnapshot(client, table, options);
        if (digest === undefined) continue;
        digests.push(digest);
        options.onTable?.(digest);
      }
    } catch (error) {
      queue.length = 0;
      throw error;
    } finally {
      await client.end().catch(() => {});
    }
  };
  const workers = Array.from({ length: Math.max(1, Math.min(options.workers, queue.length)) }, work);
  const failure = (await Promise.allSettled(workers)).find((result) => result.status === "rejected");
  if (failure !== undefined) throw failure.reason;
  return digests.sort((a, b) => compareText(a.schema, b.schema) || compareText(a.name, b.name));
}

/**
 * Counts and hashes the rows of one table, those of its partitions and children left out (they are tables of their
 * own). Needs a session whose output settings are pinned, as `connect` does. Give both sides the same column list:
 * then whatever differs is the data.
 */
export async function hashTable(client: ClientBase, table: HashedTable): Promise<TableDigest> {
  const { rows } = await client.query<{ rows: string; first: string; second: string }>(
    `SELECT count(*)::text AS rows, ${sumOfHashes(1)} AS first, ${sumOfHashes(2)} AS second
       FROM (SELECT ROW(${hashExpressions(table.columns).join(", ")}) AS contents
               FROM ONLY ${quoteQualified(table.schema, table.name)} OFFSET 0) AS hashed`,
  );
  const { rows: count, first, second } = rows[0] as { rows: string; first: string; second: string };
  return { schema: table.schema, name: table.name, rows: count, hash: low64(first) + low64(second) };
}

/**
 * One expression a column, ordered by column name, each of a type whose built-in hash tells any two different values
 * apart and depends on no oid. The type's own hash would not do for many: `int8` and the timestamps fold their two
 * halves into 32 bits first (2^32 and 1 collide under every seed), `numeric`, `float8`, `jsonb` and `interval` take
 * 1.0 and 1.00, -0 and 0, 1 day and 24 hours for the same, enums hash their oid, `json`, `xml` and `point` cannot.
 */
export function hashExpressions(columns: readonly TableColumn[]): string[] {
  return [...columns]
    .sort((a, b) => compareText(a.name, b.name))
    .map(({ name, builtInType }) => hashExpression(quoteIdentifier(name), builtInType));
}

/** Counts and hashes all large objects by oid and content. Objects of 1 GB and more fail as the server cannot return them. */
export async function hashLargeObjects(client: ClientBase): Promise<{ count: string; hash: string }> {
  const { rows } = await client.query<{ count: string; first: string; second: string }>(
    `SELECT count(*)::text AS count, ${sumOfHashes(1)} AS first, ${sumOfHashes(2)} AS second
       FROM (SELECT ROW(oid::text COLLATE pg_catalog."C", pg_catalog.lo_get(oid)) AS contents
               FROM pg_catalog.pg_largeobject_metadata OFFSET 0) AS hashed`,
  );
  const { count, first, second } = rows[0] as { count: string; first: string; second: string };
  return { count, hash: low64(first) + low64(second) };
}

async function hashUnderSnapshot(
  client: ClientBase,
  table: MovedTable,
  { snapshot, onMismatch }: HashTablesOptions,
): Promise<TableDigest | undefined> {
  await client.query(readOnlyTransaction(snapshot));
  try {
    const digest = await hashTable(client, table);
    await client.query("COMMIT");
    return digest;
  } catch (error) {
    if (onMismatch === undefined || !sqlState(error)?.startsWith("42")) throw error;
    await client.query("ROLLBACK");
    onMismatch(table);
    return undefined;
  }
}

function hashExpression(column: string, builtInType: string | null): string {
  switch (builtInType) {
    case "bool":
    case "int2":
    case "int4":
    case "oid":
    case "uuid":
    case "date":
    case "bytea":
      return column;
    // A nondeterministic collation would hash texts alike that it takes for equal.
    case "text":
    case "varchar":
    case "name":
      return `${column} COLLATE pg_catalog."C"`;
    case "numeric":
    case "json":
    case "jsonb":
    case "xml":
      return `${column}::pg_catalog.text COLLATE pg_catalog."C"`;
    // The cast to text would drop trailing blanks.
    case "bpchar":
      return `pg_catalog.textin(pg_catalog.bpcharout(${column})) COLLATE pg_catalog."C"`;
    case "int8":
    case "float4":
    case "float8":
      return `pg_catalog.${builtInType}send(${column})`;
    case "time":
    case "timetz":
    case "timestamp":
    case "timestamptz":
    case "interval":
      return `pg_catalog.${builtInType}_send(${column})`;
    default:
      // `format` takes the type's output function, where a cast could be one that somebody created. `num_nulls`
      // tells NULL from a composite value of NULLs, which IS NULL does not.
      return `CASE WHEN pg_catalog.num_nulls(${column}) = 0 THEN pg_catalog.format('%s', ${column}) END COLLATE pg_catalog."C"`;
  }
}

/** The columns of a record combine linearly, so its hash is hashed once more: a value swapped between rows shows. */
function sumOfHashes(seed: number): string {
  const hash = `pg_catalog.hash_record_extended(contents, ${seed})::text COLLATE pg_catalog."C"`;
  return `COALESCE(sum(pg_catalog.hashtextextended(${hash}, ${seed})), 0)::text`;
}

function low64(sum: string): string {
  return BigInt.asUintN(64, BigInt(sum)).toString(16).padStart(16, "0");
}
