import { CutoverError } from "../errors.ts";

/**
 * Ctrl-C, told from each other: the first asks the run to finish, the second leaves it alone. Before it runs, each ends it, and so does
 * a terminal that is gone; afterwards the run is still watched to its end, so that what was made for it is removed.
 */
export interface Interruptions {
  readonly first: AbortSignal;
  readonly second: AbortSignal;
  readonly gone: AbortSignal;
}

/** npm passes on the SIGINT that the terminal has sent to the script as well: one Ctrl-C arrives twice. */
const sameKeyMs = 1_000;

export interface Interrupter extends Interruptions {
  /** A Ctrl-C arrived. */
  interrupt(): void;
  /** Whoever started the script wants it gone: nothing is started any more, and what runs inside goes on. */
  leave(): void;
  /** The terminal or ssh connection is gone. */
  hangUp(): void;
}

/** @param now of a clock that does not jump, in milliseconds */
export function createInterrupter(now: () => number): Interrupter {
  const first = new AbortController();
  const second = new AbortController();
  const gone = new AbortController();
  let firstAt = Number.NaN;
  return {
    first: first.signal,
    second: second.signal,
    gone: gone.signal,
    interrupt() {
      if (!first.signal.aborted) {
        firstAt = now();
        first.abort(interrupted());
      } else if (now() - firstAt >= sameKeyMs) {
        second.abort(interrupted());
      }
    },
    leave() {
      second.abort(interrupted());
    },
    hangUp() {
      gone.abort(interrupted());
    },
  };
}

function interrupted(): CutoverError {
  return new CutoverError({
    code: "REMOTE_INTERRUPTED",
    message: "Interrupted before the command inside was started. Nothing was begun on the databases.",
    remedy: "Run the same command again.",
  });
}
