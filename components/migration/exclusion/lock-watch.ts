import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { CutoverError } from "../../errors.ts";
import { type ConnectionTarget, connect, cutConnection } from "../../postgres/connection.ts";

export interface LockWatchOptions {
  readonly server: ConnectionTarget;
  /** Where the holder's session is. */
  readonly database: string;
  /** The session that holds the lock. */
  readonly holder: pg.Client;
  readonly runKey: string;
  /** Aborted with a CutoverError when the lock is lost, or when nobody can tell any more. */
  readonly lost: AbortController;
  readonly intervalMs?: number;
  /** How long the server may say nothing. */
  readonly silenceLimitMs?: number;
}

/**
 * Asks one server every other second, on a session of its own, whether the run still holds its lock there, and keeps
 * the holder's session from looking idle. A holder at work on a long statement cannot be asked itself.
 */
export class LockWatch {
  readonly #options: LockWatchOptions;
  readonly #stopping = new AbortController();
  readonly #watching: Promise<void>;
  #session: pg.Client | undefined;
  #beating = false;

  constructor(options: LockWatchOptions) {
    this.#options = options;
    options.holder.once("end", () => this.#lose("its session ended"));
    this.#watching = this.#watch();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    if (this.#session !== undefined) cutConnection(this.#session);
    await this.#watching;
  }

  async #watch(): Promise<void> {
    try {
      await this.#beat();
    } finally {
      if (this.#session !== undefined) cutConnection(this.#session);
    }
  }

  async #beat(): Promise<void> {
    const { intervalMs = beatIntervalMs, silenceLimitMs = defaultSilenceLimitMs, runKey } = this.#options;
    let heardAt = performance.now();
    while (!this.#isOver()) {
      this.#keepHolderAwake();
      const held = await this.#ask(runKey, silenceLimitMs).catch(() => undefined);
      if (held === false) return this.#lose("the server does not know the lock any more");
      if (held === true) heardAt = performance.now();
      else if (performance.now() - heardAt >= silenceLimitMs) return this.#lose("the server does not answer");
      await delay(intervalMs, undefined, { signal: this.#stopping.signal }).catch(() => {});
    }
  }

  #isOver(): boolean {
    return this.#stopping.signal.aborted || this.#options.lost.signal.aborted;
  }

  /** A session that was lost or fell silent is replaced: it proves nothing about the holder's. */
  async #ask(runKey: string, limitMs: number): Promise<boolean> {
    const { server, database } = this.#options;
    this.#session ??= await connect(server, {
      purpose: "watch",
      readOnly: true,
      database,
      connectTimeoutMs: limitMs,
    });
    const session = this.#session;
    const silence = setTimeout(() => cutConnection(session), limitMs);
    try {
      return await holdsLock(session, runKey);
    } catch (error) {
      cutConnection(session);
      this.#session = undefined;
      throw error;
    } finally {
      clearTimeout(silence);
    }
  }

  /** At most one at a time: behind a long statement they would queue up. */
  #keepHolderAwake(): void {
    if (this.#beating) return;
    this.#beating = true;
    this.#options.holder
      .query("select 1")
      .catch(() => {})
      .finally(() => {
        this.#beating = false;
      });
  }

  #lose(why: string): void {
    if (this.#isOver()) return;
    this.#options.lost.abort(
      new CutoverError({
        code: "EXCLUSION_LOST",
        message: `This run lost its lock on the ${this.#options.server.label} server: ${why}.`,
        remedy:
          "Run again: the journal knows how far things are. If it recurs, look for what ends sessions there (restarts, time limits of a proxy).",
      }),
    );
  }
}

/** Whether anybody on the server holds the advisory lock of that key. Reads only. */
export async function holdsLock(client: pg.Client, key: string): Promise<boolean> {
  const { rows } = await client.query(
    `select exists (select from pg_locks where locktype = 'advisory' and granted
                       and ((classid::bigint << 32) | objid::bigint) = $1::bigint) as held`,
    [key],
  );
  return rows[0].held;
}

const beatIntervalMs = 2_000;
const defaultSilenceLimitMs = 12_000;
