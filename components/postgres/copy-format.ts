import type { ClientBase } from "pg";
import { quoteIdentifier, quoteQualified } from "./identifiers.ts";

export interface TableName {
  readonly schema: string;
  readonly name: string;
}

/** The two ends of one table's copy. */
export interface CopyStatements {
  readonly format: "binary" | "text";
  readonly read: string;
  readonly write: string;
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
): Promise<(table: TableName) => CopyStatements> {
  const [columns, types] = [await readColumns(source, schemas), await readTypes(source)];
  return ({ schema, name }) => {
    const own = columns.get(quoteQualified(schema, name)) ?? [];
    const portable = own.every(({ type }) => isBinaryPortable(type, types));
    const list = own.length === 0 ? "" : ` (${own.map((column) => quoteIdentifier(column.name)).join(", ")})`;
    const format = portable ? "binary" : "text";
    const relation = `${quoteQualified(schema, name)}${list}`;
    return {
      format,
      // COPY of a named table reads that table alone, as ONLY does in a query.
      read: `COPY ${relation} TO STDOUT (FORMAT ${format})`,
      write: `COPY ${relation} FROM STDIN (FORMAT ${format})`,
    };
  };
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
      return isBuiltIn(type.oid) && !type.name.startsWith("reg") && type.name !== "tsquery";
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

/** Oids below FirstNormalObjectId (access/transam.h) are the same in every database. */
function isBuiltIn(oid: number): boolean {
  return oid < 16_384;
}

async function readColumns(
  source: ClientBase,
  schemas: readonly string[],
): Promise<Map<string, ReadonlyArray<{ name: string; type: number }>>> {
  const { rows } = await source.query<TableName & { columns: Array<{ name: string; type: number }> }>(
    columnsQuery,
    [schemas],
  );
  return new Map(rows.map(({ schema, name, columns }) => [quoteQualified(schema, name), columns]));
}

async function readTypes(source: ClientBase): Promise<Map<number, TypeFacts>> {
  const { rows } = await source.query<TypeFacts>(typesQuery);
  return new Map(rows.map((type) => [type.oid, type]));
}

const columnsQuery = `
  SELECT n.nspname::text AS schema, c.relname::text AS name,
         pg_catalog.json_agg(pg_catalog.json_build_object('name', a.attname, 'type', a.atttypid::int8)
                             ORDER BY a.attnum) AS columns
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
   WHERE n.nspname = ANY($1::text[]) AND c.relkind = 'r'
     AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
   GROUP BY n.nspname, c.relname`;

const typesQuery = `
  SELECT t.oid::int8::float8 AS oid, t.typname::text AS name, t.typtype AS kind,
         COALESCE(NULLIF(t.typbasetype, 0), r.rngsubtype, CASE WHEN e.oid IS NOT NULL THEN e.oid END, 0)::int8::float8 AS inner,
         e.oid IS NOT NULL AS "isArray",
         t.typsend <> 0 AND t.typreceive <> 0 AS "hasBinaryForm"
    FROM pg_catalog.pg_type t
    LEFT JOIN pg_catalog.pg_type e ON e.typarray = t.oid
    LEFT JOIN pg_catalog.pg_range r ON t.oid IN (r.rngtypid, r.rngmultitypid)`;
