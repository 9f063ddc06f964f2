import type { ClientBase } from "pg";

/** One table of a moved schema, with what planning, copying and hashing need to know about it. */
export interface MovedTable {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** A `partitioned` table holds no rows itself; its partitions are listed as tables of their own. */
  readonly kind: "table" | "partitioned";
  readonly isPartition: boolean;
  /** Heap, TOAST and their maps; indexes not included. */
  readonly sizeBytes: number;
  readonly indexBytes: number;
  /** Blocks of the heap alone; 0 where rows have no address that can be compared. */
  readonly heapBlocks: number;
  /** From the planner's or the activity statistics: for progress and plans only, never for a verdict. */
  readonly estimatedRows: number;
  readonly hasRowSecurity: boolean;
  /** In the table's own column order. */
  readonly columns: readonly TableColumn[];
}

export interface TableColumn {
  readonly name: string;
  /** As `format_type` writes it, schema-qualified where it is not built in: `character varying(20)`, `public.mood`. */
  readonly type: string;
  readonly typeKind: "base" | "array" | "enum" | "composite" | "domain" | "range" | "multirange" | "pseudo";
  /** The internal name when PostgreSQL itself brings the type (`int8`, `_text`), otherwise `null`. */
  readonly builtInType: string | null;
  /** How the value comes about; a generated column can be neither copied into nor written. */
  readonly generated: "no" | "stored" | "virtual";
  readonly isIdentity: boolean;
  readonly notNull: boolean;
}

/**
 * Every ordinary and partitioned table of the schemas, partitions included, sorted by schema and name. Tables that
 * belong to an extension are left out: they come with it.
 */
export async function listTables(client: ClientBase, schemas: readonly string[]): Promise<MovedTable[]> {
  const { rows } = await client.query<MovedTable>(tablesQuery, [schemas]);
  return rows;
}

/** Whether the schemas hold any of the tables of `listTables`. Opens none of them: whoever locks one is not waited for. */
export async function hasTables(client: ClientBase, schemas: readonly string[]): Promise<boolean> {
  const { rows } = await client.query<{ exists: boolean }>(
    `SELECT EXISTS (SELECT FROM ${movedRelations}) AS exists`,
    [schemas],
  );
  return (rows[0] as { exists: boolean }).exists;
}

/** Which of the given schemas exist, sorted. */
export async function listSchemas(client: ClientBase, schemas: readonly string[]): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    "SELECT nspname::text AS name FROM pg_catalog.pg_namespace WHERE nspname = ANY($1::text[]) ORDER BY nspname",
    [schemas],
  );
  return rows.map(({ name }) => name);
}

/** The server's major version, such as 17. */
export async function currentMajor(client: ClientBase): Promise<number> {
  const { rows } = await client.query<{ major: number }>(
    "SELECT pg_catalog.current_setting('server_version_num')::int / 10000 AS major",
  );
  return (rows[0] as { major: number }).major;
}

/** Blocks of the heap of the table `c`. Rows have an address that can be compared in the built-in storage only. */
export const heapBlocks = `
         CASE WHEN (SELECT amname FROM pg_catalog.pg_am WHERE oid = c.relam) = 'heap'
              THEN COALESCE(pg_catalog.pg_relation_size(c.oid), 0) / pg_catalog.current_setting('block_size')::int8
              ELSE 0 END::float8`;

/** The tables `c` in the schemas `n` of the first parameter. */
const movedRelations = `
         pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n
           ON n.oid = c.relnamespace
          AND n.nspname = ANY($1::text[])
          AND c.relkind IN ('r', 'p')
          AND NOT EXISTS (
                SELECT 1 FROM pg_catalog.pg_depend d
                 WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')`;

const tablesQuery = `
  SELECT c.oid,
         n.nspname::text AS schema,
         c.relname::text AS name,
         CASE c.relkind WHEN 'p' THEN 'partitioned' ELSE 'table' END AS kind,
         c.relispartition AS "isPartition",
         COALESCE(pg_catalog.pg_table_size(c.oid), 0)::float8 AS "sizeBytes",
         COALESCE(pg_catalog.pg_indexes_size(c.oid), 0)::float8 AS "indexBytes",
         ${heapBlocks} AS "heapBlocks",
         CASE WHEN c.reltuples < 0 THEN pg_catalog.pg_stat_get_live_tuples(c.oid)::float8
              ELSE c.reltuples::float8 END AS "estimatedRows",
         c.relrowsecurity AS "hasRowSecurity",
         COALESCE(columns.list, '[]') AS columns
    FROM ${movedRelations}
    LEFT JOIN (
      SELECT a.attrelid,
             pg_catalog.json_agg(pg_catalog.json_build_object(
               'name', a.attname,
               'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
               'typeKind', CASE WHEN t.typcategory = 'A' AND t.typtype = 'b' THEN 'array'
                                ELSE CASE t.typtype WHEN 'b' THEN 'base' WHEN 'e' THEN 'enum' WHEN 'c' THEN 'composite'
                                                    WHEN 'd' THEN 'domain' WHEN 'r' THEN 'range'
                                                    WHEN 'm' THEN 'multirange' ELSE 'pseudo' END END,
               'builtInType', CASE WHEN t.oid < 16384 AND tn.nspname = 'pg_catalog' THEN t.typname END,
               'generated', CASE a.attgenerated WHEN 's' THEN 'stored' WHEN 'v' THEN 'virtual' ELSE 'no' END,
               'isIdentity', a.attidentity <> '',
               'notNull', a.attnotnull
             ) ORDER BY a.attnum) AS list
        FROM pg_catalog.pg_attribute a
        JOIN pg_catalog.pg_class owner ON owner.oid = a.attrelid AND owner.relkind IN ('r', 'p')
        JOIN pg_catalog.pg_namespace owner_schema
          ON owner_schema.oid = owner.relnamespace AND owner_schema.nspname = ANY($1::text[])
        JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace
       WHERE a.attnum > 0 AND NOT a.attisdropped
       GROUP BY a.attrelid
    ) columns ON columns.attrelid = c.oid
   ORDER BY n.nspname, c.relname`;
