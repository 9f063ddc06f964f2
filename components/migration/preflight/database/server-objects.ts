import type { ClientBase } from "pg";
import { sqlState } from "../../../errors.ts";
import type { Finding } from "../../finding.ts";
import { findingsOf, listNames } from "../definitions.ts";
import { objectsInScope, partsInScope } from "./objects-in-scope.ts";

/** What comes with a server and its extensions: other versions, operating systems and builds bring something else. */
export interface ServerObjects {
  /**
   * `collation "en_US.utf8"`, `column pg_catalog.pg_stat_bgwriter.checkpoints_timed`, `setting force_parallel_mode`,
   * `function public.similarity(text,text)`, `locale es_es.utf8`, `file spanish.stop`, `library pg_trgm`, and each extension
   * itself.
   */
  readonly provided: readonly string[];
  /** Those that moved objects use; `extension` is the one that brings it. */
  readonly used: ReadonlyArray<{
    readonly object: string;
    readonly extension: string | null;
    readonly usedBy: readonly string[];
  }>;
}

export const serverObjectDefinitions = {
  NOT_ON_TARGET_SERVER: {
    severity: "blocker",
    acceptable: false,
    remedy:
      "Change what uses it on the source first, so that it does without; or use an image, or a version of the extension, for the target that has it.",
  },
} as const;

const found = findingsOf(serverObjectDefinitions);

export async function readServerObjects(
  client: ClientBase,
  schemas: readonly string[],
): Promise<ServerObjects> {
  const [{ rows: provided }, files, { rows: used }] = await Promise.all([
    client.query<{ object: string }>(providedQuery),
    readFiles(client),
    client.query<ServerObjects["used"][number]>(usedQuery, [schemas]),
  ]);
  return { provided: [...provided, ...files].map(({ object }) => object), used };
}

/** None where our role may not see them. */
async function readFiles(client: ClientBase): Promise<Array<{ object: string }>> {
  try {
    return (await client.query<{ object: string }>(filesQuery)).rows;
  } catch (error) {
    if (sqlState(error) === insufficientPrivilege) return [];
    throw error;
  }
}

const insufficientPrivilege = "42501";

