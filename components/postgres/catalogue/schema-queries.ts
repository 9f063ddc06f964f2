import { aclLines, comment, extensionMembers, notOfExtension, sortedOptions, textHash } from "./fragments.ts";

/** Schemas themselves, and what is granted by default in them. */
export const ownSchemaQueries: readonly string[] = [
  `SELECT 'schema' AS kind, ARRAY[n.nspname]::text[] AS path, NULL AS suffix, NULL AS parent,
          json_build_object(
            'owner', pg_get_userbyid(n.nspowner),
            'acl', ${aclLines("n.nspacl", "n", "n.nspowner")},
            'comment', ${comment("pg_namespace", "n.oid")}) AS aspects
     FROM pg_namespace n
    WHERE n.nspname = ANY($1::text[])`,

  `SELECT 'default privileges' AS kind,
          ARRAY[n.nspname, pg_get_userbyid(d.defaclrole)]::text[] AS path,
          ' on ' || CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions'
                                         WHEN 'T' THEN 'types' ELSE d.defaclobjtype::text END AS suffix,
          NULL AS parent,
          json_build_object('acl', ${aclLines("d.defaclacl", "c", "d.defaclrole")}) AS aspects
     FROM pg_default_acl d
     JOIN pg_namespace n ON n.oid = d.defaclnamespace
    WHERE n.nspname = ANY($1::text[])`,
];

