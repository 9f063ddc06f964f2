import { aclLines, comment, notOfExtension, sortedOptions, textHash } from "./fragments.ts";

/** Functions, procedures, aggregates, operators, operator classes and families. */
export const routineQueries: readonly string[] = [
  `SELECT CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END AS kind,
          ARRAY[n.nspname, p.proname]::text[] AS path,
          '(' || oidvectortypes(p.proargtypes) || ')' AS suffix, NULL AS parent,
          json_build_object(
            'definition', concat_ws(' ', p.prokind, l.lanname, '(', pg_get_function_arguments(p.oid), ')',
                                    pg_get_function_result(p.oid), p.prosupport,
                                    'cost', p.procost, 'rows', p.prorows),
            'behaviour', concat_ws(' ', p.provolatile, p.proparallel, p.proisstrict, p.proleakproof),
            'source', ${textHash("concat_ws(' ', p.prosrc, p.probin)")},
            'body', pg_get_function_sqlbody(p.oid),
            'configuration', ${sortedOptions("p.proconfig")},
            'transforms', (SELECT string_agg(format_type(type, NULL), ', ') FROM unnest(p.protrftypes) AS type),
            'security', CASE WHEN p.prosecdef THEN 'definer' ELSE 'invoker' END,
            'aggregate', (SELECT concat_ws(' ',
                            a.aggkind, a.aggnumdirectargs, a.aggtransfn::regprocedure, a.aggfinalfn::regprocedure,
                            a.aggcombinefn::regprocedure, a.aggserialfn::regprocedure, a.aggdeserialfn::regprocedure,
                            a.aggmtransfn::regprocedure, a.aggminvtransfn::regprocedure, a.aggmfinalfn::regprocedure,
                            a.aggfinalextra, a.aggmfinalextra, a.aggfinalmodify, a.aggmfinalmodify,
                            a.aggsortop::regoperator, format_type(a.aggtranstype, NULL), a.aggtransspace,
                            format_type(NULLIF(a.aggmtranstype, 0), NULL), a.aggmtransspace,
                            quote_nullable(a.agginitval), quote_nullable(a.aggminitval))
                            FROM pg_aggregate a WHERE a.aggfnoid = p.oid),
            'owner', pg_get_userbyid(p.proowner),
            'acl', ${aclLines("p.proacl", "f", "p.proowner")},
            'comment', ${comment("pg_proc", "p.oid")}) AS aspects
     FROM pg_proc p
     JOIN pg_namespace n ON n.oid = p.pronamespace
     JOIN pg_language l ON l.oid = p.prolang
    WHERE n.nspname = ANY($1::text[]) AND ${notOfExtension("pg_proc", "p.oid")}`,

  // One that is only announced, as another's partner, comes with that one; pg_dump leaves out what that one left behind.
  `SELECT 'operator' AS kind, ARRAY[n.nspname, o.oprname]::text[] AS path,
          '(' || CASE WHEN o.oprleft = 0 THEN 'NONE' ELSE format_type(o.oprleft, NULL) END
              || ', ' || format_type(o.oprright, NULL) || ')' AS suffix,
          NULL AS parent,
          json_build_object(
            'definition', concat_ws(' ', o.oprcode::regprocedure, o.oprcanmerge, o.oprcanhash,
                                    ${partnerOf("oprcom")}, ${partnerOf("oprnegate")}, o.oprrest, o.oprjoin),
            'owner', pg_get_userbyid(o.oprowner),
            'comment', ${comment("pg_operator", "o.oid")}) AS aspects
     FROM pg_operator o
     JOIN pg_namespace n ON n.oid = o.oprnamespace
    WHERE n.nspname = ANY($1::text[]) AND o.oprcode <> 0 AND ${notOfExtension("pg_operator", "o.oid")}`,

  `SELECT 'operator class' AS kind, ARRAY[n.nspname, o.opcname]::text[] AS path, ' using ' || am.amname AS suffix,
          NULL AS parent,
          json_build_object(
            'definition', concat_ws(' ', format_type(o.opcintype, NULL), o.opcdefault,
                                    format_type(NULLIF(o.opckeytype, 0), NULL), family_schema.nspname, f.opfname),
            'owner', pg_get_userbyid(o.opcowner),
            'comment', ${comment("pg_opclass", "o.oid")}) AS aspects
     FROM pg_opclass o
     JOIN pg_namespace n ON n.oid = o.opcnamespace
     JOIN pg_am am ON am.oid = o.opcmethod
     JOIN pg_opfamily f ON f.oid = o.opcfamily
     JOIN pg_namespace family_schema ON family_schema.oid = f.opfnamespace
    WHERE n.nspname = ANY($1::text[]) AND ${notOfExtension("pg_opclass", "o.oid")}`,

  `SELECT 'operator family' AS kind, ARRAY[n.nspname, f.opfname]::text[] AS path, ' using ' || am.amname AS suffix,
          NULL AS parent,
          json_build_object(
            'operators', (SELECT string_agg(entry, ', ' ORDER BY entry COLLATE "C")
                            FROM (SELECT concat_ws(' ', m.amopstrategy, m.amoppurpose, m.amopopr::regoperator,
                                                   sort_schema.nspname, sort.opfname) AS entry
                                    FROM pg_amop m
                                    LEFT JOIN pg_opfamily sort ON sort.oid = m.amopsortfamily
                                    LEFT JOIN pg_namespace sort_schema ON sort_schema.oid = sort.opfnamespace
                                   WHERE m.amopfamily = f.oid) AS operators),
            'functions', (SELECT string_agg(entry, ', ' ORDER BY entry COLLATE "C")
                            FROM (SELECT concat_ws(' ', m.amprocnum, format_type(m.amproclefttype, NULL),
                                                   format_type(m.amprocrighttype, NULL),
                                                   m.amproc::regprocedure) AS entry
                                    FROM pg_amproc m WHERE m.amprocfamily = f.oid) AS functions),
            'owner', pg_get_userbyid(f.opfowner),
            'comment', ${comment("pg_opfamily", "f.oid")}) AS aspects
     FROM pg_opfamily f
     JOIN pg_namespace n ON n.oid = f.opfnamespace
     JOIN pg_am am ON am.oid = f.opfmethod
    WHERE n.nspname = ANY($1::text[]) AND ${notOfExtension("pg_opfamily", "f.oid")}`,
];

/** SQL for the partner of the operator `o`, whichever of the two names the other: 17 notes it with both, whatever the order. */
function partnerOf(link: "oprcom" | "oprnegate"): string {
  return `COALESCE(NULLIF(o.${link}, 0),
                   (SELECT min(other.oid::int8)::oid FROM pg_operator other WHERE other.${link} = o.oid), 0)::regoperator`;
}
