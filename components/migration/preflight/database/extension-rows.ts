import type { ClientBase } from "pg";
import { quoteQualified } from "../../../postgres/identifiers.ts";
import type { Finding } from "../../finding.ts";
import { findingsOf } from "../definitions.ts";

/** A table that belongs to an extension and holds rows of the application's. */
export interface ExtensionRows {
  readonly extension: string;
  /** `schema.name`. */
  readonly table: string;
}

export const extensionRowDefinitions = {
  EXTENSION_ROWS_NOT_MOVED: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Bring these rows to the target yourself, or take a table of your own out of the extension (ALTER EXTENSION … DROP TABLE); accept it if they are not needed there.",
  },
} as const;

const found = findingsOf(extensionRowDefinitions);

/**
 * Rows in tables of extensions. An extension says which of its tables hold its users' rows, and which of these are its
 * own (pg_extension_config_dump); every other table of one that lies in a moved schema is taken for such as well.
 */
export async function readExtensionRows(
  client: ClientBase,
  schemas: readonly string[],
): Promise<ExtensionRows[]> {
  const { rows: tables } = await client.query<ExtensionTable>(extensionTablesQuery, [schemas]);
  const filled = await Promise.all(
    tables.map(async ({ extension, schema, name, condition }) => {
      const { rows } = await client.query<{ filled: boolean }>(
        `SELECT EXISTS (SELECT FROM ${quoteQualified(schema, name)} ${condition}) AS filled`,
      );
      return rows[0]?.filled === true ? [{ extension, table: `${schema}.${name}` }] : [];
    }),
  );
  return filled.flat();
}

export function checkExtensionRows(filled: readonly ExtensionRows[]): Finding[] {
  return filled.map(({ extension, table }) =>
    found(
      "EXTENSION_ROWS_NOT_MOVED",
      table,
      `The table belongs to the extension ${extension} and holds rows that do not come with it: a copy of schemas leaves them behind.`,
    ),
  );
}

interface ExtensionTable {
  readonly extension: string;
  readonly schema: string;
  readonly name: string;
  /** A WHERE clause of the extension's author, or empty. */
  readonly condition: string;
}

// The jobs of pg_cron are reported by a check of their own.
const extensionTablesQuery = `
  WITH marked AS MATERIALIZED (
    SELECT e.extname, config.relation, config.condition
      FROM pg_extension e CROSS JOIN LATERAL unnest(e.extconfig, e.extcondition) AS config(relation, condition)
  )
  SELECT e.extname::text AS extension, n.nspname::text AS schema, c.relname::text AS name,
         COALESCE(marked.condition, '') AS condition
    FROM pg_extension e
    JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
     AND d.classid = 'pg_class'::regclass
    JOIN pg_class c ON c.oid = d.objid AND c.relkind IN ('r', 'p')
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN marked ON marked.relation = c.oid
   WHERE e.extname <> 'pg_cron' AND (marked.relation IS NOT NULL OR n.nspname = ANY ($1::text[]))
     AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
   ORDER BY 1, 2, 3`;
