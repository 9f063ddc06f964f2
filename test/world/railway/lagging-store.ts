import type { RailwayState } from "./state.ts";

const historyMs = 60_000;

/** The live state, and older copies of it for readers: what was written is read some time later, never out of order. */
export class LaggingStore {
  readonly live: RailwayState;
  readonly #drawLagMs: () => number;
  #history: Array<{ visibleAt: number; state: RailwayState }>;

  constructor(initial: RailwayState, drawLagMs: () => number) {
    this.live = initial;
    this.#drawLagMs = drawLagMs;
    this.#history = [{ visibleAt: Number.NEGATIVE_INFINITY, state: structuredClone(initial) }];
  }

  /** Applies a change to the live state and publishes it to readers after the lag. */
  commit<Result>(change: (live: RailwayState) => Result): Result {
    const result = change(this.live);
    const now = Date.now();
    const last = this.#history.at(-1)?.visibleAt ?? now;
    this.#history.push({
      visibleAt: Math.max(last, now + this.#drawLagMs()),
      state: structuredClone(this.live),
    });
    const firstKept = this.#history.findLastIndex((entry) => entry.visibleAt < now - historyMs);
    if (firstKept > 0) this.#history = this.#history.slice(firstKept);
    return result;
  }

  /** What a reader sees now, or would have seen `extraLagMs` ago. */
  view(extraLagMs = 0): RailwayState {
    const visible = this.#history.findLast((entry) => entry.visibleAt <= Date.now() - extraLagMs);
    return (visible ?? this.#history[0])?.state ?? this.live;
  }
}
