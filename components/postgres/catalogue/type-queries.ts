import { aclLines, comment, notOfExtension } from "./fragments.ts";

/**
 * Types that a schema declares itself: not the row types of tables, nor the array and multirange types that come along.
 * `NOT IN` is answered from a hash; for `NOT EXISTS` the planner compared each of 2,000 enums with every type, for seconds.
 */
export const typeQueries: readonly string[] = [
  `SELECT CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' WHEN 'c' THEN 'composite type'
                         WHEN 'r' THEN 'range type' WHEN 'p' THEN 'shell type' ELSE 'type' END AS kind,
          ARRAY[n.nspname, t.typname]::text[] AS path, NULL AS suffix, NULL AS parent,
          json_build_object(
            'labels', (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid),
            'attributes', (SELECT string_agg(concat_ws(' ',
                                    quote_ident(a.attname), format_type(a.atttypid, a.atttypmod), a.attcollation::regcollation,
                                    quote_literal(col_description(a.attrelid, a.attnum))), ', ' ORDER BY a.attnum)
                             FROM pg_attribute a
                            WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped),
            'domain', CASE WHEN t.typtype = 'd' THEN concat_ws(' ', format_type(t.typbasetype, t.typtypmod),
                                                              t.typcollation::regcollation) END,
            'notNull', CASE WHEN t.typtype = 'd' THEN t.typnotnull END,
            'default', COALESCE(pg_get_expr(t.typdefaultbin, 0), t.typdefault),
            'range', (SELECT concat_ws(' ', format_type(r.rngsubtype, NULL), r.rngcollation::regcollation,
                                       opclass_schema.nspname, o.opcname, r.rngcanonical, r.rngsubdiff,
                                       format_type(r.rngmultitypid, NULL))
                        FROM pg_range r
                        JOIN pg_opclass o ON o.oid = r.rngsubopc
                        JOIN pg_namespace opclass_schema ON opclass_schema.oid = o.opcnamespace
                       WHERE r.rngtypid = t.oid),
            'multirangeComment', (SELECT ${comment("pg_type", "r.rngmultitypid")} FROM pg_range r WHERE r.rngtypid = t.oid),
            'base', CASE WHEN t.typtype = 'b' THEN concat_ws(' ',
                      t.typlen, t.typbyval, t.typcategory, t.typispreferred, t.typdelim, t.typalign, t.typstorage,
                      t.typinput, t.typoutput, t.typreceive, t.typsend, t.typmodin, t.typmodout, t.typanalyze,
                      format_type(NULLIF(t.typelem, 0), NULL), NULLIF(t.typcollation, 0)::regcollation,
                      to_jsonb(t) ->> 'typsubscript') END,
            'owner', pg_get_userbyid(t.typowner),
            'acl', ${aclLines("t.typacl", "T", "t.typowner")},
            'comment', COALESCE(${comment("pg_type", "t.oid")}, ${comment("pg_class", "t.typrelid")})) AS aspects
     FROM pg_type t
     JOIN pg_namespace n ON n.oid = t.typnamespace
     LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE n.nspname = ANY($1::text[]) AND t.typtype IN ('e', 'd', 'c', 'r', 'b', 'p')
      AND (c.oid IS NULL OR c.relkind = 'c')
      AND t.oid NOT IN (SELECT element.typarray FROM pg_type element)
      AND ${notOfExtension("pg_type", "t.oid")}`,

  `SELECT 'domain constraint' AS kind, ARRAY[n.nspname, t.typname, k.conname]::text[] AS path,
          NULL AS suffix, NULL AS parent,
          json_build_object(
            'definition', pg_get_constraintdef(k.oid),
            'validated', k.convalidated,
            'comment', ${comment("pg_constraint", "k.oid")}) AS aspects
     FROM pg_constraint k
     JOIN pg_type t ON t.oid = k.contypid
     JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE n.nspname = ANY($1::text[]) AND k.contype <> 'n' AND ${notOfExtension("pg_type", "t.oid")}`,
];
