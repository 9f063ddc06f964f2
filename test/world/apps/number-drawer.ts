import { monotonicMs } from "./clock.ts";
import type { DatabasePool } from "./database-pool.ts";
import type { Ledger } from "./ledger.ts";
import { rest, retry } from "./retry.ts";

/** A sequence of the application; each session takes five of its values at once. */
const sequence = "practice_management.claim_number";

export interface NumberDrawerOptions {
  readonly name: string;
  readonly pool: DatabasePool;
  readonly ledger: Ledger;
  readonly intervalMs: number;
  readonly signal: AbortSignal;
}

/**
 * Draws one number after the other from a sequence and writes nothing: an app that prints it on a form, or sends it to
 * another system. Neither locks nor triggers know of that.
 */
export async function runNumberDrawer({
  name,
  pool,
  ledger,
  intervalMs,
  signal,
}: NumberDrawerOptions): Promise<void> {
  const draw = async (): Promise<boolean> => {
    const startedAtMs = monotonicMs();
    try {
      await pool.withSession(async (session, database) => {
        const { rows } = await session.query<{ value: string }>("SELECT nextval($1) AS value", [sequence]);
        const value = Number(rows[0]?.value);
        ledger.append({
          event: "drawn",
          writer: name,
          database,
          startedAtMs,
          endedAtMs: monotonicMs(),
          value,
        });
      });
      return true;
    } catch {
      return false;
    }
  };
  while (!signal.aborted) {
    const dueAtMs = monotonicMs() + intervalMs;
    await retry(draw, signal);
    await rest(dueAtMs - monotonicMs(), signal);
  }
}