/** A definition that names what the target's server lacks would end the load in the middle of the pause. */
export function compareServerObjects(
  source: ServerObjects,
  target: Pick<ServerObjects, "provided">,
): Finding[] {
  const there = new Set(target.provided);
  // Some settings, such as `role`, are listed by no server.
  const listed = new Set(source.provided);
  return source.used
    .filter(({ object, extension }) => {
      return listed.has(object) && !there.has(object) && (extension === null || there.has(extension));
    })
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
const column =
  "'column ' || quote_ident(n.nspname) || '.' || quote_ident(c.relname) || '.' || quote_ident(a.attname)";
const member = "o.type || ' ' || o.identity";

/** One of the operating system, which has several spellings. */
const locale = (name: string) => `'locale ' || lower(replace(${name}, '-', ''))`;

/** By its name alone: which one of several is meant, the target finds out itself. */
const builtIn = "'function pg_catalog.' || p.proname";

/** An extension in another schema is another finding, and so is one that is missing. Parts of members are none themselves. */
const extensionMembers = `
  SELECT d.classid, d.objid, 'extension ' || x.extname || ' in ' || home.nspname AS extension
    FROM pg_depend d
    JOIN pg_extension x ON d.refclassid = 'pg_extension'::regclass AND x.oid = d.refobjid
    JOIN pg_namespace home ON home.oid = x.extnamespace
   WHERE d.deptype = 'e'`;

const providedQuery = `
  WITH member AS MATERIALIZED (${extensionMembers})
  SELECT DISTINCT ${collation} AS object FROM pg_collation l WHERE l.collnamespace = 'pg_catalog'::regnamespace
     AND l.collencoding IN (-1, (SELECT encoding FROM pg_database WHERE datname = current_database()))
  UNION ALL
  SELECT ${column}
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
   WHERE c.relkind IN ('r', 'v') AND a.attnum > 0
     AND (n.nspname = 'pg_catalog' OR c.oid IN (SELECT objid FROM member WHERE classid = 'pg_class'::regclass))
  UNION ALL
  SELECT ${member} FROM member CROSS JOIN LATERAL pg_identify_object(member.classid, member.objid, 0) AS o
  UNION ALL
  SELECT DISTINCT extension FROM member
  UNION ALL
  SELECT 'setting ' || lower(name) FROM pg_settings
  UNION ALL
  SELECT DISTINCT ${locale("collcollate")} FROM pg_collation WHERE collnamespace = 'pg_catalog'::regnamespace AND collprovider = 'c'
  UNION ALL
  SELECT DISTINCT ${builtIn} FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace
  UNION ALL
  SELECT DISTINCT 'collations of ICU' FROM pg_collation WHERE collnamespace = 'pg_catalog'::regnamespace AND collprovider = 'i'
  UNION ALL
  SELECT 'compression ' || method FROM pg_settings CROSS JOIN LATERAL unnest(enumvals) AS method
   WHERE name = 'default_toast_compression'`;

/** Dictionaries of text search, and libraries that functions are loaded from. */
const filesQuery = `
  SELECT 'file ' || file AS object
    FROM pg_config CROSS JOIN LATERAL pg_ls_dir(setting || '/tsearch_data', true, false) AS file
   WHERE name = 'SHAREDIR'
  UNION ALL
  SELECT 'library ' || regexp_replace(file, '\\.(so|dylib|dll)$', '')
    FROM pg_config CROSS JOIN LATERAL pg_ls_dir(setting, true, false) AS file
   WHERE name = 'PKGLIBDIR'`;

const usedQuery = `
  WITH scope AS MATERIALIZED (SELECT oid FROM pg_namespace WHERE nspname = ANY ($1::text[])),
  relation AS MATERIALIZED (SELECT oid FROM pg_class WHERE relnamespace IN (SELECT oid FROM scope)),
  member AS MATERIALIZED (${extensionMembers}),
  inside AS (
    ${objectsInScope}
    ${partsInScope}
  ),
  moved AS MATERIALIZED (
    SELECT i.classid, i.objid FROM inside i
     WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = i.classid AND m.objid = i.objid)
       AND NOT EXISTS (SELECT FROM pg_depend part JOIN member m ON m.classid = part.refclassid AND m.objid = part.refobjid
                        WHERE part.classid = i.classid AND part.objid = i.objid AND part.deptype IN ('i', 'a'))
  ),
  tree AS (
    SELECT moved.classid, moved.objid, r.ev_action::text AS nodes
      FROM pg_rewrite r JOIN moved ON moved.classid = 'pg_class'::regclass AND moved.objid = r.ev_class
    UNION ALL
    SELECT moved.classid, moved.objid, concat_ws(' ', x.indexprs, x.indpred)
      FROM pg_index x JOIN moved ON moved.classid = 'pg_class'::regclass AND moved.objid = x.indexrelid
    UNION ALL
    SELECT moved.classid, moved.objid, d.adbin::text
      FROM pg_attrdef d JOIN moved ON moved.classid = 'pg_attrdef'::regclass AND moved.objid = d.oid
    UNION ALL
    SELECT moved.classid, moved.objid, k.conbin::text
      FROM pg_constraint k JOIN moved ON moved.classid = 'pg_constraint'::regclass AND moved.objid = k.oid
    UNION ALL
    SELECT moved.classid, moved.objid, concat_ws(' ', p.polqual, p.polwithcheck)
      FROM pg_policy p JOIN moved ON moved.classid = 'pg_policy'::regclass AND moved.objid = p.oid
    UNION ALL
    SELECT moved.classid, moved.objid, p.prosqlbody::text
      FROM pg_proc p JOIN moved ON moved.classid = 'pg_proc'::regclass AND moved.objid = p.oid
  ),
  need AS MATERIALIZED (
    SELECT d.classid, d.objid, d.refclassid, d.refobjid, d.refobjsubid
      FROM pg_depend d JOIN moved ON moved.classid = d.classid AND moved.objid = d.objid
  ),
  use AS (
    SELECT ${collation} AS object, NULL AS extension, need.classid, need.objid
      FROM need JOIN pg_collation l ON need.refclassid = 'pg_collation'::regclass AND l.oid = need.refobjid
     WHERE l.collnamespace = 'pg_catalog'::regnamespace
    UNION ALL
    SELECT ${column}, member.extension, need.classid, need.objid
      FROM need
      JOIN pg_class c ON need.refclassid = 'pg_class'::regclass AND c.oid = need.refobjid
      JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = need.refobjsubid
      LEFT JOIN member ON member.classid = need.refclassid AND member.objid = need.refobjid
     WHERE n.nspname = 'pg_catalog' OR member.extension IS NOT NULL
    UNION ALL
    SELECT ${member}, member.extension, need.classid, need.objid
      FROM need
      JOIN member ON member.classid = need.refclassid AND member.objid = need.refobjid
     CROSS JOIN LATERAL pg_identify_object(need.refclassid, need.refobjid, 0) AS o
    UNION ALL
    SELECT 'setting ' || lower(split_part(entry, '=', 1)), NULL, 'pg_proc'::regclass, p.oid
      FROM pg_proc p
      JOIN moved ON moved.classid = 'pg_proc'::regclass AND moved.objid = p.oid
     CROSS JOIN LATERAL unnest(p.proconfig) AS entry
     WHERE split_part(entry, '=', 1) NOT LIKE '%.%'
    UNION ALL
    SELECT CASE l.collprovider WHEN 'i' THEN 'collations of ICU' ELSE ${locale("l.collcollate")} END, NULL, moved.classid, l.oid
      FROM pg_collation l JOIN moved ON moved.classid = 'pg_collation'::regclass AND moved.objid = l.oid
     WHERE l.collprovider IN ('c', 'i')
    UNION ALL
    SELECT 'file ' || option[2] || '.' || ending, NULL, moved.classid, d.oid
      FROM pg_ts_dict d
      JOIN moved ON moved.classid = 'pg_ts_dict'::regclass AND moved.objid = d.oid
     CROSS JOIN LATERAL regexp_matches(d.dictinitoption, '(\\w+) = ''([^'']+)''', 'g') AS option
      JOIN (VALUES ('dictfile', 'dict'), ('dictfile', 'ths'), ('afffile', 'affix'), ('stopwords', 'stop'), ('synonyms', 'syn'),
                   ('rules', 'rules')) AS kind(name, ending) ON kind.name = lower(option[1])
    UNION ALL
    SELECT 'library ' || substr(p.probin, 9), NULL, moved.classid, p.oid
      FROM pg_proc p JOIN moved ON moved.classid = 'pg_proc'::regclass AND moved.objid = p.oid
     WHERE p.probin LIKE '$libdir/%'
    UNION ALL
    SELECT ${builtIn}, NULL, call.classid, call.objid
      FROM (SELECT DISTINCT classid, objid, word[1]::oid AS oid
              FROM tree CROSS JOIN LATERAL regexp_matches(nodes, ':funcid (\\d+)', 'g') AS word) AS call
      JOIN pg_proc p ON p.oid = call.oid AND p.pronamespace = 'pg_catalog'::regnamespace
    UNION ALL
    SELECT 'compression lz4', NULL, 'pg_class'::regclass, a.attrelid
      FROM pg_attribute a
      JOIN moved ON moved.classid = 'pg_class'::regclass AND moved.objid = a.attrelid
     WHERE a.attcompression = 'l' AND NOT a.attisdropped
  )
  SELECT object, extension, array_agg(DISTINCT user_of.identity ORDER BY user_of.identity) AS "usedBy"
    FROM use CROSS JOIN LATERAL pg_identify_object(use.classid, use.objid, 0) AS user_of
   GROUP BY 1, 2
   ORDER BY 1`;
