import type pg from "pg";
import { CutoverError } from "../../errors.ts";
import { limitReached } from "./pause-limit.ts";

/** The server ends the session that holds the locks when it hears nothing from us for so long. */
export const deadManTimeoutMs = 12_000;

/** The longest gap we leave between two signs of life while everything is well. */
const beatIntervalMs = 2_000;

export interface HeartbeatOptions {
  /** The session that holds the table locks, idle in its transaction. */
  readonly session: pg.Client;
  /** When the write pause must be over at the latest (epoch milliseconds). */
  readonly deadline: number;
  readonly pauseLimitMs: number;
  /** An answer that takes longer means that the locks are gone or soon will be. */
  readonly silenceLimitMs?: number;
  /** Whether the engine that started this run is still there: an orphan must let go. */
  isEngineAlive(): Promise<boolean>;
  /** Called with every beat; used to watch for requests that would stop readers too. */
  onBeat(): Promise<void>;
}

/**
 * The client's half of the dead man's switch (fencing.md): keeps the lock session alive as long as this process works,
 * its engine lives and the pause is within its limit. When any of that ends, the beats stop, the server ends the
 * session by itself, and the locks are gone, whatever state this process is in.
 */
export class Heartbeat {
  readonly #controller = new AbortController();
  readonly #options: HeartbeatOptions;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#schedule();
  }

  /** Aborted, with a CutoverError as its reason, as soon as the locks are lost or about to be. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Beats once now; throws the reason when the locks are not held any more. */
  async assertAlive(): Promise<void> {
    this.signal.throwIfAborted();
    const loss = await this.#beat();
    if (loss !== undefined) throw loss;
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    this.#timer = setTimeout(async () => {
      await this.#beat();
      if (!this.signal.aborted && !this.#isStopped) this.#schedule();
    }, beatIntervalMs);
  }

  /** @returns why the locks are not held any more */
  async #beat(): Promise<CutoverError | undefined> {
    if (this.signal.aborted) return this.signal.reason;
    const { session, deadline, pauseLimitMs, isEngineAlive, onBeat } = this.#options;
    if (Date.now() >= deadline) {
      return this.#giveUp(limitReached(pauseLimitMs));
    }
    if (!(await isEngineAlive())) {
      return this.#giveUp(
        new CutoverError({
          code: "ENGINE_GONE",
          message: "The Pulumi engine that started this run is gone.",
          remedy: "Run `pulumi up` again; nothing was switched.",
        }),
      );
    }
    try {
      await answered(session.query("select 1"), this.#options.silenceLimitMs ?? deadManTimeoutMs);
    } catch (error) {
      return this.#giveUp(
        new CutoverError({
          code: "LOCKS_LOST",
          message:
            "The session that held the source's table locks was lost; the copy may be behind its source.",
          remedy:
            "Run again. If it recurs, look for what ends sessions on the source (restarts, idle timeouts of a proxy).",
          cause: error,
        }),
      );
    }
    // Not waited for: its own session may hang while the locks are well.
    void onBeat().catch(() => {});
    return undefined;
  }

  /** A beat that was under way when it was stopped ends nothing any more: the locks were let go of on purpose. */
  #giveUp(reason: CutoverError): CutoverError {
    if (!this.#isStopped) {
      this.stop();
      this.#controller.abort(reason);
    }
    return reason;
  }
}

/** A connection that fell silent gives neither an answer nor an error. */
async function answered(query: Promise<unknown>, limitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("no answer")), limitMs);
  });
  try {
    await Promise.race([query, silence]);
  } finally {
    clearTimeout(timer);
    query.catch(() => {});
  }
}
