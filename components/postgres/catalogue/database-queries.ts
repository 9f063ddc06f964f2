import { aclLines, comment, notOfExtension, sortedOptions, textHash } from "./fragments.ts";

/** Ways to other servers: in no schema, used by foreign tables and by name in the text of functions (dblink). */
export const foreignAccessQueries: readonly string[] = [
  `SELECT 'foreign data wrapper' AS kind, ARRAY[w.fdwname]::text[] AS path, NULL AS suffix, NULL AS parent,
          json_build_object(
            'definition', concat_ws(' ', NULLIF(w.fdwhandler, 0)::regprocedure, NULLIF(w.fdwvalidator, 0)::regprocedure),
            'options', ${textHash(`COALESCE(${sortedOptions("w.fdwoptions")}, '')`)},
            'owner', pg_get_userbyid(w.fdwowner),
            'acl', ${aclLines("w.fdwacl", "F", "w.fdwowner")},
            'comment', ${comment("pg_foreign_data_wrapper", "w.oid")}) AS aspects
     FROM pg_foreign_data_wrapper w
    WHERE ${notOfExtension("pg_foreign_data_wrapper", "w.oid")}`,

  `SELECT 'foreign server' AS kind, ARRAY[s.srvname]::text[] AS path, NULL AS suffix, NULL AS parent,
          json_build_object(
            'definition', concat_ws(' ', w.fdwname, s.srvtype, s.srvversion),
            'options', ${textHash(`COALESCE(${sortedOptions("s.srvoptions")}, '')`)},
            'owner', pg_get_userbyid(s.srvowner),
            'acl', ${aclLines("s.srvacl", "S", "s.srvowner")},
            'comment', ${comment("pg_foreign_server", "s.oid")}) AS aspects
     FROM pg_foreign_server s
     JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
    WHERE ${notOfExtension("pg_foreign_server", "s.oid")}`,

  `SELECT 'user mapping' AS kind, ARRAY[m.srvname, m.usename]::text[] AS path, NULL AS suffix, NULL AS parent,
          json_build_object('options', ${textHash(`COALESCE(${sortedOptions("m.umoptions")}, '')`)}) AS aspects
     FROM pg_user_mappings m`,
];

/** Of the database `postgres`, which every server has. */
const initdbComment = "default administrative connection database";

/**
 * What the database as a whole grants, now and by default, and has beside its schemas. A dump of schemas carries none of it;
 * default privileges of the whole database work on everything that is created there, the copy included.
 */
