import type { ClientBase } from "pg";

/** Statements that drop what is left of a copy; none of them uses CASCADE. */
export interface DropStatements {
  /** Several objects of one kind at once, which resolves circles among them, such as foreign keys. */
  readonly together: readonly string[];
  /** What ties tables to other objects: defaults, checks, keys, rules, triggers and policies. */
  readonly ties: readonly string[];
  /** Each object on its own. */
  readonly objects: readonly string[];
}

/**
 * Lists the free-standing objects of the schemas, and how to drop them, views first. Objects that are part of another
 * one (a column's sequence, a table's row type) go with it, members of extensions stay.
 */
export async function dropStatements(
  client: ClientBase,
  schemas: readonly string[],
): Promise<DropStatements> {
  const { rows } = await client.query<{ kind: string; name: string }>(objectsQuery, [schemas]);
  const byKind = Map.groupBy(rows, ({ kind }) => kind);
  const listable = [...byKind].filter(([kind, objects]) => objects.length > 1 && !singleKinds.has(kind));
  const { rows: ties } = await client.query<{ statement: string }>(tiesQuery, [schemas]);
  const { rows: defaults } = await client.query<{ statement: string }>(defaultPrivilegesQuery, [schemas]);
  return {
    together: listable.map(([kind, objects]) => `DROP ${kind} ${objects.map(({ name }) => name).join(", ")}`),
    ties: ties.map(({ statement }) => statement),
    objects: [
      ...rows.map(({ kind, name }) => `DROP ${kind} ${name}`),
      ...defaults.map(({ statement }) => statement),
    ],
  };
}

/** The same objects by kind and name, `ROUTINE public.ask(integer)`: named alike on two servers. */
export async function listObjectNames(client: ClientBase, schemas: readonly string[]): Promise<string[]> {
  const { rows } = await client.query<{ kind: string; name: string }>(objectsQuery, [schemas]);
  return rows.map(({ kind, name }) => `${kind} ${name}`);
}

/** Kinds whose DROP takes one name only, or one `USING` clause a name. */
const singleKinds: ReadonlySet<string> = new Set([
  "CONVERSION",
  "OPERATOR CLASS",
  "OPERATOR FAMILY",
  "TEXT SEARCH CONFIGURATION",
  "TEXT SEARCH DICTIONARY",
  "TEXT SEARCH PARSER",
  "TEXT SEARCH TEMPLATE",
]);

