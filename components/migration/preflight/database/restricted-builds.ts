import type { ClientBase } from "pg";
import type { Finding } from "../../finding.ts";
import { findingsOf, listNames } from "../definitions.ts";
import { type KnownNames, readBody } from "./function-body.ts";

/** What the target makes by functions of the application, and those functions. Bodies are read and never shown. */
export interface RestrictedBuilds {
  readonly builds: readonly Build[];
  /** Checks that hold for every row from the first on, and generated columns. */
  readonly rowRules: readonly Build[];
  readonly routines: readonly Routine[];
  readonly names: KnownNames;
}

export interface Build {
  /** `index public.patient_name_idx`, `materialized view public.totals`, `constraint public.visit.in_zone`. */
  readonly object: string;
  /** Oids of the functions that it calls itself. */
  readonly routines: readonly number[];
}

export interface Routine {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly body: string;
  /** Its body was resolved when it was created (SQL standard form), or is no SQL: there are no names to look at. */
  readonly isResolved: boolean;
  /** It brings a search path of its own. */
  readonly setsPath: boolean;
  /** Functions that it is recorded to call. */
  readonly calls: readonly number[];
}

export const restrictedBuildDefinitions = {
  UNQUALIFIED_NAME: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Give the function a path of its own on the source (ALTER FUNCTION … SET search_path = …) or qualify the names; accept it if they stand on a way that is never taken.",
  },
  ROW_DEPENDS_ON_TABLE: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Make the check NOT VALID on the source (DROP CONSTRAINT, ADD CONSTRAINT … NOT VALID) and validate it on the target after the cutover; make the generated column a plain one. Accept it if the table is never reached.",
  },
} as const;

const found = findingsOf(restrictedBuildDefinitions);

/** From this major version on CREATE INDEX, REFRESH and ANALYZE run with an empty search path (release notes of 17). */
const firstRestrictedMajor = 17;

export async function readRestrictedBuilds(
  client: ClientBase,
  schemas: readonly string[],
): Promise<RestrictedBuilds> {
  const [{ rows: builds }, { rows: rowRules }] = await Promise.all([
    client.query<Build>(buildsQuery, [schemas]),
    client.query<Build>(rowRulesQuery, [schemas]),
  ]);
  const nothing = { functions: [], relations: [], types: [] };
  if (builds.length === 0 && rowRules.length === 0) return { builds, rowRules, routines: [], names: nothing };
  const [{ rows: routines }, { rows: names }] = await Promise.all([
    client.query<Routine>(routinesQuery),
    client.query<KnownNames>(namesQuery),
  ]);
  return { builds, rowRules, routines, names: names[0] ?? nothing };
}

/**
 * Names what could not be built on the target because a function names something without its schema. Best effort:
 * names in dynamic SQL, operators and variables' types are not seen, and a name may stand where it is never reached.
 */
export function checkRestrictedBuilds(
  { builds, routines, names }: RestrictedBuilds,
  targetMajor: number,
): Finding[] {
  if (targetMajor < firstRestrictedMajor) return [];
  const known = asSets(names);
  return builds.flatMap(({ object, routines: called }): Finding[] => {
    const faults = reachable(called, routines).flatMap((routine) => {
      const { unqualified } = readBody(routine.body, known);
      return unqualified.length === 0
        ? []
        : [`${routine.schema}.${routine.name} (${listNames(unqualified, 3)})`];
    });
    if (faults.length === 0) return [];
    return [
      found(
        "UNQUALIFIED_NAME",
        object,
        `It calls ${listNames(faults, 3)}, which names that without a schema. PostgreSQL ${targetMajor} builds indexes and materialised views with an empty search path and would not find it.`,
      ),
    ];
  });
}

/**
 * Names checks and generated columns that look into a table. Both are at work before the first row is there, and tables
 * fill in the order of their size: a row can come before what it depends on. As much a best effort as the above.
 */
export function checkRowRules({ rowRules, routines, names }: RestrictedBuilds): Finding[] {
  const known = asSets(names);
  return rowRules.flatMap(({ object, routines: called }): Finding[] => {
    const tables = reachable(called, routines, "everything").flatMap(
      ({ body }) => readBody(body, known).read,
    );
    if (tables.length === 0) return [];
    return [
      found(
        "ROW_DEPENDS_ON_TABLE",
        object,
        `It calls a function that reads ${listNames([...new Set(tables)].toSorted(), 3)}. It is at work before any row is copied, and that may be ${object.startsWith("column ") ? "made or filled" : "filled"} later.`,
      ),
    ];
  });
}

function asSets({ functions, relations, types }: KnownNames): KnownNames<ReadonlySet<string>> {
  return { functions: new Set(functions), relations: new Set(relations), types: new Set(types) };
}

