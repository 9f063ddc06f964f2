import type pg from "pg";
import { loadFailed } from "./errors.ts";

/** What PostgreSQL 18 and later call a column's NOT NULL. */
export interface NotNullName {
  readonly schema: string;
  readonly table: string;
  readonly column: string;
  readonly name: string;
}

/**
 * The names that another constraint of the schema has as well, as `CREATE TABLE … LIKE` hands them on. `pg_dump` leaves a name that
 * the server would choose to the server, and it chooses none that is taken by then (`ChooseConstraintName`).
 */
export async function listSharedNotNullNames(
  source: pg.ClientBase,
  schemas: readonly string[],
): Promise<NotNullName[]> {
  const { rows } = await source.query<NotNullName>(sharedQuery, [schemas]);
  return rows;
}

/** Gives them their names where the server chose others. @throws CutoverError `LOAD_FAILED` */
export async function nameNotNull(target: pg.ClientBase, names: readonly NotNullName[]): Promise<void> {
  if (names.length === 0) return;
  try {
    const { rows } = await target.query<{ rename: string }>(renamesQuery, [JSON.stringify(names)]);
    await target.query(rows.map(({ rename }) => rename).join("; "));
  } catch (error) {
    throw loadFailed("Naming NOT NULL constraints", error);
  }
}

/** Inherited ones have the name of their table's. */
const sharedQuery = `
  SELECT n.nspname::text AS schema, c.relname::text AS table, a.attname::text AS column, k.conname::text AS name
    FROM pg_catalog.pg_constraint k
    JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND k.conkey = ARRAY[a.attnum]
   WHERE k.contype = 'n' AND k.coninhcount = 0 AND n.nspname = ANY($1::text[])
     AND EXISTS (SELECT FROM pg_catalog.pg_constraint other
                  WHERE other.conname = k.conname AND other.connamespace = k.connamespace
                    AND other.oid <> k.oid AND other.coninhcount = 0)`;

const renamesQuery = `
  SELECT pg_catalog.format('ALTER TABLE %I.%I RENAME CONSTRAINT %I TO %I', wanted.schema, wanted.table, k.conname, wanted.name) AS rename
    FROM pg_catalog.json_to_recordset($1) AS wanted(schema text, "table" text, "column" text, name text)
    JOIN pg_catalog.pg_namespace n ON n.nspname = wanted.schema
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.table
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = wanted.column
    JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid AND k.contype = 'n' AND k.conkey = ARRAY[a.attnum]
   WHERE k.coninhcount = 0 AND k.conname <> wanted.name
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint other
                      WHERE other.conrelid = c.oid AND other.conname = wanted.name)`;
