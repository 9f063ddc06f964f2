import type { ClientBase } from "pg";
import { extensionMembers } from "../../../postgres/catalogue/fragments.ts";
import type { MovedTable } from "../../../postgres/relations.ts";
import { similarNames } from "../../../similar-names.ts";
import type { Finding } from "../../finding.ts";
import { cutoverSchema } from "../../journal/journal.ts";
import { formatCount } from "../../plan/format.ts";
import { findingsOf, listNames } from "../definitions.ts";

/** Which schemas a database has, and which objects of its own (none of an extension's) the moved ones hold. */
export interface SchemaFacts {
  /** All schemas but PostgreSQL's own. */
  readonly schemas: readonly string[];
  readonly objects: ReadonlyArray<{ readonly schema: string; readonly kind: string; readonly name: string }>;
}

export const schemaDefinitions = {
  SCHEMA_MISSING: {
    severity: "blocker",
    acceptable: false,
    remedy: "Correct the name in `schemas`, or take it off the list.",
  },
  SCHEMA_MOVED_AND_PROTECTED: {
    severity: "blocker",
    acceptable: false,
    remedy: "Take the schema off one of the lists `schemas` and `protectedSchemas`.",
  },
  NOTHING_TO_MOVE: {
    severity: "blocker",
    acceptable: true,
    remedy: "Check that `source` names the service that holds the application's data.",
  },
  SCHEMA_NOT_LISTED: {
    severity: "warning",
    acceptable: false,
    remedy: "Add the schema to `schemas` if the application needs it.",
  },
  TARGET_NOT_EMPTY: {
    severity: "blocker",
    acceptable: false,
    remedy:
      "Look at what is there; move or drop it yourself if it is not needed. Nothing is ever appended to or replaced.",
  },
  PROTECTED_SCHEMA_MISSING: {
    severity: "blocker",
    acceptable: true,
    remedy: "Check that `target` names the right service and that its URL names the right database.",
  },
} as const;

const found = findingsOf(schemaDefinitions);

export async function readSchemas(client: ClientBase, moved: readonly string[]): Promise<SchemaFacts> {
  const [schemas, objects] = await Promise.all([
    client.query<{ name: string }>(schemasQuery),
    client.query<SchemaFacts["objects"][number]>(objectsQuery, [moved]),
  ]);
  return { schemas: schemas.rows.map(({ name }) => name), objects: objects.rows };
}

/** What the configuration alone gets wrong. */
export function checkSchemaLists(schemas: readonly string[], protectedSchemas: readonly string[]): Finding[] {
  return schemas
    .filter((schema) => protectedSchemas.includes(schema))
    .map((schema) =>
      found("SCHEMA_MOVED_AND_PROTECTED", schema, "The schema is both to be moved and to be left untouched."),
    );
}

export function checkSourceSchemas(
  source: SchemaFacts,
  schemas: readonly string[],
  protectedSchemas: readonly string[],
): Finding[] {
  const missing = schemas.filter((schema) => !source.schemas.includes(schema));
  const unlisted = source.schemas.filter(
    (schema) => !schemas.includes(schema) && !protectedSchemas.includes(schema) && schema !== cutoverSchema,
  );
  const isEmpty = missing.length < schemas.length && !source.objects.some(({ kind }) => kind === "table");
  return [
    ...missing.map((schema) => {
      const [similar] = similarNames(schema, unlisted);
      return found(
        "SCHEMA_MISSING",
        schema,
        "The source has no schema of that name.",
        similar === undefined ? undefined : `Did you mean ${similar}? Correct the name in \`schemas\`.`,
      );
    }),
    ...unlisted.map((schema) =>
      found(
        "SCHEMA_NOT_LISTED",
        schema,
        "The source has this schema, and it is not on the list: it stays behind.",
      ),
    ),
    ...(isEmpty
      ? [found("NOTHING_TO_MOVE", "source", "The schemas to move hold no table at all on the source.")]
      : []),
  ];
}

