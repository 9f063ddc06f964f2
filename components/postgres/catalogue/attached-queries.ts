import { comment, notOfExtension } from "./fragments.ts";

/** Casts, transforms and security labels of what the schemas hold: in no schema themselves, and in no dump of schemas. */
export const unscopedQueries: readonly string[] = [
  // One between types that PostgreSQL or an extension brings works in every schema. A range type's own comes with it.
  `SELECT 'cast' AS kind, ARRAY[]::text[] AS path,
          (pg_identify_object('pg_cast'::regclass, k.oid, 0)).identity AS suffix, NULL AS parent,
          json_build_object(
            'definition', concat_ws(' ', k.castcontext, k.castmethod, NULLIF(k.castfunc, 0)::regprocedure),
            'comment', ${comment("pg_cast", "k.oid")}) AS aspects
     FROM pg_cast k
    CROSS JOIN LATERAL (
      SELECT bool_or(n.nspname = ANY($1::text[])) AS moved,
             bool_or(n.nspname <> ALL($1::text[]) AND NOT part.is_given) AS elsewhere
        FROM (SELECT t.typnamespace AS namespace, t.oid < 16384 OR NOT ${notOfExtension("pg_type", "t.oid")} AS is_given
                FROM pg_type t WHERE t.oid IN (k.castsource, k.casttarget)
              UNION ALL
              SELECT p.pronamespace, p.oid < 16384 OR NOT ${notOfExtension("pg_proc", "p.oid")}
                FROM pg_proc p WHERE p.oid = k.castfunc) AS part
        JOIN pg_namespace n ON n.oid = part.namespace) AS parts
    WHERE k.oid >= 16384 AND (parts.moved OR NOT parts.elsewhere)
      AND NOT EXISTS (SELECT 1 FROM pg_depend d
                       WHERE d.classid = 'pg_cast'::regclass AND d.objid = k.oid AND d.deptype IN ('e', 'i'))`,

  `SELECT 'transform' AS kind, ARRAY[]::text[] AS path,
          'for ' || format_type(m.trftype, NULL) || ' language ' || l.lanname AS suffix, NULL AS parent,
          json_build_object(
            'definition', concat_ws(' ', 'from', NULLIF(m.trffromsql, 0)::regprocedure,
                                    'to', NULLIF(m.trftosql, 0)::regprocedure),
            'comment', ${comment("pg_transform", "m.oid")}) AS aspects
     FROM pg_transform m
     JOIN pg_language l ON l.oid = m.trflang
    WHERE ${notOfExtension("pg_transform", "m.oid")}
      AND EXISTS (
            SELECT 1 FROM pg_namespace n
             WHERE n.nspname = ANY($1::text[])
               AND (n.oid IN (SELECT t.typnamespace FROM pg_type t WHERE t.oid = m.trftype)
                    OR n.oid IN (SELECT p.pronamespace FROM pg_proc p WHERE p.oid IN (m.trffromsql, m.trftosql))))`,

  // Only relations, routines, types and schemas can have a label.
  `SELECT 'security label' AS kind, ARRAY[]::text[] AS path,
          l.provider || ' on ' || o.type || ' ' || o.identity AS suffix, NULL AS parent,
          json_build_object('label', l.label) AS aspects
     FROM pg_seclabel l
    CROSS JOIN LATERAL pg_identify_object(l.classoid, l.objoid, l.objsubid) AS o
    WHERE COALESCE((SELECT c.relnamespace FROM pg_class c WHERE l.classoid = 'pg_class'::regclass AND c.oid = l.objoid),
                   (SELECT p.pronamespace FROM pg_proc p WHERE l.classoid = 'pg_proc'::regclass AND p.oid = l.objoid),
                   (SELECT t.typnamespace FROM pg_type t WHERE l.classoid = 'pg_type'::regclass AND t.oid = l.objoid),
                   CASE WHEN l.classoid = 'pg_namespace'::regclass THEN l.objoid END)
          IN (SELECT n.oid FROM pg_namespace n WHERE n.nspname = ANY($1::text[]))`,
];

/** Publications that reach the schemas. */
export const publicationQueries: readonly string[] = [
  // A publication makes UPDATE and DELETE fail on tables without a replica identity, and carries rows elsewhere.
  `SELECT 'publication' AS kind, ARRAY[p.pubname]::text[] AS path, NULL AS suffix, NULL AS parent,
          json_build_object(
            'tables', (SELECT json_agg(concat_ws(' ', t.schemaname, t.tablename) ORDER BY t.schemaname, t.tablename)
                         FROM pg_publication_tables t
                        WHERE t.pubname = p.pubname AND t.schemaname = ANY($1::text[]))) AS aspects
     FROM pg_publication p
    WHERE EXISTS (SELECT FROM pg_publication_tables t
                   WHERE t.pubname = p.pubname AND t.schemaname = ANY($1::text[]))`,
];

/** What is there because of objects in the schemas, beside them: the above, and `DEPENDS ON EXTENSION`. */
export const attachedQueries: readonly string[] = [
  ...unscopedQueries,
  ...publicationQueries,

  // Only routines, indexes, materialised views and triggers can depend on one.
  `SELECT 'dependency on extension' AS kind, ARRAY[]::text[] AS path,
          e.extname || ' of ' || o.type || ' ' || o.identity AS suffix, NULL AS parent, json_build_object() AS aspects
     FROM pg_depend d
     JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid
    CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) AS o
    WHERE d.deptype = 'x'
      AND COALESCE((SELECT c.relnamespace FROM pg_class c WHERE d.classid = 'pg_class'::regclass AND c.oid = d.objid),
                   (SELECT p.pronamespace FROM pg_proc p WHERE d.classid = 'pg_proc'::regclass AND p.oid = d.objid),
                   (SELECT c.relnamespace FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
                     WHERE d.classid = 'pg_trigger'::regclass AND t.oid = d.objid))
          IN (SELECT n.oid FROM pg_namespace n WHERE n.nspname = ANY($1::text[]))`,
];
