import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { CutoverError, sqlState } from "../../errors.ts";
import { quoteIdentifier, quoteQualified } from "../identifiers.ts";
import { inTransaction } from "../transaction.ts";
import { dropEventTriggers, type FencedTable, fenceTriggerName } from "./parts.ts";

export interface Patience {
  /** How long what others hold is tried again. Default 0: it is tried once. */
  readonly withinMs?: number;
}

/**
 * Takes an opened fence down, table by table. Whoever waits for a table's lock makes new readers of that table wait
 * too: no table is waited for that a long transaction such as a backup holds, only a few are in a round, each for a
 * moment, and the rounds get rarer.
 *
 * @returns the tables that still have the trigger, which lets everything pass
 */
export async function removeFence(
  client: pg.Client,
  { withinMs = 0 }: Patience = {},
): Promise<FencedTable[]> {
  // Sent as one message, they are one transaction.
  await client.query(`set local lock_timeout = ${eventTriggerTimeoutMs}; ${dropEventTriggers}`);
  let left: FencedTable[] = [];
  await patiently(withinMs, async (round) => {
    await removeFreeOnes(client, Math.min(firstWaitMs * 2 ** round, longestWaitMs));
    left = await fencedTables(client);
    return left.length === 0;
  });
  if (left.length > 0) return left.map(({ schema, name }) => ({ schema, name }));
  await client.query(`
    drop function if exists pgvector_cutover.refuse_write();
    drop function if exists pgvector_cutover.refuse_ddl();
  `);
  return [];
}

/** Nobody waits behind this one. */
const eventTriggerTimeoutMs = 5_000;

/**
 * Removes what a removed fence kept in the schema of ours on the source, and the schema if nobody else put anything in it.
 * What is left when somebody reads it, such as a backup, is harmless, and the next fence takes it over.
 *
 * @returns whether all of it is gone
 * @throws CutoverError `JOURNAL_LOST` when a witness stands: the source is fenced
 */
export async function dropSourceSchema(source: pg.Client, { withinMs = 0 }: Patience = {}): Promise<boolean> {
  return patiently(withinMs, () =>
    unlessBusy(() =>
      inTransaction(source, async () => {
        await source.query(`set local lock_timeout = ${firstWaitMs}`);
        await dropOwnObjects(source);
      }),
    ),
  );
}

async function removeFreeOnes(client: pg.Client, waitMs: number): Promise<void> {
  const candidates = (await fencedTables(client)).filter(({ isHeldLong }) => !isHeldLong);
  let busy = 0;
  for (const table of candidates) {
    if (!(await unlessBusy(() => dropTrigger(client, table, waitMs)))) busy += 1;
    if (busy === busyInARound) return;
  }
}

/** New readers of a table wait as long as we do: longer only where the application's own transactions last longer. */
const [firstWaitMs, longestWaitMs] = [150, 1_200];
const busyInARound = 3;
/** A transaction that has been open for so long is not about to end. */
const longHoldMs = 5_000;
const [firstPauseMs, longestPauseMs] = [500, 8_000];

async function patiently(withinMs: number, isDone: (round: number) => Promise<boolean>): Promise<boolean> {
  const giveUpAt = performance.now() + withinMs;
  for (let round = 0; ; round++) {
    if (await isDone(round)) return true;
    const pauseMs = Math.min(firstPauseMs * 2 ** round, longestPauseMs);
    if (performance.now() + pauseMs > giveUpAt) return false;
    await delay(pauseMs);
  }
}

/** @returns whether the locks for `work` were to be had */
async function unlessBusy(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (busyStates.has(sqlState(error) ?? "")) return false;
    throw error;
  }
}

/** lock_not_available, deadlock_detected. */
const busyStates: ReadonlySet<string> = new Set(["55P03", "40P01"]);

/** In one message, which is one transaction: a database has many tables, and may be far away. */
async function dropTrigger(client: pg.Client, { schema, name }: FencedTable, waitMs: number): Promise<void> {
  await client.query(
    `set local lock_timeout = ${waitMs};
     drop trigger if exists ${quoteIdentifier(fenceTriggerName)} on ${quoteQualified(schema, name)}`,
  );
}

async function dropOwnObjects(source: pg.Client): Promise<void> {
  const { rows } = await source.query(
    `select to_regnamespace('pgvector_cutover') is not null as schema, to_regclass('pgvector_cutover.witness') is not null as witness`,
  );
  if (!rows[0].schema) return;
  if (rows[0].witness) {
    await source.query("lock table pgvector_cutover.witness in access exclusive mode");
    const { rows: witnesses } = await source.query("select migration_id as id from pgvector_cutover.witness");
    if (witnesses.length > 0) throw fencedByAnother(witnesses[0].id);
  }
  await source.query(`
    drop table if exists pgvector_cutover.witness;
    drop sequence if exists pgvector_cutover.passed;
    drop function if exists pgvector_cutover.refuse_write();
    drop function if exists pgvector_cutover.refuse_ddl();
  `);
  await source.query("savepoint schema");
  try {
    await source.query("drop schema pgvector_cutover");
  } catch (error) {
    // Somebody else's object in it, which goes by nobody's hand but theirs.
    if (sqlState(error) !== "2BP01") throw error;
    await source.query("rollback to savepoint schema");
  }
}

/** The source carries another migration's fence, which is not ours to touch. */
export function fencedByAnother(migrationId: string): CutoverError {
  return new CutoverError({
    code: "JOURNAL_LOST",
    message: `The source is fenced by another migration (${migrationId}); it was not opened.`,
    remedy: "Let the other run finish; `npm run status` shows what it does.",
  });
}

/** Free tables first, then those whose holders began last. */
async function fencedTables(
  client: pg.Client,
): Promise<Array<FencedTable & { readonly isHeldLong: boolean }>> {
  const { rows } = await client.query(
    `select n.nspname as schema, c.relname as name,
            coalesce(held.since < clock_timestamp() - $2::float8 * interval '1 millisecond', false) as "isHeldLong"
       from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
       left join lateral (
         select min(a.xact_start) as since from pg_locks l join pg_stat_activity a using (pid)
          where l.relation = c.oid and l.granted and l.pid <> pg_backend_pid()
            and l.database = (select oid from pg_database where datname = current_database())) held on true
      where t.tgname = $1 and t.tgparentid = 0 order by held.since desc nulls first, 1, 2`,
    [fenceTriggerName, longHoldMs],
  );
  return rows;
}
