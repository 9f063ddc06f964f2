import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import type pg from "pg";
import { sqlState } from "../../../components/errors.ts";
import type { DatabasePool } from "./database-pool.ts";
import type { Ledger } from "./ledger.ts";

const retryDelayMs = 60;
const duplicateKey = "23505";

export interface WriterOptions {
  /** Used by this writer alone. */
  readonly name: string;
  readonly pool: DatabasePool;
  readonly ledger: Ledger;
  /** From the start of one write to the start of the next; a slow database makes it longer. */
  readonly intervalMs: number;
  /** Ends the writer between two attempts. */
  readonly signal: AbortSignal;
}

/**
 * Writes until the signal, each write in a transaction of its own, with sequence numbers that go on where the database says
 * this writer left off. A failed write is tried again, same sequence and id, until it is acknowledged: an app that must not
 * lose an order.
 */
export async function runWriter({ name, pool, ledger, intervalMs, signal }: WriterOptions): Promise<void> {
  let sequence = await readProgress(name, pool, signal);
  while (!signal.aborted) {
    sequence += 1;
    const write = { writer: name, sequence, id: randomUUID() };
    const dueAt = Date.now() + intervalMs;
    while (!signal.aborted && !(await attempt(write, pool, ledger))) await rest(retryDelayMs, signal);
    await rest(dueAt - Date.now(), signal);
  }
}

interface Write {
  readonly writer: string;
  readonly sequence: number;
  readonly id: string;
}

async function attempt(write: Write, pool: DatabasePool, ledger: Ledger): Promise<boolean> {
  const start = { ...write, startedAtMs: Date.now(), database: pool.address };
  try {
    await pool.withSession((session) => commit(session, write));
  } catch (error) {
    const isRetryOfCommitted = sqlState(error) === duplicateKey && (await isStored(write, pool));
    if (!isRetryOfCommitted) {
      const rejection = { rejectedAtMs: Date.now(), sqlState: sqlState(error) ?? null };
      ledger.append({ ...start, outcome: "rejected", ...rejection });
      return false;
    }
  }
  ledger.append({ ...start, outcome: "acknowledged", acknowledgedAtMs: Date.now() });
  return true;
}

async function commit(session: pg.PoolClient, { writer, sequence, id }: Write): Promise<void> {
  await session.query("BEGIN");
  await session.query(`INSERT INTO public."AppWrite" (id, writer, sequence) VALUES ($1, $2, $3)`, [
    id,
    writer,
    sequence,
  ]);
  await session.query(
    `INSERT INTO public."WriterProgress" (writer, sequence) VALUES ($1, $2)
     ON CONFLICT (writer) DO UPDATE SET sequence = excluded.sequence`,
    [writer, sequence],
  );
  const { command } = await session.query("COMMIT");
  // A COMMIT of a failed transaction returns without an error, as ROLLBACK.
  if (command !== "COMMIT") throw new Error("the transaction was rolled back");
}

async function isStored({ writer, sequence, id }: Write, pool: DatabasePool): Promise<boolean> {
  try {
    const { rowCount } = await pool.withSession((session) =>
      session.query(`SELECT FROM public."AppWrite" WHERE id = $1 AND writer = $2 AND sequence = $3`, [
        id,
        writer,
        sequence,
      ]),
    );
    return rowCount === 1;
  } catch {
    return false;
  }
}

async function readProgress(name: string, pool: DatabasePool, signal: AbortSignal): Promise<number> {
  while (!signal.aborted) {
    try {
      const { rows } = await pool.withSession((session) =>
        session.query<{ sequence: string }>(
          `SELECT sequence FROM public."WriterProgress" WHERE writer = $1`,
          [name],
        ),
      );
      return Number(rows[0]?.sequence ?? 0);
    } catch {
      await rest(retryDelayMs, signal);
    }
  }
  return 0;
}

async function rest(ms: number, signal: AbortSignal): Promise<void> {
  if (ms > 0) await wait(ms, undefined, { signal }).catch(() => {});
}
