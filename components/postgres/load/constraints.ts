import type pg from "pg";
import { sqlState } from "../../errors.ts";
import { splitStatements } from "../dump/sql-tokens.ts";
import type { DumpEntry } from "../dump.ts";
import { quoteIdentifier, quoteQualified } from "../identifiers.ts";
import { applyEntries, byEntryTag, entryLabel } from "./entries.ts";
import { loadFailed } from "./errors.ts";

/** A constraint by name. */
export interface ConstraintName {
  readonly schema: string;
  readonly table: string;
  readonly name: string;
}

/**
 * Builds one index or key. Each statement commits on its own: an index with `CLUSTER ON` or `REPLICA IDENTITY` would
 * otherwise raise its lock on the table in mid-transaction, a deadlock with a neighbour that does the same.
 *
 * @throws CutoverError `LOAD_FAILED`
 */
export async function buildIndex(client: pg.Client, entry: DumpEntry): Promise<void> {
  for (const statement of splitStatements(entry.sql)) await buildStep(client, entry, statement);
}

/** Runs one statement that has to do with an index or key. @throws CutoverError `LOAD_FAILED` */
export async function buildStep(client: pg.Client, entry: DumpEntry, statement: string): Promise<void> {
  try {
    await withoutDeadlock(client, statement);
  } catch (error) {
    throw loadFailed(`Building ${entryLabel(entry)}`, error);
  }
}

/**
 * Makes the foreign keys. Those named in `deferred` are made without a look at the rows, which takes their strong locks
 * only for a moment; `validate` follows.
 *
 * @returns the deferred ones among the entries
 * @throws CutoverError `LOAD_FAILED`
 */
export async function addForeignKeys(
  client: pg.Client,
  entries: readonly DumpEntry[],
  deferred: readonly ConstraintName[],
): Promise<ConstraintName[]> {
  const byTag = byEntryTag(deferred, ({ schema, table, name }) => `${schema} ${table} ${name}`);
  const found: ConstraintName[] = [];
  const statements = entries.map((entry) => {
    const constraint = byTag.get(`${entry.schema} ${entry.name}`);
    if (constraint === undefined) return entry;
    found.push(constraint);
    return {
      ...entry,
      sql: splitStatements(entry.sql)
        .map((part) => `${part} NOT VALID;`)
        .join("\n"),
    };
  });
  await applyEntries(client, statements);
  return found;
}

/** Checks all rows against a foreign key. @throws CutoverError `LOAD_FAILED` */
export async function validate(client: pg.Client, { schema, table, name }: ConstraintName): Promise<void> {
  try {
    const constraint = quoteIdentifier(name);
    await withoutDeadlock(
      client,
      `ALTER TABLE ${quoteQualified(schema, table)} VALIDATE CONSTRAINT ${constraint}`,
    );
  } catch (error) {
    throw loadFailed(`Checking FK CONSTRAINT ${name} of ${schema}.${table}`, error);
  }
}

/**
 * The foreign keys on the source, largest table first, that can be made unvalidated and validated later: not those
 * that were never valid there, and none with a partitioned table on either side. Such a table cannot have an
 * unvalidated one itself (before PostgreSQL 18), and as the other side it is left with unvalidated keys to its
 * partitions.
 *
 * @param fromBytes only those with so many bytes of rows on both sides together: others are checked faster than they are
 *   asked for
 */
export async function listDeferrableKeys(
  source: pg.ClientBase,
  schemas: readonly string[],
  fromBytes: number,
): Promise<ConstraintName[]> {
  const { rows } = await source.query<ConstraintName>(deferrableQuery, [schemas, fromBytes]);
  return rows;
}

async function withoutDeadlock(client: pg.Client, statement: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await client.query(statement);
      return;
    } catch (error) {
      if (sqlState(error) !== "40P01" || attempt === deadlockAttempts) throw error;
    }
  }
}

/** Autovacuum or a sibling may be the other party; the server has rolled ours back and waited a second by then. */
const deadlockAttempts = 3;

const deferrableQuery = `
  SELECT n.nspname::text AS schema, c.relname::text AS table, k.conname::text AS name
    FROM pg_catalog.pg_constraint k
    JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
    JOIN pg_catalog.pg_class other ON other.oid = k.confrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE k.contype = 'f' AND k.convalidated AND c.relkind = 'r' AND other.relkind = 'r' AND k.conparentid = 0
     AND n.nspname = ANY($1::text[])
     AND pg_catalog.pg_table_size(c.oid) + pg_catalog.pg_table_size(other.oid) >= $2::float8
   ORDER BY pg_catalog.pg_relation_size(c.oid) DESC, 1, 2, 3`;
