import { formatDuration } from "./plan/format.ts";

/** Where a run tells what it does. Texts carry no secret and no row content. */
export interface Reporter {
  /**
   * A step of the protocol begins.
   *
   * @param writesPausedMs how long nobody could write by then, while nobody can
   */
  step(text: string, writesPausedMs?: number): void;
  /** Something worth a line of its own within a step. */
  detail(text: string): void;
}

/** Says with each step how long writes have been paused. */
export function whilePaused(reporter: Reporter, pausedAt: Date, now: () => number = Date.now): Reporter {
  return {
    step: (text) => reporter.step(text, Math.max(0, now() - pausedAt.getTime())),
    detail: (text) => reporter.detail(text),
  };
}

/** `Gate (writes paused for 1 min 12 s)`. */
export function describeStep(text: string, writesPausedMs: number | undefined): string {
  return writesPausedMs === undefined
    ? text
    : `${text} (writes paused for ${formatDuration(writesPausedMs)})`;
}
