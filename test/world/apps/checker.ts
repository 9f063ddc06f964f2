import { type HistoryInput, sortOut } from "./history.ts";
import { type Measures, measure } from "./measures.ts";
import { findViolations, type Violation } from "./rules.ts";

export interface Verdict extends Measures {
  /** Broken rules; empty when the history is in order. */
  readonly violations: readonly Violation[];
}

/**
 * Judges a history of writes around a cutover, aborted attempts included: every acknowledged write is in the active
 * database, unaltered and exactly once; only the old database accepted writes before the promotion and only the new one
 * after it; what was acknowledged could be read as long as its database was the active one; no number was given twice.
 */
export function judgeHistory(input: HistoryInput): Verdict {
  const history = sortOut(input);
  return { violations: findViolations(history), ...measure(history) };
}
