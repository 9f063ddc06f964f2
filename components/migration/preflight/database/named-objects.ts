import type { ClientBase } from "pg";
import { displayName } from "../../../postgres/catalogue/catalogue.ts";
import { quoteIdentifier, quoteQualified } from "../../../postgres/identifiers.ts";
import type { Finding } from "../../finding.ts";
import { findingsOf } from "../definitions.ts";
import { dependencyDefinitions } from "./dependencies.ts";
import { roleDefinitions } from "./roles.ts";

/** An object outside of the moved schemas that a value of a moved column names. */
export interface NamedObject {
  /** `table other.ledger`. */
  readonly object: string;
  /** `public.audit.relation`. */
  readonly column: string;
  /** Its name where it is a role. */
  readonly role: string | null;
}

const found = findingsOf({ ...dependencyDefinitions, ...roleDefinitions });

/**
 * Reads the columns of types such as `regclass`, whose values are names where they are copied: one that the target does
 * not have ends the load.
 */
export async function readNamedObjects(
  client: ClientBase,
  schemas: readonly string[],
): Promise<NamedObject[]> {
  const { rows: columns } = await client.query<NamingColumn>(namingColumnsQuery, [schemas]);
  const named = await Promise.all(
    columns.map(async (naming) => {
      const { schema, table, column, catalogue } = naming;
      const { rows } = await client.query<Pick<NamedObject, "object" | "role">>(objectsNamedBy(naming), [
        catalogue,
        schemas,
      ]);
      return rows.map((one) => ({ ...one, column: displayName([schema, table, column]) }));
    }),
  );
  return named.flat();
}

export function checkNamedObjects(named: readonly NamedObject[]): Finding[] {
  return named
    .filter(({ role }) => role === null)
    .map(({ object, column }) =>
      found(
        "NEEDS_OUTSIDE_OBJECT",
        object,
        `It is outside of the moved schemas, and values of ${column} name it: the target could not read them.`,
      ),
    );
}

/** @param roles of the target */
export function checkNamedRoles(named: readonly NamedObject[], roles: readonly string[]): Finding[] {
  return named.flatMap(({ role, column }) =>
    role === null || roles.includes(role)
      ? []
      : [
          found(
            "ROLE_MISSING",
            role,
            `Values of ${column} name this role, and the target does not have it: it could not read them.`,
          ),
        ],
  );
}

interface NamingColumn {
  readonly schema: string;
  readonly table: string;
  readonly column: string;
  readonly isList: boolean;
  readonly catalogue: string;
}

// What was dropped since is copied as a number, and what an extension or PostgreSQL brings is there.
function objectsNamedBy({ schema, table, column, isList }: NamingColumn): string {
  const value = isList ? `unnest(${quoteIdentifier(column)})` : quoteIdentifier(column);
  return `
    SELECT DISTINCT o.type || ' ' || o.identity AS object,
           (SELECT rolname::text FROM pg_roles WHERE $1::regclass = 'pg_authid'::regclass AND oid = value.oid) AS role
      FROM (SELECT DISTINCT ${value}::oid AS oid FROM ONLY ${quoteQualified(schema, table)}) AS value
     CROSS JOIN LATERAL pg_identify_object($1::regclass, value.oid, 0) AS o
     WHERE value.oid >= 16384 AND o.identity IS NOT NULL
       AND COALESCE(o.schema, CASE WHEN o.type = 'schema' THEN o.name ELSE '' END) <> ALL ($2::text[])
       AND NOT EXISTS (SELECT FROM pg_depend e
                        WHERE e.classid = $1::regclass AND e.objid = value.oid AND e.deptype = 'e')
     ORDER BY 1`;
}

// Within composite types none are looked for.
const namingColumnsQuery = `
  WITH RECURSIVE part (relation, attnum, type, is_list) AS (
    SELECT a.attrelid, a.attnum, a.atttypid, false
      FROM pg_attribute a
      JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r'
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY ($1::text[]) AND a.attnum > 0 AND NOT a.attisdropped
       AND NOT EXISTS (SELECT FROM pg_depend e
                        WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
    UNION
    SELECT part.relation, part.attnum, CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.typelem END,
           part.is_list OR t.typcategory = 'A' AND t.typtype <> 'd'
      FROM part JOIN pg_type t ON t.oid = part.type AND (t.typtype = 'd' OR t.typcategory = 'A')
  )
  SELECT n.nspname::text AS schema, c.relname::text AS table, a.attname::text AS column, part.is_list AS "isList",
         names.catalogue
    FROM part
    JOIN pg_class c ON c.oid = part.relation
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = part.relation AND a.attnum = part.attnum
    JOIN (VALUES ('regclass'::regtype, 'pg_class'), ('regtype', 'pg_type'), ('regproc', 'pg_proc'), ('regprocedure', 'pg_proc'),
                 ('regoper', 'pg_operator'), ('regoperator', 'pg_operator'), ('regconfig', 'pg_ts_config'),
                 ('regdictionary', 'pg_ts_dict'), ('regcollation', 'pg_collation'), ('regnamespace', 'pg_namespace'),
                 ('regrole', 'pg_authid'))
         AS names(type, catalogue) ON names.type = part.type
   ORDER BY 1, 2, 3`;
