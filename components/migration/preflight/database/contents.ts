import type { ClientBase } from "pg";
import { quoteQualified } from "../../../postgres/identifiers.ts";
import type { Finding } from "../../finding.ts";
import { formatCount } from "../../plan/format.ts";
import { findingsOf } from "../definitions.ts";

/** Things in a database that a copy treats differently from ordinary tables. */
export interface ContentFacts {
  /** Large objects belong to the database and to no schema. */
  readonly largeObjects: number;
  readonly unloggedTables: readonly string[];
  readonly foreignTables: readonly string[];
  /** Left by a failed CREATE INDEX CONCURRENTLY; a dump leaves them out. */
  readonly invalidIndexes: readonly string[];
  /** `_prisma_migrations` tables with a migration that neither finished nor was rolled back. */
  readonly unfinishedMigrations: readonly string[];
}

export const contentDefinitions = {
  LARGE_OBJECTS: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Move their content into a bytea column, or remove them; accept it if no application uses them any more.",
  },
  UNLOGGED_TABLE: {
    severity: "warning",
    acceptable: false,
    remedy: "Nothing: it is copied and stays unlogged; a crash of the target empties it, as on the source.",
  },
  FOREIGN_TABLE: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Create its server and user mapping on the target beforehand, or remove it; its rows live elsewhere.",
  },
  INVALID_INDEX: {
    severity: "warning",
    acceptable: false,
    remedy: "REINDEX or drop it on the source; it is not created on the target.",
  },
  PRISMA_MIGRATION_UNFINISHED: {
    severity: "warning",
    acceptable: false,
    remedy:
      "Resolve it with `prisma migrate resolve`: a service that runs `migrate deploy` on start stops with P3009.",
  },
} as const;

const found = findingsOf(contentDefinitions);

export async function readContents(client: ClientBase, schemas: readonly string[]): Promise<ContentFacts> {
  const { rows } = await client.query<
    Omit<ContentFacts, "unfinishedMigrations"> & { migrationSchemas: string[] }
  >(contentsQuery, [schemas]);
  const { migrationSchemas, ...facts } = rows[0] as (typeof rows)[number];
  const unfinished = await Promise.all(
    migrationSchemas.map(async (schema) => {
      const table = quoteQualified(schema, "_prisma_migrations");
      const { rows: answer } = await client.query<{ unfinished: boolean }>(
        `SELECT EXISTS (SELECT FROM ${table} WHERE finished_at IS NULL AND rolled_back_at IS NULL) AS unfinished`,
      );
      return answer[0]?.unfinished === true ? [`${schema}._prisma_migrations`] : [];
    }),
  );
  return { ...facts, unfinishedMigrations: unfinished.flat() };
}

export function checkSourceContents(source: ContentFacts): Finding[] {
  return [
    ...(source.largeObjects > 0
      ? [
          found(
            "LARGE_OBJECTS",
            "source",
            `The source holds ${formatCount(source.largeObjects, "large object")}. They belong to no schema and stay behind: columns that hold their oids would point at nothing.`,
          ),
        ]
      : []),
    ...source.unloggedTables.map((table) => found("UNLOGGED_TABLE", table, "The table is unlogged.")),
    ...source.foreignTables.map((table) =>
      found(
        "FOREIGN_TABLE",
        table,
        "A foreign table holds no rows here, and its server is outside of the schemas.",
      ),
    ),
    ...source.invalidIndexes.map((index) =>
      found("INVALID_INDEX", index, "The index is invalid and not used."),
    ),
    ...source.unfinishedMigrations.map((table) =>
      found("PRISMA_MIGRATION_UNFINISHED", table, "A migration neither finished nor was rolled back."),
    ),
  ];
}

const contentsQuery = `
  WITH relation AS MATERIALIZED (
    SELECT c.oid, c.relkind, c.relpersistence, c.relname, n.nspname,
           n.nspname || '.' || c.relname AS name
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY ($1::text[])
  )
  SELECT (SELECT count(*)::int FROM pg_largeobject_metadata) AS "largeObjects",
         ARRAY(SELECT name FROM relation WHERE relkind IN ('r', 'p') AND relpersistence = 'u' ORDER BY 1) AS "unloggedTables",
         ARRAY(SELECT name FROM relation WHERE relkind = 'f' ORDER BY 1) AS "foreignTables",
         ARRAY(SELECT name FROM relation JOIN pg_index i ON i.indexrelid = relation.oid
                WHERE NOT i.indisvalid ORDER BY 1) AS "invalidIndexes",
         ARRAY(SELECT nspname::text FROM relation
                WHERE relname = '_prisma_migrations' AND relkind = 'r'
                  AND 2 = (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = relation.oid
                              AND a.attname IN ('finished_at', 'rolled_back_at') AND NOT a.attisdropped)
                ORDER BY 1) AS "migrationSchemas"`;
