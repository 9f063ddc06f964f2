import type { ClientBase } from "pg";
import { z } from "zod";
import { compareText } from "../../text-order.ts";
import { quoteIdentifier, quoteQualified } from "../identifiers.ts";
import { type BlockRange, inBlocks } from "../load/copy-format.ts";
import type { MovedTable, TableColumn } from "../relations.ts";

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

/** The rows of a table, or those of some blocks of it. */
export interface HashedPart {
  readonly table: HashedTable;
  readonly range?: BlockRange | undefined;
}

/** Counts and sums of one part, which add up over the parts of a table to those of the whole. */
export interface PartSums {
  readonly rows: bigint;
  readonly first: bigint;
  readonly second: bigint;
}

/**
 * Counts and hashes the rows of one table, those of its partitions and children left out (they are tables of their
 * own). Needs a session whose output settings are pinned, as `connect` does. Give both sides the same column list:
 * then whatever differs is the data.
 */
export async function hashTable(client: ClientBase, table: HashedTable): Promise<TableDigest> {
  const { rows } = await client.query<PartRow>(hashQuery([{ table }]));
  const [sums] = partSums(rows);
  return tableDigest(table, sums as PartSums);
}

/** A statement that counts and hashes each of the parts, as of one moment. Its rows are for {@link partSums}. */
export function hashQuery(parts: readonly HashedPart[]): string {
  return parts
    .map(
      ({ table: { schema, name, columns }, range }, part) =>
        `SELECT ${part} AS part, count(*)::text AS rows, ${sumOfHashes(1)} AS first, ${sumOfHashes(2)} AS second
           FROM (SELECT ROW(${hashExpressions(columns).join(", ")}) AS contents
                   FROM ONLY ${quoteQualified(schema, name)}${range === undefined ? "" : ` WHERE ${inBlocks(range)}`}
                 OFFSET 0) AS hashed`,
    )
    .join(" UNION ALL ");
}

export interface PartRow {
  readonly part: number;
  readonly rows: string;
  readonly first: string;
  readonly second: string;
}

/** What the statement has found, in the order of its parts. */
export function partSums(rows: readonly PartRow[]): PartSums[] {
  return rows
    .toSorted((one, other) => one.part - other.part)
    .map(({ rows: count, first, second }) => ({
      rows: BigInt(count),
      first: BigInt(first),
      second: BigInt(second),
    }));
}

export function addSums(one: PartSums, other: PartSums): PartSums {
  return {
    rows: one.rows + other.rows,
    first: one.first + other.first,
    second: one.second + other.second,
  };
}

/** The digest of a table from the sums over all of its parts. */
export function tableDigest({ schema, name }: HashedTable, { rows, first, second }: PartSums): TableDigest {
  return { schema, name, rows: String(rows), hash: low64(first) + low64(second) };
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
  return { count, hash: low64(BigInt(first)) + low64(BigInt(second)) };
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
      return `pg_catalog.int8send(${column})`;
    // Every NaN is the same value, whatever its bits: text, in which some tables travel, has one.
    case "float4":
    case "float8":
      return `pg_catalog.${builtInType}send(CASE WHEN ${column} = 'NaN' THEN 'NaN' ELSE ${column} END)`;
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

function low64(sum: bigint): string {
  return BigInt.asUintN(64, sum).toString(16).padStart(16, "0");
}
