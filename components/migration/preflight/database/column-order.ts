import type { ClientBase } from "pg";
import type { Finding } from "../../finding.ts";
import { findingsOf, listNames } from "../definitions.ts";

/** A table that inherits, or one that it inherits from. */
export interface FamilyMember {
  readonly name: string;
  readonly parents: readonly string[];
  readonly columns: readonly string[];
}

export const columnOrderDefinitions = {
  COLUMN_ORDER_CHANGES: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Accept it if every INSERT and COPY into the table names its columns and nothing reads them by position; otherwise make the child anew on the source first.",
  },
} as const;

const found = findingsOf(columnOrderDefinitions);

export async function readFamilies(client: ClientBase, schemas: readonly string[]): Promise<FamilyMember[]> {
  const { rows } = await client.query<FamilyMember>(familiesQuery, [schemas]);
  return rows;
}

export function checkColumnOrder(families: readonly FamilyMember[]): Finding[] {
  return reorderedTables(families).map(({ name, order }) =>
    found(
      "COLUMN_ORDER_CHANGES",
      name,
      `It inherits from another table, and its columns will stand in the order ${listNames(order, 20)}: an INSERT without column names would put its values into other columns.`,
    ),
  );
}

/**
 * Tables whose columns come in another order when they are made anew: what is inherited stands first, parent by parent
 * (manual, CREATE TABLE, INHERITS). A column that a parent got later, or a parent that came later, stood elsewhere.
 */
export function reorderedTables(
  families: readonly FamilyMember[],
): Array<{ readonly name: string; readonly order: readonly string[] }> {
  const members = new Map(families.map((member) => [member.name, member]));
  const orders = new Map<string, readonly string[]>();
  const orderOf = (name: string): readonly string[] => {
    const known = orders.get(name);
    if (known !== undefined) return known;
    const { parents = [], columns = [] } = members.get(name) ?? {};
    const order = [...new Set([...parents.flatMap(orderOf), ...columns])];
    orders.set(name, order);
    return order;
  };
  return families
    .map(({ name, columns }) => ({ name, order: orderOf(name), columns }))
    .filter(({ order, columns }) => columns.some((column, index) => column !== order[index]))
    .map(({ name, order }) => ({ name, order }));
}

const familiesQuery = `
  WITH RECURSIVE member (oid) AS (
    SELECT i.inhrelid
      FROM pg_inherits i
      JOIN pg_class c ON c.oid = i.inhrelid AND c.relkind IN ('r', 'f') AND NOT c.relispartition
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY ($1::text[])
    UNION
    SELECT i.inhparent FROM member JOIN pg_inherits i ON i.inhrelid = member.oid
  )
  SELECT n.nspname || '.' || c.relname AS name,
         ARRAY(SELECT parent_schema.nspname || '.' || parent.relname
                 FROM pg_inherits i
                 JOIN pg_class parent ON parent.oid = i.inhparent
                 JOIN pg_namespace parent_schema ON parent_schema.oid = parent.relnamespace
                WHERE i.inhrelid = c.oid ORDER BY i.inhseqno) AS parents,
         ARRAY(SELECT a.attname::text FROM pg_attribute a
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS columns
    FROM member
    JOIN pg_class c ON c.oid = member.oid
    JOIN pg_namespace n ON n.oid = c.relnamespace
   ORDER BY 1`;