/** Those, and the rarer kinds of objects that a schema holds. */
export const schemaQueries: readonly string[] = [
  ...ownSchemaQueries,

  `WITH RECURSIVE ${extensionMembers},
   used AS (
     SELECT 'pg_class'::regclass AS classid, c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = ANY($1::text[])
     UNION ALL
     SELECT 'pg_proc'::regclass, p.oid FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
      WHERE n.nspname = ANY($1::text[])
     UNION ALL
     SELECT 'pg_type'::regclass, t.oid FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
      WHERE n.nspname = ANY($1::text[])
     UNION ALL
     SELECT 'pg_constraint'::regclass, k.oid FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
      WHERE n.nspname = ANY($1::text[])
     UNION ALL
     SELECT 'pg_attrdef'::regclass, d.oid FROM pg_attrdef d JOIN pg_class c ON c.oid = d.adrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ANY($1::text[])
     UNION ALL
     SELECT 'pg_trigger'::regclass, t.oid FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ANY($1::text[])
   )
   SELECT DISTINCT 'used extension' AS kind, ARRAY[e.extname]::text[] AS path, NULL AS suffix, NULL::text[] AS parent,
          jsonb_build_object('schema', home.nspname) AS aspects
     FROM used
     JOIN pg_depend need ON need.classid = used.classid AND need.objid = used.oid AND need.deptype <> 'e'
     JOIN extension_member member ON member.classid = need.refclassid AND member.objid = need.refobjid
     JOIN pg_extension e ON e.oid = member.extension
     JOIN pg_namespace home ON home.oid = e.extnamespace
    WHERE NOT EXISTS (SELECT 1 FROM extension_member own WHERE own.classid = used.classid AND own.objid = used.oid)`,

  // The version that a collation was made under belongs to the operating system, and the columns differ by major.
  `SELECT 'collation' AS kind, ARRAY[n.nspname, c.collname]::text[] AS path, NULL AS suffix, NULL AS parent,
          json_build_object(
            'definition', concat_ws(' ', c.collprovider, c.collisdeterministic, c.collcollate, c.collctype,
                                    to_jsonb(c) ->> 'colliculocale', to_jsonb(c) ->> 'colllocale',
                                    to_jsonb(c) ->> 'collicurules'),
            'owner', pg_get_userbyid(c.collowner),
            'comment', ${comment("pg_collation", "c.oid")}) AS aspects
     FROM pg_collation c
     JOIN pg_namespace n ON n.oid = c.collnamespace
    WHERE n.nspname = ANY($1::text[]) AND ${notOfExtension("pg_collation", "c.oid")}`,

  `SELECT 'conversion' AS kind, ARRAY[n.nspname, c.conname]::text[] AS path, NULL AS suffix, NULL AS parent,
          json_build_object(
            'definition', concat_ws(' ', pg_encoding_to_char(c.conforencoding), pg_encoding_to_char(c.contoencoding),
                                    c.conproc::regprocedure, c.condefault),
            'owner', pg_get_userbyid(c.conowner),
            'comment', ${comment("pg_conversion", "c.oid")}) AS aspects
     FROM pg_conversion c
     JOIN pg_namespace n ON n.oid = c.connamespace
    WHERE n.nspname = ANY($1::text[]) AND ${notOfExtension("pg_conversion", "c.oid")}`,

  `SELECT 'text search configuration' AS kind, ARRAY[n.nspname, c.cfgname]::text[] AS path,
          NULL AS suffix, NULL AS parent,
          json_build_object(
            'definition', parser_schema.nspname || '.' || p.prsname,
            'mappings', (SELECT string_agg(concat_ws(' ', token.alias, m.mapseqno, m.mapdict::regdictionary), ', '
                                           ORDER BY token.alias, m.mapseqno)
                           FROM pg_ts_config_map m
                           JOIN ts_token_type(c.cfgparser) token ON token.tokid = m.maptokentype
                          WHERE m.mapcfg = c.oid),
            'owner', pg_get_userbyid(c.cfgowner),
            'comment', ${comment("pg_ts_config", "c.oid")}) AS aspects
     FROM pg_ts_config c
     JOIN pg_namespace n ON n.oid = c.cfgnamespace
     JOIN pg_ts_parser p ON p.oid = c.cfgparser
     JOIN pg_namespace parser_schema ON parser_schema.oid = p.prsnamespace
    WHERE n.nspname = ANY($1::text[]) AND ${notOfExtension("pg_ts_config", "c.oid")}`,

  `SELECT 'text search dictionary' AS kind, ARRAY[n.nspname, d.dictname]::text[] AS path,
          NULL AS suffix, NULL AS parent,
          json_build_object(
            'definition', concat_ws(' ', template_schema.nspname, t.tmplname, d.dictinitoption),
            'owner', pg_get_userbyid(d.dictowner),
            'comment', ${comment("pg_ts_dict", "d.oid")}) AS aspects
     FROM pg_ts_dict d
     JOIN pg_namespace n ON n.oid = d.dictnamespace
     JOIN pg_ts_template t ON t.oid = d.dicttemplate
     JOIN pg_namespace template_schema ON template_schema.oid = t.tmplnamespace
    WHERE n.nspname = ANY($1::text[]) AND ${notOfExtension("pg_ts_dict", "d.oid")}`,

  `SELECT 'text search parser' AS kind, ARRAY[n.nspname, p.prsname]::text[] AS path, NULL AS suffix, NULL AS parent,
          json_build_object('definition', concat_ws(' ', p.prsstart, p.prstoken, p.prsend, p.prsheadline, p.prslextype),
                            'comment', ${comment("pg_ts_parser", "p.oid")}) AS aspects
     FROM pg_ts_parser p
     JOIN pg_namespace n ON n.oid = p.prsnamespace
    WHERE n.nspname = ANY($1::text[]) AND ${notOfExtension("pg_ts_parser", "p.oid")}`,

  `SELECT 'text search template' AS kind, ARRAY[n.nspname, t.tmplname]::text[] AS path, NULL AS suffix, NULL AS parent,
          json_build_object('definition', concat_ws(' ', t.tmplinit, t.tmpllexize),
                            'comment', ${comment("pg_ts_template", "t.oid")}) AS aspects
     FROM pg_ts_template t
     JOIN pg_namespace n ON n.oid = t.tmplnamespace
    WHERE n.nspname = ANY($1::text[]) AND ${notOfExtension("pg_ts_template", "t.oid")}`,

  `SELECT 'statistics' AS kind, ARRAY[n.nspname, s.stxname]::text[] AS path, NULL AS suffix,
          ARRAY[table_schema.nspname, c.relname]::text[] AS parent,
          json_build_object(
            'definition', pg_get_statisticsobjdef(s.oid),
            'target', COALESCE(s.stxstattarget, -1),
            'owner', pg_get_userbyid(s.stxowner),
            'comment', ${comment("pg_statistic_ext", "s.oid")}) AS aspects
     FROM pg_statistic_ext s
     JOIN pg_namespace n ON n.oid = s.stxnamespace
     JOIN pg_class c ON c.oid = s.stxrelid
     JOIN pg_namespace table_schema ON table_schema.oid = c.relnamespace
    WHERE n.nspname = ANY($1::text[])`,

  `SELECT 'foreign table options' AS kind, ARRAY[n.nspname, c.relname]::text[] AS path, NULL AS suffix,
          ARRAY[n.nspname, c.relname]::text[] AS parent,
          json_build_object('server', s.srvname,
                            'options', ${textHash(`COALESCE(${sortedOptions("f.ftoptions")}, '')`)}) AS aspects
     FROM pg_foreign_table f
     JOIN pg_class c ON c.oid = f.ftrelid
     JOIN pg_namespace n ON n.oid = c.relnamespace
     JOIN pg_foreign_server s ON s.oid = f.ftserver
    WHERE n.nspname = ANY($1::text[]) AND ${notOfExtension("pg_class", "c.oid")}`,
];
