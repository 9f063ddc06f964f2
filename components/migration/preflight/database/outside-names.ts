import type { ClientBase } from "pg";
import type { Finding } from "../../finding.ts";
import { findingsOf, listNames } from "../definitions.ts";
import { type KnownNames, type QualifiedName, qualifiedNames, readBody } from "./function-body.ts";

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
  /** `schema.name` of what PostgreSQL and extensions bring. */
  readonly given: KnownNames;
  /** Names of what the moved schemas hold beside that. */
  readonly own: KnownNames;
}

export const outsideNameDefinitions = {
  BODY_NAMES_OUTSIDE: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Add the schema to `schemas`, create what is named on the target beforehand (an extension in the same schema as on the source), or change the function; accept it if that is never called.",
  },
} as const;

const found = findingsOf(outsideNameDefinitions);

export async function readTextBodies(client: ClientBase, schemas: readonly string[]): Promise<TextBodies> {
  const [{ rows: routines }, { rows: outside }, { rows: known }] = await Promise.all([
    client.query<TextBodies["routines"][number]>(bodiesQuery, [schemas]),
    client.query<Pick<TextBodies, "schemas" | "names" | "calls">>(outsideQuery, [schemas]),
    client.query<Pick<TextBodies, "given" | "own">>(knownQuery, [schemas]),
  ]);
  return { routines, ...outside[0], ...known[0] } as TextBodies;
}

/**
 * Names in function bodies that lead out of the moved schemas, to something that the target does not have under that
 * name, or calls with another number of arguments than it takes there; and names, with a schema or without, of what
 * PostgreSQL or an extension brings on the source and not, or elsewhere, on the target. `pg_depend` knows nothing of them.
 * Best effort: names in dynamic SQL and operators are not seen.
 */
export function checkOutsideNames(
  source: TextBodies,
  target: Omit<TextBodies, "routines" | "own">,
): Finding[] {
  const outside = new Set([...source.schemas, ...target.schemas]);
  const there = new Set(target.names);
  const calls = Map.groupBy(target.calls, ({ name }) => name);
  const isThere = ({ schema, name, arguments: count }: QualifiedName) => {
    const routines = calls.get(`${schema}.${name}`);
    if (count === undefined || routines === undefined) return there.has(`${schema}.${name}`);
    return routines.some(({ least, most }) => count >= least && count <= (most ?? count));
  };
  const notGiven = namesNotGiven(source, target);
  return source.routines.flatMap(({ object, body }): Finding[] => {
    const qualified = qualifiedNames(body)
      .filter((name) => {
        const isOutside = outside.has(name.schema) && !isThere(name);
        return isOutside || notGiven.qualified.has(`${name.schema}.${name.name}`);
      })
      .map(({ schema, name, arguments: count }) =>
        count !== undefined && there.has(`${schema}.${name}`)
          ? `${schema}.${name} with ${count} arguments`
          : `${schema}.${name}`,
      );
    const missing = [...new Set([...qualified, ...readBody(body, notGiven.alone).unqualified])];
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

/** What is given on the source, and not in the same schema on the target: in full, and as it may be named without a schema. */
function namesNotGiven(
  { given, own }: Pick<TextBodies, "given" | "own">,
  target: Pick<TextBodies, "given">,
): { qualified: ReadonlySet<string>; alone: KnownNames<ReadonlySet<string>> } {
  const of = (kind: keyof KnownNames) => {
    const there = new Set(target.given[kind]);
    const bare = (name: string) => name.slice(name.indexOf(".") + 1);
    const missing = given[kind].filter((name) => !there.has(name));
    const meansElse = new Set([...own[kind], ...given[kind].filter((name) => there.has(name)).map(bare)]);
    return { missing, alone: new Set(missing.map(bare).filter((name) => !meansElse.has(name))) };
  };
  const [functions, relations, types] = [of("functions"), of("relations"), of("types")];
  return {
    qualified: new Set([functions, relations, types].flatMap(({ missing }) => missing)),
    alone: { functions: functions.alone, relations: relations.alone, types: types.alone },
  };
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

const knownQuery = `
  WITH member AS MATERIALIZED (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e' AND refclassid = 'pg_extension'::regclass
  ),
  object AS (
    SELECT 'functions' AS kind, 'pg_proc'::regclass AS classid, oid, pronamespace AS namespace, proname::text AS name FROM pg_proc
    UNION ALL
    SELECT 'relations', 'pg_class'::regclass, oid, relnamespace, relname FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f')
    UNION ALL
    SELECT 'types', 'pg_type'::regclass, oid, typnamespace, typname FROM pg_type WHERE typrelid = 0 AND typcategory <> 'A'
  ),
  named AS MATERIALIZED (
    SELECT object.kind, n.nspname || '.' || object.name AS full_name, object.name,
           member.objid IS NOT NULL OR n.nspname = 'pg_catalog' AS is_given, n.nspname = ANY ($1::text[]) AS moves
      FROM object
      JOIN pg_namespace n ON n.oid = object.namespace
      LEFT JOIN member ON member.classid = object.classid AND member.objid = object.oid
  )
  SELECT json_build_object(${namesOfKinds("full_name", "is_given")}) AS given,
         json_build_object(${namesOfKinds("name", "moves AND NOT is_given")}) AS own`;

function namesOfKinds(name: string, condition: string): string {
  return ["functions", "relations", "types"]
    .map(
      (kind) =>
        `'${kind}', ARRAY(SELECT DISTINCT ${name} FROM named WHERE kind = '${kind}' AND ${condition} ORDER BY 1)`,
    )
    .join(", ");
}
