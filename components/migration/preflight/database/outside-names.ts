import type { ClientBase } from "pg";
import type { Finding } from "../../finding.ts";
import { findingsOf, listNames } from "../definitions.ts";
import { type QualifiedName, qualifiedNames } from "./function-body.ts";

/** Functions whose text no dependency is recorded for, and what there is outside of the moved schemas to be named. */
export interface TextBodies {
  /** `function public.ask(integer)`; the body is read and never shown. */
  readonly routines: ReadonlyArray<{ readonly object: string; readonly body: string }>;
  /** Schemas of the database that are not moved, PostgreSQL's own and those of extensions left out. */
  readonly schemas: readonly string[];
  /** `schema.name` of their relations, routines and types. */
  readonly names: readonly string[];
  /** With how many arguments each of their routines can be called; `most` is `null` for a variadic one. */
  readonly calls: ReadonlyArray<{
    readonly name: string;
    readonly least: number;
    readonly most: number | null;
  }>;
}

export const outsideNameDefinitions = {
  BODY_NAMES_OUTSIDE: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Add the schema to `schemas`, create what is named on the target beforehand, or change the function; accept it if that is never called.",
  },
} as const;

const found = findingsOf(outsideNameDefinitions);

export async function readTextBodies(client: ClientBase, schemas: readonly string[]): Promise<TextBodies> {
  const [{ rows: routines }, { rows: outside }] = await Promise.all([
    client.query<TextBodies["routines"][number]>(bodiesQuery, [schemas]),
    client.query<Omit<TextBodies, "routines">>(outsideQuery, [schemas]),
  ]);
  return { routines, ...(outside[0] as Omit<TextBodies, "routines">) };
}

/**
 * Names in function bodies that lead out of the moved schemas, to something that the target does not have under that
 * name, or calls with another number of arguments than it takes there. `pg_depend` knows nothing of them. Best effort:
 * names in dynamic SQL, and such without a schema, are not seen.
 */
export function checkOutsideNames(
  source: TextBodies,
  target: Pick<TextBodies, "schemas" | "names" | "calls">,
): Finding[] {
  const outside = new Set([...source.schemas, ...target.schemas]);
  const there = new Set(target.names);
  const calls = Map.groupBy(target.calls, ({ name }) => name);
  const isThere = ({ schema, name, arguments: count }: QualifiedName) => {
    const routines = calls.get(`${schema}.${name}`);
    if (count === undefined || routines === undefined) return there.has(`${schema}.${name}`);
    return routines.some(({ least, most }) => count >= least && count <= (most ?? count));
  };
  return source.routines.flatMap(({ object, body }): Finding[] => {
    const missing = qualifiedNames(body)
      .filter((name) => outside.has(name.schema) && !isThere(name))
      .map(({ schema, name, arguments: count }) =>
        count !== undefined && there.has(`${schema}.${name}`)
          ? `${schema}.${name} with ${count} arguments`
          : `${schema}.${name}`,
      );
    if (missing.length === 0) return [];
    return [
      found(
        "BODY_NAMES_OUTSIDE",
        object,
        `Its body names ${listNames(missing, 4)}, which is outside of the moved schemas and not so on the target.`,
      ),
    ];
  });
}

const bodiesQuery = `
  SELECT CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END
           || ' ' || n.nspname || '.' || p.proname || '(' || oidvectortypes(p.proargtypes) || ')' AS object,
         p.prosrc AS body
    FROM pg_proc p
    JOIN pg_namespace n ON n.oid = p.pronamespace
    JOIN pg_language l ON l.oid = p.prolang
   WHERE n.nspname = ANY ($1::text[]) AND l.lanname IN ('sql', 'plpgsql') AND to_jsonb(p) ->> 'prosqlbody' IS NULL
     AND NOT EXISTS (SELECT FROM pg_depend e
                      WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e')
   ORDER BY 1`;

const outsideQuery = `
  WITH scope AS MATERIALIZED (
    SELECT n.oid, n.nspname::text AS schema FROM pg_namespace n
     WHERE n.nspname <> ALL ($1::text[]) AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgvector_cutover')
       AND NOT EXISTS (SELECT FROM pg_depend e
                        WHERE e.classid = 'pg_namespace'::regclass AND e.objid = n.oid AND e.deptype = 'e')
  ),
  named AS (
    SELECT relnamespace AS namespace, relname AS name FROM pg_class
    UNION ALL SELECT pronamespace, proname FROM pg_proc
    UNION ALL SELECT typnamespace, typname FROM pg_type
  )
  SELECT ARRAY(SELECT schema FROM scope ORDER BY 1) AS schemas,
         ARRAY(SELECT DISTINCT scope.schema || '.' || named.name
                 FROM named JOIN scope ON scope.oid = named.namespace ORDER BY 1) AS names,
         COALESCE((SELECT json_agg(json_build_object(
                            'name', scope.schema || '.' || p.proname,
                            'least', p.pronargs - p.pronargdefaults,
                            'most', CASE WHEN p.provariadic = 0 THEN p.pronargs END))
                     FROM pg_proc p JOIN scope ON scope.oid = p.pronamespace), '[]') AS calls`;