export const databaseQueries: readonly string[] = [
  `SELECT 'database' AS kind, ARRAY[]::text[] AS path, 'privileges' AS suffix, NULL AS parent,
          json_build_object('acl', ${aclLines("d.datacl", "d", "d.datdba")}, 'owner', pg_get_userbyid(d.datdba),
                            'connectionLimit', NULLIF(d.datconnlimit, -1),
                            'comment', NULLIF(shobj_description(d.oid, 'pg_database'), '${initdbComment}')) AS aspects
     FROM pg_database d
    WHERE d.datname = current_database()`,

  // Held against what PostgreSQL grants by itself: a default that was taken away is an entry, too.
  `SELECT 'database' AS kind, ARRAY[]::text[] AS path, 'default privileges' AS suffix, NULL AS parent,
          json_build_object('acl', (
            SELECT string_agg(entry COLLATE "C", E'\n' ORDER BY entry COLLATE "C")
              FROM pg_default_acl d
             CROSS JOIN LATERAL (VALUES (CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype END)) AS kind(letter)
             CROSS JOIN LATERAL (${deviations("d.defaclacl", "acldefault(kind.letter, d.defaclrole)")}) AS item
             CROSS JOIN LATERAL concat_ws(' ', item.sign, quote_ident(pg_get_userbyid(d.defaclrole)), d.defaclobjtype,
               ${granted("d.defaclrole")}) AS entry
             WHERE d.defaclnamespace = 0)) AS aspects`,

  // What PostgreSQL and each extension bring, held against the privileges that they brought it with (pg_init_privs).
  `WITH given AS MATERIALIZED (
     SELECT 'pg_class'::regclass AS classid, c.oid, 0 AS part, c.relacl AS acl, c.relowner AS owner,
            CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char" AS letter FROM pg_class c
     UNION ALL
     SELECT 'pg_class'::regclass, c.oid, a.attnum, a.attacl, c.relowner, 'c'
       FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
     UNION ALL SELECT 'pg_proc'::regclass, oid, 0, proacl, proowner, 'f' FROM pg_proc
     UNION ALL SELECT 'pg_type'::regclass, oid, 0, typacl, typowner, 'T' FROM pg_type
     UNION ALL SELECT 'pg_namespace'::regclass, oid, 0, nspacl, nspowner, 'n' FROM pg_namespace WHERE nspname <> 'public'
     UNION ALL SELECT 'pg_language'::regclass, oid, 0, lanacl, lanowner, 'l' FROM pg_language
     UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid, 0, fdwacl, fdwowner, 'F' FROM pg_foreign_data_wrapper
   ),
   changed AS MATERIALIZED (
     SELECT m.refobjid AS extension,
            concat_ws(' ', item.sign, o.type, o.identity, ${granted("g.owner")}) AS entry
       FROM given g
       LEFT JOIN pg_depend m ON m.classid = g.classid AND m.objid = g.oid AND m.deptype = 'e'
        AND m.refclassid = 'pg_extension'::regclass
       LEFT JOIN pg_init_privs i ON i.classoid = g.classid AND i.objoid = g.oid AND i.objsubid = g.part
      CROSS JOIN LATERAL (${deviations("g.acl", "COALESCE(i.initprivs, acldefault(g.letter, g.owner))")}) AS item
      CROSS JOIN LATERAL pg_identify_object(g.classid, g.oid, g.part) AS o
      WHERE g.acl IS NOT NULL AND (m.refobjid IS NOT NULL OR g.oid < 16384)
   )
   SELECT 'database' AS kind, ARRAY[]::text[] AS path, COALESCE('privileges of extension ' || owner.name, 'privileges of what PostgreSQL brings') AS suffix,
          NULL AS parent,
          json_build_object('acl', (SELECT string_agg(entry COLLATE "C", E'\n' ORDER BY entry COLLATE "C")
                                      FROM changed WHERE changed.extension IS NOT DISTINCT FROM owner.oid)) AS aspects
     FROM (SELECT oid, extname::text AS name FROM pg_extension UNION ALL SELECT NULL, NULL) AS owner`,

  // What somebody put among PostgreSQL's own: found without a schema, and before what a schema of the applications has.
  `WITH own AS (
     SELECT 'pg_proc'::regclass AS classid, oid, pronamespace AS namespace, ${textHash("concat_ws(' ', prorettype::regtype, provolatile, prosrc, probin)")} AS definition
       FROM pg_proc
     UNION ALL
     SELECT 'pg_operator'::regclass, oid, oprnamespace, concat_ws(' ', oprresult::regtype, oprcode::regprocedure) FROM pg_operator
     UNION ALL
     SELECT 'pg_class'::regclass, oid, relnamespace, NULL FROM pg_class WHERE relkind NOT IN ('i', 'I', 'c')
     UNION ALL
     SELECT 'pg_type'::regclass, oid, typnamespace, NULL FROM pg_type
      WHERE typrelid = 0 AND oid NOT IN (SELECT element.typarray FROM pg_type element)
   )
   SELECT o.type AS kind, ARRAY[]::text[] AS path, o.identity AS suffix, NULL AS parent,
          json_build_object('definition', own.definition) AS aspects
     FROM own
     JOIN pg_namespace n ON n.oid = own.namespace
    CROSS JOIN LATERAL pg_identify_object(own.classid, own.oid, 0) AS o
    WHERE own.oid >= 16384 AND n.nspname IN ('pg_catalog', 'information_schema')
      AND NOT EXISTS (SELECT 1 FROM pg_depend d
                       WHERE d.classid = own.classid AND d.objid = own.oid AND d.deptype IN ('e', 'i'))`,

  ...foreignAccessQueries,
];

/** SQL for the privileges that an access control list has more than another, and with a sign those that it has less. */
function deviations(acl: string, initial: string): string {
  const onlyIn = (list: string, other: string) => `
    SELECT one.* FROM aclexplode(${list}) one
     WHERE NOT EXISTS (SELECT FROM aclexplode(${other}) two
                        WHERE (two.grantee, two.privilege_type, two.is_grantable) = (one.grantee, one.privilege_type, one.is_grantable))`;
  return `SELECT NULL AS sign, more.* FROM (${onlyIn(acl, initial)}) AS more
          UNION ALL SELECT 'without', less.* FROM (${onlyIn(initial, acl)}) AS less`;
}

/** SQL for an `item` of `deviations`: who is granted what. */
function granted(owner: string): string {
  return `CASE WHEN item.grantee = 0 THEN '(public)' WHEN item.grantee = ${owner} THEN '(owner)'
               ELSE quote_ident(pg_get_userbyid(item.grantee)) END,
          item.privilege_type, CASE WHEN item.is_grantable THEN 'WITH GRANT OPTION' END`;
}
