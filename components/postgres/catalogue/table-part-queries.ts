import { fenceTriggerName } from "../fence/fence.ts";
import { comment, notOfExtension } from "./fragments.ts";

/** What hangs on a table: constraints, indexes, triggers, rules, policies. */
export const tablePartQueries: readonly string[] = [
  // NOT NULL is a constraint with a name from 18 on, and an aspect of its column here. A
  // foreign key to a partitioned table has one more entry a partition, named by the server.
  `SELECT 'constraint' AS kind, ARRAY[n.nspname, c.relname, k.conname]::text[] AS path, NULL AS suffix,
          ARRAY[n.nspname, c.relname]::text[] AS parent,
          json_build_object(
            'definition', pg_get_constraintdef(k.oid),
            'validated', k.convalidated,
            'local', CASE WHEN k.coninhcount > 0 AND NOT c.relispartition THEN k.conislocal END,
            'partOf', (SELECT origin.conrelid::regclass WHERE origin.oid IS NOT NULL),
            'enforcement', (SELECT string_agg(DISTINCT t.tgenabled::text, '' ORDER BY t.tgenabled::text)
                              FROM pg_trigger t WHERE t.tgconstraint = k.oid AND t.tgisinternal),
            'comment', ${comment("pg_constraint", "k.oid")}) AS aspects
     FROM pg_constraint k
     JOIN pg_class c ON c.oid = k.conrelid
     JOIN pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_constraint origin ON origin.oid = k.conparentid
    WHERE n.nspname = ANY($1::text[]) AND k.contype <> 'n' AND origin.conrelid IS DISTINCT FROM k.conrelid
      AND ${notOfExtension("pg_class", "c.oid")}`,

  `SELECT 'index' AS kind, ARRAY[n.nspname, c.relname]::text[] AS path, NULL AS suffix,
          ARRAY[n.nspname, owner.relname]::text[] AS parent,
          json_build_object(
            'definition', pg_get_indexdef(c.oid),
            'validity', CASE WHEN i.indisvalid AND i.indisready THEN 'valid' ELSE 'invalid' END,
            'clustered', i.indisclustered,
            'replicaIdentity', i.indisreplident,
            'immediate', i.indimmediate,
            'partOf', (SELECT h.inhparent::regclass FROM pg_inherits h WHERE h.inhrelid = c.oid),
            'statisticsTargets', (SELECT string_agg(concat_ws(' ', a.attnum, a.attstattarget), ', ' ORDER BY a.attnum)
                                    FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attstattarget >= 0),
            'comment', ${comment("pg_class", "c.oid")}) AS aspects
     FROM pg_index i
     JOIN pg_class c ON c.oid = i.indexrelid
     JOIN pg_class owner ON owner.oid = i.indrelid
     JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY($1::text[]) AND owner.relkind IN ('r', 'p', 'm')
      AND ${notOfExtension("pg_class", "owner.oid")}`,

  `SELECT 'trigger' AS kind, ARRAY[n.nspname, c.relname, t.tgname]::text[] AS path, NULL AS suffix,
          ARRAY[n.nspname, c.relname]::text[] AS parent,
          json_build_object(
            'definition', pg_get_triggerdef(t.oid, false),
            'enabled', t.tgenabled,
            'comment', ${comment("pg_trigger", "t.oid")}) AS aspects
     FROM pg_trigger t
     JOIN pg_class c ON c.oid = t.tgrelid
     JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY($1::text[]) AND NOT t.tgisinternal AND t.tgname <> '${fenceTriggerName}'
      AND ${notOfExtension("pg_class", "c.oid")}`,

  `SELECT 'rule' AS kind, ARRAY[n.nspname, c.relname, r.rulename]::text[] AS path, NULL AS suffix,
          ARRAY[n.nspname, c.relname]::text[] AS parent,
          json_build_object(
            'definition', pg_get_ruledef(r.oid),
            'enabled', r.ev_enabled,
            'comment', ${comment("pg_rewrite", "r.oid")}) AS aspects
     FROM pg_rewrite r
     JOIN pg_class c ON c.oid = r.ev_class
     JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY($1::text[]) AND r.rulename <> '_RETURN' AND ${notOfExtension("pg_class", "c.oid")}`,

  `SELECT 'policy' AS kind, ARRAY[n.nspname, c.relname, p.polname]::text[] AS path, NULL AS suffix,
          ARRAY[n.nspname, c.relname]::text[] AS parent,
          json_build_object(
            'command', p.polcmd,
            'permissive', p.polpermissive,
            'roles', (SELECT string_agg(CASE role WHEN 0 THEN '(public)' ELSE quote_ident(pg_get_userbyid(role)) END, ', '
                                        ORDER BY CASE role WHEN 0 THEN '' ELSE pg_get_userbyid(role)::text END COLLATE "C")
                        FROM unnest(p.polroles) AS role),
            'using', pg_get_expr(p.polqual, p.polrelid),
            'check', pg_get_expr(p.polwithcheck, p.polrelid),
            'comment', ${comment("pg_policy", "p.oid")}) AS aspects
     FROM pg_policy p
     JOIN pg_class c ON c.oid = p.polrelid
     JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY($1::text[]) AND ${notOfExtension("pg_class", "c.oid")}`,
];
