import type { ClientBase } from "pg";
import type { Finding } from "../../finding.ts";
import { findingsOf, listNames } from "../definitions.ts";
import { objectsInScope, partsInScope } from "./objects-in-scope.ts";

/** What differs from server to server without any extension: by its major version, its operating system or its build. */
export interface ServerObjects {
  /** `collation "en_US.utf8"`, `column pg_stat_bgwriter.checkpoints_timed`, `setting force_parallel_mode`. */
  readonly provided: readonly string[];
  /** Those that moved objects use. */
  readonly used: ReadonlyArray<{ readonly object: string; readonly usedBy: readonly string[] }>;
}

export const serverObjectDefinitions = {
  NOT_ON_TARGET_SERVER: {
    severity: "blocker",
    acceptable: false,
    remedy:
      "Change what uses it on the source first, so that it does without; or use an image for the target that has it.",
  },
} as const;

const found = findingsOf(serverObjectDefinitions);

export async function readServerObjects(
  client: ClientBase,
  schemas: readonly string[],
): Promise<ServerObjects> {
  const [{ rows: provided }, { rows: used }] = await Promise.all([
    client.query<{ object: string }>(providedQuery),
    client.query<ServerObjects["used"][number]>(usedQuery, [schemas]),
  ]);
  return { provided: provided.map(({ object }) => object), used };
}

/** A definition that names what the target's server lacks would end the load in the middle of the pause. */
export function compareServerObjects(
  source: ServerObjects,
  target: Pick<ServerObjects, "provided">,
): Finding[] {
  const there = new Set(target.provided);
  // Some settings, such as `role`, are listed by no server.
  const listed = new Set(source.provided);
  return source.used
    .filter(({ object }) => listed.has(object) && !there.has(object))
    .map(({ object, usedBy }) =>
      found(
        "NOT_ON_TARGET_SERVER",
        object,
        `The target's server does not have it, and ${listNames(usedBy, 4)} cannot be made without it.`,
      ),
    );
}

// Collations come from the operating system, and views of the system change with the major version. What a server cannot
// do without is pinned, and no dependency on it is recorded (catalog.c, IsPinnedObject).
const collation = "'collation ' || quote_ident(l.collname)";
const column = "'column ' || c.relname || '.' || a.attname";

const providedQuery = `
  SELECT DISTINCT ${collation} AS object FROM pg_collation l WHERE l.collnamespace = 'pg_catalog'::regnamespace
     AND l.collencoding IN (-1, (SELECT encoding FROM pg_database WHERE datname = current_database()))
  UNION ALL
  SELECT ${column}
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
   WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind IN ('r', 'v') AND a.attnum > 0
  UNION ALL
  SELECT 'setting ' || lower(name) FROM pg_settings
  UNION ALL
  SELECT 'compression ' || method FROM pg_settings CROSS JOIN LATERAL unnest(enumvals) AS method
   WHERE name = 'default_toast_compression'`;

const usedQuery = `
  WITH scope AS MATERIALIZED (SELECT oid FROM pg_namespace WHERE nspname = ANY ($1::text[])),
  relation AS MATERIALIZED (SELECT oid, relname, relnamespace FROM pg_class WHERE relnamespace IN (SELECT oid FROM scope)),
  moved AS MATERIALIZED (
    ${objectsInScope}
    ${partsInScope}
  ),
  use AS (
    SELECT ${collation} AS object, d.classid, d.objid
      FROM pg_depend d
      JOIN pg_collation l ON d.refclassid = 'pg_collation'::regclass AND l.oid = d.refobjid
     WHERE l.collnamespace = 'pg_catalog'::regnamespace
    UNION ALL
    SELECT ${column}, d.classid, d.objid
      FROM pg_depend d
      JOIN pg_class c ON d.refclassid = 'pg_class'::regclass AND c.oid = d.refobjid
       AND c.relnamespace = 'pg_catalog'::regnamespace
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
    UNION ALL
    SELECT 'setting ' || lower(split_part(entry, '=', 1)), 'pg_proc'::regclass, p.oid
      FROM pg_proc p CROSS JOIN LATERAL unnest(p.proconfig) AS entry
     WHERE p.pronamespace IN (SELECT oid FROM scope) AND split_part(entry, '=', 1) NOT LIKE '%.%'
    UNION ALL
    SELECT 'compression lz4', 'pg_class'::regclass, a.attrelid
      FROM pg_attribute a
     WHERE a.attcompression = 'l' AND NOT a.attisdropped AND a.attrelid IN (SELECT oid FROM relation)
  )
  SELECT object, array_agg(DISTINCT user_of.identity ORDER BY user_of.identity) AS "usedBy"
    FROM use
    JOIN moved ON moved.classid = use.classid AND moved.objid = use.objid
   CROSS JOIN LATERAL pg_identify_object(use.classid, use.objid, 0) AS user_of
   WHERE NOT EXISTS (SELECT FROM pg_depend e
                      WHERE e.classid = use.classid AND e.objid = use.objid AND e.deptype = 'e')
   GROUP BY 1
   ORDER BY 1`;