/** @param tables of the moved schemas on the target, for how much is in them */
export function checkTargetSchemas(
  target: SchemaFacts,
  tables: readonly MovedTable[],
  schemas: readonly string[],
  protectedSchemas: readonly string[],
): Finding[] {
  const describe = ({ schema, kind, name }: SchemaFacts["objects"][number]) => {
    const rows = tables.find((table) => table.schema === schema && table.name === name)?.estimatedRows ?? 0;
    return `${kind} ${name}${rows > 0 ? ` (about ${formatCount(rows, "row")})` : ""}`;
  };
  const filled = schemas
    .map((schema) => ({ schema, objects: target.objects.filter((each) => each.schema === schema) }))
    .filter(({ objects }) => objects.length > 0);
  return [
    ...filled.map(({ schema, objects }) =>
      found(
        "TARGET_NOT_EMPTY",
        schema,
        `The schema holds ${formatCount(objects.length, "object")} on the target already: ${listNames(objects.map(describe))}.`,
      ),
    ),
    ...protectedSchemas
      .filter((schema) => !target.schemas.includes(schema))
      .map((schema) =>
        found(
          "PROTECTED_SCHEMA_MISSING",
          schema,
          "The target does not have the schema that it is to keep, so this may be the wrong database.",
        ),
      ),
  ];
}

const schemasQuery = `
  SELECT nspname::text AS name FROM pg_namespace
   WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
     AND NOT EXISTS (SELECT FROM pg_depend
                      WHERE classid = 'pg_namespace'::regclass AND objid = pg_namespace.oid AND deptype = 'e')
   ORDER BY 1`;

// Indexes, row types and array types come with their tables and are left out.
const objectsQuery = `
  WITH RECURSIVE ${extensionMembers},
  scope AS (SELECT oid, nspname::text AS schema FROM pg_namespace WHERE nspname = ANY ($1::text[])),
  object AS (
    SELECT 'pg_class'::regclass AS classid, c.oid, scope.schema, c.relname::text AS name,
           CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
                          WHEN 'f' THEN 'foreign table' WHEN 'c' THEN 'type' ELSE 'table' END AS kind
      FROM pg_class c JOIN scope ON scope.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c')
    UNION ALL
    SELECT 'pg_proc'::regclass, p.oid, scope.schema, p.proname::text, 'function'
      FROM pg_proc p JOIN scope ON scope.oid = p.pronamespace
    UNION ALL
    SELECT 'pg_type'::regclass, t.oid, scope.schema, t.typname::text, 'type'
      FROM pg_type t JOIN scope ON scope.oid = t.typnamespace WHERE t.typtype IN ('d', 'e', 'r', 'b', 'p') AND t.oid NOT IN (SELECT element.typarray FROM pg_type element)
    UNION ALL
    SELECT 'pg_operator'::regclass, o.oid, scope.schema, o.oprname::text, 'operator'
      FROM pg_operator o JOIN scope ON scope.oid = o.oprnamespace
    UNION ALL
    SELECT 'pg_opfamily'::regclass, f.oid, scope.schema, f.opfname::text, 'operator family'
      FROM pg_opfamily f JOIN scope ON scope.oid = f.opfnamespace
    UNION ALL
    SELECT 'pg_collation'::regclass, l.oid, scope.schema, l.collname::text, 'collation'
      FROM pg_collation l JOIN scope ON scope.oid = l.collnamespace
    UNION ALL
    SELECT 'pg_conversion'::regclass, v.oid, scope.schema, v.conname::text, 'conversion'
      FROM pg_conversion v JOIN scope ON scope.oid = v.connamespace
    UNION ALL
    SELECT 'pg_ts_config'::regclass, g.oid, scope.schema, g.cfgname::text, 'text search configuration'
      FROM pg_ts_config g JOIN scope ON scope.oid = g.cfgnamespace
    UNION ALL
    SELECT 'pg_ts_dict'::regclass, y.oid, scope.schema, y.dictname::text, 'text search dictionary'
      FROM pg_ts_dict y JOIN scope ON scope.oid = y.dictnamespace
    UNION ALL
    SELECT 'pg_ts_parser'::regclass, w.oid, scope.schema, w.prsname::text, 'text search parser'
      FROM pg_ts_parser w JOIN scope ON scope.oid = w.prsnamespace
    UNION ALL
    SELECT 'pg_ts_template'::regclass, x.oid, scope.schema, x.tmplname::text, 'text search template'
      FROM pg_ts_template x JOIN scope ON scope.oid = x.tmplnamespace
    UNION ALL
    SELECT 'pg_statistic_ext'::regclass, s.oid, scope.schema, s.stxname::text, 'statistics'
      FROM pg_statistic_ext s JOIN scope ON scope.oid = s.stxnamespace
  )
  SELECT object.schema, object.kind, object.name FROM object
   WHERE NOT EXISTS (SELECT FROM extension_member member
                      WHERE member.classid = object.classid AND member.objid = object.oid)
   ORDER BY 1, 2, 3`;
