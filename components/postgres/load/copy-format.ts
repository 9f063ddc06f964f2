import type { ClientBase } from "pg";
import { quoteIdentifier, quoteQualified } from "../identifiers.ts";
import { heapBlocks } from "../relations.ts";

export interface TableName {
  readonly schema: string;
  readonly name: string;
}

/** Blocks of a table's heap, from the first one to before the second; `null`: to its end. */
export interface BlockRange {
  readonly from: number;
  readonly to: number | null;
}

/** How one table's rows travel. */
export interface CopyFormat {
  readonly format: "binary" | "text";
  /** Blocks of the heap when it was planned; 0 where rows cannot be read by block. */
  readonly blocks: number;
  /** The statement that sends the rows, those of some blocks or all. */
  read(range?: BlockRange): string;
  /** The statement that takes them. */
  readonly write: string;
  /**
   * The same for a table that has no rows yet and that nobody else writes: they are stored as visible to everybody, so
   * that no later reader has to look up and note whether they are. The table is made anew for that, in the same
   * transaction, and whoever reads it meanwhile is not waited for: then it fails (55P03).
   */
  readonly writeFrozen: string;
}

/** What `pg_type` says about a type, as far as the binary format depends on it. */
export interface TypeFacts {
  readonly oid: number;
  readonly name: string;
  readonly kind: "b" | "c" | "d" | "e" | "m" | "p" | "r";
  /** Element type of a true array, base type of a domain, subtype of a range; 0 for the others. */
  readonly inner: number;
  readonly isArray: boolean;
  readonly hasBinaryForm: boolean;
}

/**
 * Decides for every table how its rows travel. Generated columns are left out: the target computes them; identity
 * columns keep their values, as COPY always does.
 */
export async function planCopies(
  source: ClientBase,
  schemas: readonly string[],
): Promise<(table: TableName) => CopyFormat> {
  const [tables, types] = [await readTables(source, schemas), await readTypes(source)];
  return ({ schema, name }) => {
    const qualified = quoteQualified(schema, name);
    const { columns = [], blocks = 0 } = tables.get(qualified) ?? {};
    const portable = columns.every(({ type }) => isBinaryPortable(type, types));
    const list = columns.map((column) => quoteIdentifier(column.name)).join(", ");
    const values = columns.map((column) => valueToSend(column, types)).join(", ");
    const format = portable ? "binary" : "text";
    const relation = list === "" ? qualified : `${qualified} (${list})`;
    const from = `COPY ${relation} FROM STDIN (FORMAT ${format}`;
    return {
      format,
      blocks: list === "" ? 0 : blocks,
      read: (range) =>
        range === undefined && values === list
          ? // COPY of a named table reads that table alone, as ONLY does in a query.
            `COPY ${relation} TO STDOUT (FORMAT ${format})`
          : `COPY (SELECT ${values} FROM ONLY ${qualified}${range === undefined ? "" : ` WHERE ${inBlocks(range)}`}) TO STDOUT (FORMAT ${format})`,
      write: `${from})`,
      // Sent as one message, they are one transaction.
      writeFrozen: `SET LOCAL lock_timeout = '1s'; TRUNCATE ONLY ${qualified}; ${from}, FREEZE)`,
    };
  };
}

/** So many blocks in so many ranges that follow one another, the last one without an end. */
export function blockRanges(blocks: number, pieces: number): BlockRange[] {
  return Array.from({ length: pieces }, (_, piece) => ({
    from: Math.floor((blocks * piece) / pieces),
    to: piece === pieces - 1 ? null : Math.floor((blocks * (piece + 1)) / pieces),
  }));
}

/** Whatever the server takes for the end of the heap when it reads, rows behind the last bound are among them. */
export function inBlocks({ from, to }: BlockRange): string {
  const bounds = [`ctid >= '(${from},0)'::pg_catalog.tid`];
  if (to !== null) bounds.push(`ctid < '(${to},0)'::pg_catalog.tid`);
  return bounds.join(" AND ");
}

/**
 * Whether a value's binary form means the same on another server. It does not where oids of the database are inside:
 * composites and arrays of types that are not built in, and the `reg*` types. Types of extensions may change theirs
 * between versions.
 */
export function isBinaryPortable(oid: number, types: ReadonlyMap<number, TypeFacts>): boolean {
  const type = types.get(oid);
  if (type === undefined || !type.hasBinaryForm) return false;
  if (type.isArray) return isBuiltIn(type.inner) && isBinaryPortable(type.inner, types);
  switch (type.kind) {
    case "b":
      // An empty tsquery is not read by 18 (18.4) in the binary form in which every version sends it.
      return isBuiltIn(type.oid) && !type.name.startsWith("reg") && !["tsquery", "xml"].includes(type.name);
    case "e":
      return true;
    case "d":
    case "r":
    case "m":
      return isBinaryPortable(type.inner, types);
    case "c":
    case "p":
      return false;
    default:
      return type.kind satisfies never;
  }
}

/**
 * A document is stored as it was written. Sent in either format it comes without its declaration, or with another one;
 * as text it is what is stored, and what is stored again (xml.c, `xml_in` and `xml_out_internal`).
 */
function valueToSend(
  { name, type }: TableFacts["columns"][number],
  types: ReadonlyMap<number, TypeFacts>,
): string {
  return quoteIdentifier(name) + (isXml(type, types) ? "::pg_catalog.text" : "");
}

function isXml(oid: number, types: ReadonlyMap<number, TypeFacts>): boolean {
  const type = types.get(oid);
  return type?.kind === "d" ? isXml(type.inner, types) : type?.name === "xml" && isBuiltIn(oid);
}

/** Oids below FirstNormalObjectId (access/transam.h) are the same in every database. */
function isBuiltIn(oid: number): boolean {
  return oid < 16_384;
}

interface TableFacts {
  readonly blocks: number;
  readonly columns: ReadonlyArray<{ readonly name: string; readonly type: number }>;
}

async function readTables(source: ClientBase, schemas: readonly string[]): Promise<Map<string, TableFacts>> {
  const { rows } = await source.query<TableName & TableFacts>(tablesQuery, [schemas]);
  return new Map(rows.map((table) => [quoteQualified(table.schema, table.name), table]));
}

async function readTypes(source: ClientBase): Promise<Map<number, TypeFacts>> {
  const { rows } = await source.query<TypeFacts>(typesQuery);
  return new Map(rows.map((type) => [type.oid, type]));
}

const tablesQuery = `
  SELECT n.nspname::text AS schema, c.relname::text AS name,
         ${heapBlocks} AS blocks,
         pg_catalog.json_agg(pg_catalog.json_build_object('name', a.attname, 'type', a.atttypid::int8)
                             ORDER BY a.attnum) AS columns
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
   WHERE n.nspname = ANY($1::text[]) AND c.relkind = 'r'
     AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
   GROUP BY c.oid, n.nspname, c.relname, c.relam`;

const typesQuery = `
  SELECT t.oid::int8::float8 AS oid, t.typname::text AS name, t.typtype AS kind,
         COALESCE(NULLIF(t.typbasetype, 0), r.rngsubtype, CASE WHEN e.oid IS NOT NULL THEN e.oid END, 0)::int8::float8 AS inner,
         e.oid IS NOT NULL AS "isArray",
         t.typsend <> 0 AND t.typreceive <> 0 AS "hasBinaryForm"
    FROM pg_catalog.pg_type t
    LEFT JOIN pg_catalog.pg_type e ON e.typarray = t.oid
    LEFT JOIN pg_catalog.pg_range r ON t.oid IN (r.rngtypid, r.rngmultitypid)`;