/** Called functions, too; `restricted`: those that run under the restricted path, up to those that set their own. */
function reachable(
  start: readonly number[],
  routines: readonly Routine[],
  extent: "restricted" | "everything" = "restricted",
): Routine[] {
  const byOid = new Map(routines.map((routine) => [routine.oid, routine]));
  const byName = Map.groupBy(routines, ({ name }) => name);
  const everyCall = {
    functions: new Set(byName.keys()),
    relations: new Set<string>(),
    types: new Set<string>(),
  };
  const visited = new Set<number>();
  const result: Routine[] = [];
  const visit = (oid: number) => {
    const routine = byOid.get(oid);
    if (routine === undefined || visited.has(oid)) return;
    visited.add(oid);
    if (routine.setsPath && extent === "restricted") return;
    for (const callee of routine.calls) visit(callee);
    if (routine.isResolved && extent === "restricted") return;
    result.push(routine);
    for (const name of readBody(routine.body, everyCall).called) {
      for (const callee of byName.get(name) ?? []) visit(callee.oid);
    }
  };
  for (const oid of start) visit(oid);
  return result;
}

/** Ends a query that has named the parts of its objects. */
const routinesOfParts = `
  SELECT part.object, array_agg(DISTINCT d.refobjid::int8::float8 ORDER BY d.refobjid::int8::float8) AS routines
    FROM part
    JOIN pg_depend d ON d.classid = part.classid AND d.objid = part.objid AND d.refclassid = 'pg_proc'::regclass
   WHERE d.refobjid >= 16384
     AND NOT EXISTS (SELECT FROM pg_depend e
                      WHERE e.classid = 'pg_proc'::regclass AND e.objid = d.refobjid AND e.deptype = 'e')
   GROUP BY 1
   ORDER BY 1`;

// A materialised view's functions may be behind the views that it reads; another materialised view is only read.
const buildsQuery = `
  WITH RECURSIVE relation AS MATERIALIZED (
    SELECT c.oid, c.relkind, n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY ($1::text[])
  ),
  reads (built, relation) AS (
    SELECT oid, oid FROM relation WHERE relkind = 'm'
    UNION
    SELECT reads.built, d.refobjid
      FROM reads
      JOIN pg_rewrite r ON r.ev_class = reads.relation
      JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
      JOIN pg_class c ON c.oid = d.refobjid AND c.relkind = 'v'
  ),
  part AS (
    SELECT 'materialized view ' || relation.nspname || '.' || relation.relname AS object,
           'pg_rewrite'::regclass AS classid, r.oid AS objid
      FROM reads JOIN relation ON relation.oid = reads.built JOIN pg_rewrite r ON r.ev_class = reads.relation
    UNION ALL
    SELECT 'index ' || relation.nspname || '.' || relation.relname, 'pg_class'::regclass, i.indexrelid
      FROM pg_index i JOIN relation ON relation.oid = i.indexrelid
     WHERE i.indexprs IS NOT NULL OR i.indpred IS NOT NULL
  )
  ${routinesOfParts}`;

// A check that is handed down is its parent's finding; pg_dump makes one that is NOT VALID after the rows.
const rowRulesQuery = `
  WITH relation AS MATERIALIZED (
    SELECT c.oid, n.nspname || '.' || c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY ($1::text[]) AND c.relkind IN ('r', 'p')
  ),
  part AS (
    SELECT 'constraint ' || relation.name || '.' || c.conname AS object, 'pg_constraint'::regclass AS classid, c.oid AS objid
      FROM pg_constraint c JOIN relation ON relation.oid = c.conrelid
     WHERE c.contype = 'c' AND c.convalidated AND c.conislocal
    UNION ALL
    SELECT 'domain constraint ' || n.nspname || '.' || t.typname || '.' || c.conname, 'pg_constraint'::regclass, c.oid
      FROM pg_constraint c JOIN pg_type t ON t.oid = c.contypid JOIN pg_namespace n ON n.oid = t.typnamespace
     WHERE n.nspname = ANY ($1::text[]) AND c.convalidated
    UNION ALL
    SELECT 'column ' || relation.name || '.' || a.attname, 'pg_attrdef'::regclass, d.oid
      FROM pg_attrdef d
      JOIN relation ON relation.oid = d.adrelid
      JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum AND a.attgenerated <> ''
  )
  ${routinesOfParts}`;

const routinesQuery = `
  SELECT p.oid::int8::float8 AS oid, n.nspname::text AS schema, p.proname::text AS name,
         COALESCE(pg_get_function_sqlbody(p.oid), p.prosrc) AS body,
         l.lanname NOT IN ('sql', 'plpgsql') OR to_jsonb(p) ->> 'prosqlbody' IS NOT NULL AS "isResolved",
         EXISTS (SELECT FROM unnest(p.proconfig) entry WHERE entry LIKE 'search\\_path=%') AS "setsPath",
         ARRAY(SELECT d.refobjid::int8::float8 FROM pg_depend d
                WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_proc'::regclass) AS calls
    FROM pg_proc p
    JOIN pg_namespace n ON n.oid = p.pronamespace
    JOIN pg_language l ON l.oid = p.prolang
   WHERE p.oid >= 16384
     AND NOT EXISTS (SELECT FROM pg_depend e
                      WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e')`;

// PostgreSQL's own names are always found, and found first.
const namesQuery = `
  SELECT ARRAY(SELECT proname::text FROM pg_proc WHERE oid >= 16384
               EXCEPT SELECT proname::text FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace) AS functions,
         ARRAY(SELECT relname::text FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'p', 'v', 'm', 'f')
               EXCEPT SELECT relname::text FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace) AS relations,
         ARRAY(SELECT typname::text FROM pg_type WHERE oid >= 16384
               EXCEPT SELECT typname::text FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace) AS types`;
