import { randomUUID } from "node:crypto";
import { sqlState } from "../../../components/errors.ts";
import { monotonicMs } from "./clock.ts";
import type { DatabasePool } from "./database-pool.ts";
import type { Ledger } from "./ledger.ts";
import { createReadBack } from "./read-back.ts";
import { rest, retry } from "./retry.ts";
import { openTransaction, statements, type Write, type WriteKind } from "./write-kinds.ts";

export interface WriterOptions {
  /** Used by this writer alone. */
  readonly name: string;
  readonly kind: WriteKind;
  readonly pool: DatabasePool;
  readonly ledger: Ledger;
  /** From the start of one write to the start of the next; a slow database makes it longer. */
  readonly intervalMs: number;
  /** How long a `long` transaction stays open. */
  readonly holdMs: number;
  /** Ends the writer between two attempts. */
  readonly signal: AbortSignal;
}

/**
 * Writes until the signal, each write in a transaction of its own, with sequence numbers that go on where the database says
 * this writer left off. A failed write is tried again, same sequence and id, until it is acknowledged: an app that must not
 * lose an order. Now and then it looks whether the database still has what was acknowledged.
 */
export async function runWriter(options: WriterOptions): Promise<void> {
  const { name, pool, ledger, intervalMs, signal } = options;
  const readBack = createReadBack(name, pool, ledger);
  let sequence = await readProgress(name, pool, signal);
  while (!signal.aborted) {
    sequence += 1;
    const write = { writer: name, sequence, id: randomUUID() };
    const dueAtMs = monotonicMs() + intervalMs;
    await retry(async () => {
      const isDone = await attempt(write, options);
      if (isDone) readBack.acknowledged(write);
      await readBack.afterAttempt();
      return isDone;
    }, signal);
    await rest(dueAtMs - monotonicMs(), signal);
  }
}

/** Whether the write is known to be committed. */
async function attempt(write: Write, { kind, pool, ledger, holdMs }: WriterOptions): Promise<boolean> {
  const startedAtMs = monotonicMs();
  const seen: { database: string; commitSentAtMs?: number } = { database: pool.address };
  const common = () => ({
    ...write,
    kind,
    database: seen.database,
    startedAtMs,
    endedAtMs: monotonicMs(),
  });
  try {
    await pool.withSession(async (session, database) => {
      seen.database = database;
      await openTransaction(session, kind, write, holdMs);
      const commitSentAtMs = monotonicMs();
      seen.commitSentAtMs = commitSentAtMs;
      const { command } = await session.query("COMMIT");
      if (command === "COMMIT") return ledger.append({ event: "acknowledged", ...common(), commitSentAtMs });
      // A COMMIT of a failed transaction returns without an error, as ROLLBACK.
      delete seen.commitSentAtMs;
      throw new Error("the transaction was rolled back");
    });
    return true;
  } catch (error) {
    if (sqlState(error) === duplicateKey && (await isStored(write, pool))) {
      ledger.append({ event: "confirmed", ...common() });
      return true;
    }
    const { commitSentAtMs } = seen;
    const state = { sqlState: sqlState(error) ?? null };
    ledger.append(
      commitSentAtMs === undefined
        ? { event: "refused", ...common(), ...state }
        : { event: "unknown", ...common(), ...state, commitSentAtMs },
    );
    return false;
  }
}

const duplicateKey = "23505";

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
  let progress = 0;
  await retry(async () => {
    try {
      const { rows } = await pool.withSession((session) =>
        session.query<{ sequence: string }>(statements.readProgress, [name]),
      );
      progress = Number(rows[0]?.sequence ?? 0);
      return true;
    } catch {
      return false;
    }
  }, signal);
  return progress;
}
