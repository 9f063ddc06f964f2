import type { ClientBase } from "pg";
import { displayName } from "../../../postgres/catalogue/catalogue.ts";
import { quoteIdentifier, quoteQualified } from "../../../postgres/identifiers.ts";
import type { Finding } from "../../finding.ts";
import { findingsOf } from "../definitions.ts";
import { dependencyDefinitions } from "./dependencies.ts";

/** An object outside of the moved schemas that a value of a moved column names. */
export interface NamedObject {
  /** `table other.ledger`. */
  readonly object: string;
  /** `public.audit.relation`. */
  readonly column: string;
}

const found = findingsOf(dependencyDefinitions);

/**
 * Reads the columns of types such as `regclass`, whose values are names where they are copied: one that the target does
 * not have ends the load. Roles (`regrole`) are not looked at.
 */
export async function readNamedObjects(
  client: ClientBase,
  schemas: readonly string[],
): Promise<NamedObject[]> {
  const { rows: columns } = await client.query<NamingColumn>(namingColumnsQuery, [schemas]);
  const named = await Promise.all(
    columns.map(async ({ schema, table, column, catalogue }) => {
      const { rows } = await client.query<{ object: string }>(objectsNamedBy(schema, table, column), [
        catalogue,
        schemas,
      ]);
      return rows.map(({ object }) => ({ object, column: displayName([schema, table, column]) }));
    }),
  );
  return named.flat();
}

export function checkNamedObjects(named: readonly NamedObject[]): Finding[] {
  return named.map(({ object, column }) =>
    found(
      "NEEDS_OUTSIDE_OBJECT",
      object,
      `It is outside of the moved schemas, and values of ${column} name it: the target could not read them.`,
    ),
  );
}

interface NamingColumn {
  readonly schema: string;
  readonly table: string;
  readonly column: string;
  readonly catalogue: string;
}

// What was dropped since is copied as a number, and what an extension or PostgreSQL brings is there.
function objectsNamedBy(schema: string, table: string, column: string): string {
  return `
    SELECT DISTINCT o.type || ' ' || o.identity AS object
      FROM (SELECT DISTINCT ${quoteIdentifier(column)}::oid AS oid FROM ONLY ${quoteQualified(schema, table)}) AS value
     CROSS JOIN LATERAL pg_identify_object($1::regclass, value.oid, 0) AS o
     WHERE value.oid >= 16384 AND o.identity IS NOT NULL
       AND COALESCE(o.schema, CASE WHEN o.type = 'schema' THEN o.name END) <> ALL ($2::text[])
       AND NOT EXISTS (SELECT FROM pg_depend e
                        WHERE e.classid = $1::regclass AND e.objid = value.oid AND e.deptype = 'e')
     ORDER BY 1`;
}

const namingColumnsQuery = `
  SELECT n.nspname::text AS schema, c.relname::text AS table, a.attname::text AS column, names.catalogue
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r'
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN (VALUES ('regclass'::regtype, 'pg_class'), ('regtype', 'pg_type'), ('regproc', 'pg_proc'), ('regprocedure', 'pg_proc'),
                 ('regoper', 'pg_operator'), ('regoperator', 'pg_operator'), ('regconfig', 'pg_ts_config'),
                 ('regdictionary', 'pg_ts_dict'), ('regcollation', 'pg_collation'), ('regnamespace', 'pg_namespace'))
         AS names(type, catalogue) ON names.type = a.atttypid
   WHERE n.nspname = ANY ($1::text[]) AND a.attnum > 0 AND NOT a.attisdropped
     AND NOT EXISTS (SELECT FROM pg_depend e
                      WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
   ORDER BY 1, 2, 3`;