const objectsQuery = `
  WITH moved AS (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = ANY($1::text[])),
  object(ordinal, kind, classid, objid) AS (
    SELECT CASE relkind WHEN 'v' THEN 1 WHEN 'm' THEN 2 WHEN 'S' THEN 5 ELSE 3 END,
           CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
                        WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END,
           'pg_catalog.pg_class'::pg_catalog.regclass, oid
      FROM pg_catalog.pg_class WHERE relnamespace IN (SELECT oid FROM moved) AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL
    SELECT 4, 'ROUTINE', 'pg_catalog.pg_proc'::pg_catalog.regclass, oid
      FROM pg_catalog.pg_proc WHERE pronamespace IN (SELECT oid FROM moved)
    UNION ALL
    SELECT 6, 'STATISTICS', 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, oid
      FROM pg_catalog.pg_statistic_ext WHERE stxnamespace IN (SELECT oid FROM moved)
    UNION ALL
    SELECT 7, 'OPERATOR CLASS', 'pg_catalog.pg_opclass'::pg_catalog.regclass, oid
      FROM pg_catalog.pg_opclass WHERE opcnamespace IN (SELECT oid FROM moved)
    UNION ALL
    SELECT 8, 'OPERATOR FAMILY', 'pg_catalog.pg_opfamily'::pg_catalog.regclass, oid
      FROM pg_catalog.pg_opfamily WHERE opfnamespace IN (SELECT oid FROM moved)
    UNION ALL
    SELECT 9, 'OPERATOR', 'pg_catalog.pg_operator'::pg_catalog.regclass, oid
      FROM pg_catalog.pg_operator WHERE oprnamespace IN (SELECT oid FROM moved)
    UNION ALL
    SELECT 10, CASE typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, 'pg_catalog.pg_type'::pg_catalog.regclass, oid
      FROM pg_catalog.pg_type t
     WHERE typnamespace IN (SELECT oid FROM moved)
       AND (typtype IN ('b', 'd', 'e', 'r', 'p')
            OR EXISTS (SELECT 1 FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
    UNION ALL
    SELECT 11, 'TEXT SEARCH CONFIGURATION', 'pg_catalog.pg_ts_config'::pg_catalog.regclass, oid
      FROM pg_catalog.pg_ts_config WHERE cfgnamespace IN (SELECT oid FROM moved)
    UNION ALL
    SELECT 12, 'TEXT SEARCH DICTIONARY', 'pg_catalog.pg_ts_dict'::pg_catalog.regclass, oid
      FROM pg_catalog.pg_ts_dict WHERE dictnamespace IN (SELECT oid FROM moved)
    UNION ALL
    SELECT 13, 'TEXT SEARCH TEMPLATE', 'pg_catalog.pg_ts_template'::pg_catalog.regclass, oid
      FROM pg_catalog.pg_ts_template WHERE tmplnamespace IN (SELECT oid FROM moved)
    UNION ALL
    SELECT 14, 'TEXT SEARCH PARSER', 'pg_catalog.pg_ts_parser'::pg_catalog.regclass, oid
      FROM pg_catalog.pg_ts_parser WHERE prsnamespace IN (SELECT oid FROM moved)
    UNION ALL
    SELECT 15, 'CONVERSION', 'pg_catalog.pg_conversion'::pg_catalog.regclass, oid
      FROM pg_catalog.pg_conversion WHERE connamespace IN (SELECT oid FROM moved)
    UNION ALL
    SELECT 16, 'COLLATION', 'pg_catalog.pg_collation'::pg_catalog.regclass, oid
      FROM pg_catalog.pg_collation WHERE collnamespace IN (SELECT oid FROM moved)
  )
  SELECT object.kind, identified.identity AS name
    FROM object
   CROSS JOIN LATERAL pg_catalog.pg_identify_object(object.classid, object.objid, 0) AS identified
   WHERE NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d
                      WHERE d.classid = object.classid AND d.objid = object.objid AND d.objsubid = 0
                        AND (d.deptype IN ('e', 'i') OR d.deptype = 'a' AND object.kind = 'SEQUENCE'))
     AND NOT (object.kind = 'TYPE' AND EXISTS (SELECT 1 FROM pg_catalog.pg_type array_of WHERE array_of.typarray = object.objid))
   ORDER BY object.ordinal, object.objid DESC`;

const tiesQuery = `
  WITH own AS (
    SELECT c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY($1::text[]) AND c.relkind IN ('r', 'p')
       AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d
                        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')
  )
  SELECT pg_catalog.format('ALTER TABLE %s ALTER COLUMN %I DROP DEFAULT', own.name, a.attname) AS statement
    FROM own JOIN pg_catalog.pg_attribute a ON a.attrelid = own.oid
   WHERE a.atthasdef AND a.attgenerated = '' AND NOT a.attisdropped
  UNION ALL
  SELECT pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I', own.name, k.conname)
    FROM own JOIN pg_catalog.pg_constraint k ON k.conrelid = own.oid WHERE k.contype IN ('c', 'f') AND k.coninhcount = 0
  UNION ALL
  SELECT pg_catalog.format('DROP TRIGGER %I ON %s', t.tgname, own.name)
    FROM own JOIN pg_catalog.pg_trigger t ON t.tgrelid = own.oid WHERE NOT t.tgisinternal
  UNION ALL
  SELECT pg_catalog.format('DROP POLICY %I ON %s', p.polname, own.name)
    FROM own JOIN pg_catalog.pg_policy p ON p.polrelid = own.oid
  UNION ALL
  SELECT pg_catalog.format('DROP RULE %I ON %s', r.rulename, own.name)
    FROM own JOIN pg_catalog.pg_rewrite r ON r.ev_class = own.oid`;

/** A schema that stays keeps no default privileges of the copy; one that is dropped takes its own along. */
const defaultPrivilegesQuery = `
  SELECT pg_catalog.format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I REVOKE ALL ON %s FROM %s',
           pg_catalog.pg_get_userbyid(a.defaclrole), n.nspname,
           CASE a.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' ELSE 'TYPES' END,
           CASE grants.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.format('%I', pg_catalog.pg_get_userbyid(grants.grantee)) END) AS statement
    FROM pg_catalog.pg_default_acl a
    JOIN pg_catalog.pg_namespace n ON n.oid = a.defaclnamespace
   CROSS JOIN LATERAL (SELECT DISTINCT grantee FROM pg_catalog.aclexplode(a.defaclacl)) AS grants
   WHERE n.nspname = ANY($1::text[])`;
