import type { ClientBase } from "pg";
import { displayName } from "../../../postgres/catalogue/catalogue.ts";
import { quoteIdentifier, quoteQualified } from "../../../postgres/identifiers.ts";
import type { Finding } from "../../finding.ts";
import { findingsOf } from "../definitions.ts";

/** A filled column whose values count or name something of the source's server. */
export interface BoundColumn {
  /** `public.outbox.transaction`. */
  readonly name: string;
  readonly type: string;
}

export const boundValueDefinitions = {
  SERVER_BOUND_VALUES: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Find out what reads the column. A reader that compares it with the server's own numbers (pg_current_snapshot(), pg_class.oid) has to be changed or set back after the cutover; accept it if nothing does.",
  },
} as const;

const found = findingsOf(boundValueDefinitions);

/** Names of objects (`regclass` and the like) are not among them: they are moved by name. */
export async function readBoundColumns(
  client: ClientBase,
  schemas: readonly string[],
): Promise<BoundColumn[]> {
  const { rows } = await client.query<{ schema: string; table: string; column: string; type: string }>(
    boundColumnsQuery,
    [schemas],
  );
  const filled = await Promise.all(
    rows.map(async ({ schema, table, column, type }) => {
      const answer = await client.query<{ filled: boolean }>(
        `SELECT EXISTS (SELECT FROM ${quoteQualified(schema, table)} WHERE ${quoteIdentifier(column)} IS NOT NULL) AS filled`,
      );
      return answer.rows[0]?.filled === true ? [{ name: displayName([schema, table, column]), type }] : [];
    }),
  );
  return filled.flat();
}

export function checkBoundValues(columns: readonly BoundColumn[]): Finding[] {
  return columns.map(({ name, type }) =>
    found(
      "SERVER_BOUND_VALUES",
      name,
      `Its type is ${type}: such values are numbers that the source's server gave out, and mean something else, or lie ahead of everything, on the target. They are copied as they are.`,
    ),
  );
}

const boundColumnsQuery = `
  WITH RECURSIVE parts (relation, attnum, type) AS (
    SELECT a.attrelid, a.attnum, a.atttypid
      FROM pg_attribute a
      JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY ($1::text[]) AND a.attnum > 0 AND NOT a.attisdropped
       AND NOT EXISTS (SELECT FROM pg_depend d
                        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    UNION
    SELECT parts.relation, parts.attnum, CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.typelem END
      FROM parts JOIN pg_type t ON t.oid = parts.type AND (t.typtype = 'd' OR t.typcategory = 'A')
  )
  SELECT n.nspname::text AS schema, c.relname::text AS table, a.attname::text AS column,
         format_type(parts.type, NULL) AS type
    FROM parts
    JOIN pg_class c ON c.oid = parts.relation
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = parts.relation AND a.attnum = parts.attnum
   WHERE parts.type IN ('oid'::regtype, 'xid'::regtype, 'xid8'::regtype, 'cid'::regtype, 'tid'::regtype, 'pg_lsn'::regtype,
                        'pg_snapshot'::regtype, 'txid_snapshot'::regtype)
   ORDER BY 1, 2, a.attnum`;
