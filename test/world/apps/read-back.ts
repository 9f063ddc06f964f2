import { sqlState } from "../../../components/errors.ts";
import { monotonicMs } from "./clock.ts";
import type { DatabasePool } from "./database-pool.ts";
import type { Ledger } from "./ledger.ts";
import type { Write } from "./write-kinds.ts";

/** A writer's memory of what was acknowledged to it, and its look whether the database still has that. */
export interface ReadBack {
  acknowledged(write: Write): void;
  /** To be called after every attempt: looks now and then, so also while writes are refused. */
  afterAttempt(): Promise<void>;
}

export function createReadBack(name: string, pool: DatabasePool, ledger: Ledger): ReadBack {
  const older: Write[] = [];
  let latest: Write | undefined;
  let attempts = 0;
  return {
    acknowledged(write) {
      if (latest !== undefined) {
        // Once it is full, a random one makes room, so that some of every age remain.
        if (older.length < rememberedWrites) older.push(latest);
        else older[Math.floor(Math.random() * older.length)] = latest;
      }
      latest = write;
    },
    async afterAttempt() {
      attempts += 1;
      if (latest === undefined || attempts % attemptsFromReadToRead !== 0) return;
      const one = older[Math.floor(Math.random() * older.length)];
      await look(name, pool, ledger, one === undefined ? [latest] : [one, latest]);
    },
  };
}

const rememberedWrites = 1_000;
const attemptsFromReadToRead = 8;

async function look(
  name: string,
  pool: DatabasePool,
  ledger: Ledger,
  writes: readonly Write[],
): Promise<void> {
  const startedAtMs = monotonicMs();
  let database = pool.address;
  const common = () => ({ writer: name, database, startedAtMs, endedAtMs: monotonicMs() });
  try {
    const stored = await pool.withSession(async (session, address) => {
      database = address;
      const { rows } = await session.query<{ id: string; sequence: string }>(
        `SELECT id, sequence FROM public."AppWrite" WHERE id = ANY ($1::text[]) AND writer = $2`,
        [writes.map(({ id }) => id), name],
      );
      return new Map(rows.map(({ id, sequence }) => [id, Number(sequence)]));
    });
    const missing = writes.filter(({ id, sequence }) => stored.get(id) !== sequence).map(({ id }) => id);
    ledger.append({ event: "read", ...common(), found: writes.length - missing.length, missing });
  } catch (error) {
    ledger.append({ event: "unread", ...common(), sqlState: sqlState(error) ?? null });
  }
}
