import { aclLines, comment, notOfExtension, sortedOptions } from "./fragments.ts";

/**
 * SQL for whether a table made anew could get a TOAST table. One that has outlived its last wide column keeps its options, of
 * which pg_dump still tells, and the copy has nowhere to keep them.
 */
const hasWideColumn = `EXISTS (
  SELECT 1 FROM pg_attribute wide
   WHERE wide.attrelid = c.oid AND wide.attnum > 0 AND NOT wide.attisdropped AND wide.attlen = -1 AND wide.attstorage <> 'p')`;

/** Tables, views, materialised views, foreign tables, their columns, and sequences (their parameters, not values). */
export const relationQueries: readonly string[] = [
  `SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table'
                         ELSE 'table' END AS kind,
          ARRAY[n.nspname, c.relname]::text[] AS path, NULL AS suffix, NULL AS parent,
          json_build_object(
            'kind', c.relkind,
            'persistence', c.relpersistence,
            'definition', CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END,
            'populated', CASE WHEN c.relkind = 'm' THEN c.relispopulated END,
            'options', ${sortedOptions("c.reloptions")},
            'toastOptions', CASE WHEN ${hasWideColumn} THEN ${sortedOptions("toast.reloptions")} END,
            'accessMethod', am.amname,
            'ofType', CASE WHEN c.reloftype <> 0 THEN format_type(c.reloftype, NULL) END,
            'replicaIdentity', c.relreplident,
            'rowSecurity', c.relrowsecurity,
            'forceRowSecurity', c.relforcerowsecurity,
            'partitionKey', CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END,
            'partitionBound', pg_get_expr(c.relpartbound, c.oid),
            'inherits', (SELECT string_agg(i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno)
                           FROM pg_inherits i WHERE i.inhrelid = c.oid),
            'detachPending', (SELECT true FROM pg_inherits i WHERE i.inhrelid = c.oid AND i.inhdetachpending),
            'owner', pg_get_userbyid(c.relowner),
            'acl', ${aclLines("c.relacl", "r", "c.relowner")},
            'rowTypeAcl', ${aclLines("row_type.typacl", "T", "row_type.typowner")},
            'comment', ${comment("pg_class", "c.oid")},
            'rowTypeComment', ${comment("pg_type", "c.reltype")}) AS aspects
     FROM pg_class c
     JOIN pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_type row_type ON row_type.oid = c.reltype
     LEFT JOIN pg_class toast ON toast.oid = c.reltoastrelid
     LEFT JOIN pg_am am ON am.oid = c.relam
    WHERE n.nspname = ANY($1::text[]) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND ${notOfExtension("pg_class", "c.oid")}`,

  // The order of columns counts, their numbers do not: dropped columns leave gaps. A child by inheritance is
  // restored with its inherited columns first.
  `SELECT 'column' AS kind, ARRAY[n.nspname, c.relname, a.attname]::text[] AS path, NULL AS suffix,
          ARRAY[n.nspname, c.relname]::text[] AS parent,
          json_build_object(
            'position', CASE WHEN c.relispartition
                               OR NOT EXISTS (SELECT 1 FROM pg_inherits i WHERE i.inhrelid = c.oid)
                             THEN row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum) END,
            'type', format_type(a.atttypid, a.atttypmod),
            'notNull', a.attnotnull,
            'notNullConstraint', (SELECT NULLIF(concat_ws(' ', CASE WHEN NOT k.convalidated THEN 'not valid' END,
                                                          CASE WHEN k.connoinherit THEN 'no inherit' END,
                                                          ${comment("pg_constraint", "k.oid")}), '')
                                    FROM pg_constraint k
                                   WHERE k.contype = 'n' AND k.conrelid = a.attrelid AND k.conkey = ARRAY[a.attnum]),
            'notNullName', (SELECT k.conname FROM pg_constraint k
                             WHERE k.contype = 'n' AND k.conrelid = a.attrelid AND k.conkey = ARRAY[a.attnum]),
            'local', CASE WHEN a.attinhcount > 0 AND NOT c.relispartition THEN a.attislocal END,
            'default', pg_get_expr(d.adbin, d.adrelid),
            'generated', NULLIF(a.attgenerated, ''),
            CASE WHEN c.relispartition THEN 'partitionIdentity' ELSE 'identity' END, NULLIF(a.attidentity, ''),
            'collation', CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation END,
            'storage', a.attstorage,
            'compression', NULLIF(a.attcompression, ''),
            'statisticsTarget', COALESCE(a.attstattarget, -1),
            'options', ${sortedOptions("a.attoptions")},
            'foreignOptions', ${sortedOptions("a.attfdwoptions")},
            'acl', ${aclLines("a.attacl", "c", "c.relowner")},
            'comment', col_description(c.oid, a.attnum)) AS aspects
     FROM pg_attribute a
     JOIN pg_class c ON c.oid = a.attrelid
     JOIN pg_namespace n ON n.oid = c.relnamespace
     JOIN pg_type t ON t.oid = a.atttypid
     LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE n.nspname = ANY($1::text[]) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND a.attnum > 0 AND NOT a.attisdropped AND ${notOfExtension("pg_class", "c.oid")}`,

  // An identity column's sequence has the column's type, but where CREATE TABLE … LIKE made it: then it is a bigint, within
  // the limits of that type, and neither pg_dump nor any statement can say so.
  `SELECT 'sequence' AS kind, ARRAY[n.nspname, c.relname]::text[] AS path, NULL AS suffix, NULL AS parent,
          json_build_object(
            'definition', concat_ws(' ', CASE WHEN NOT EXISTS (SELECT FROM pg_depend d
                                                                WHERE d.classid = 'pg_class'::regclass
                                                                  AND d.objid = c.oid AND d.deptype = 'i')
                                              THEN format_type(s.seqtypid, NULL) END,
                                    'start', s.seqstart, 'increment', s.seqincrement,
                                    'from', s.seqmin, 'to', s.seqmax, 'cache', s.seqcache, 'cycle', s.seqcycle),
            'persistence', c.relpersistence,
            'ownedBy', (SELECT concat_ws('.', used_by.refobjid::regclass, a.attname)
                          FROM pg_depend used_by
                          JOIN pg_attribute a ON a.attrelid = used_by.refobjid AND a.attnum = used_by.refobjsubid
                         WHERE used_by.classid = 'pg_class'::regclass AND used_by.objid = c.oid
                           AND used_by.refclassid = 'pg_class'::regclass AND used_by.deptype IN ('a', 'i')
                           AND used_by.refobjsubid > 0 LIMIT 1),
            'owner', pg_get_userbyid(c.relowner),
            'acl', ${aclLines("c.relacl", "s", "c.relowner")},
            'comment', ${comment("pg_class", "c.oid")}) AS aspects
     FROM pg_class c
     JOIN pg_namespace n ON n.oid = c.relnamespace
     JOIN pg_sequence s ON s.seqrelid = c.oid
    WHERE n.nspname = ANY($1::text[]) AND ${notOfExtension("pg_class", "c.oid")}`,
];
