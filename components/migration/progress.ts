import type { LoadProgress } from "../postgres/load/load.ts";
import type { Reporter } from "./reporter.ts";

/** Passes on at most one progress line every few seconds: the engine's log has no line that could refresh. */
export function throttled<Progress>(
  reporter: Reporter,
  describe: (progress: Progress) => string,
  intervalMs = 3_000,
): (progress: Progress) => void {
  let last = Date.now();
  return (progress) => {
    const now = Date.now();
    if (now - last < intervalMs) return;
    last = now;
    reporter.detail(describe(progress));
  };
}

/**
 * `rows: 12 of 38 tables done, 120,000 rows, 45.1 of 80.2 MB; 61.0 MB sent; at work: public.visits`. What was sent and what is
 * at work change while one large table is copied, and nothing else does.
 */
export function describeLoadProgress(progress: LoadProgress): string {
  const { phase, tablesDone, tablesTotal, rows, sizeBytes, sizeBytesTotal, bytes, inFlight } = progress;
  const done = `${tablesDone} of ${tablesTotal} tables done, ${rows.toLocaleString("en")} rows, ${megabytes(sizeBytes)} of ${megabytes(sizeBytesTotal)} MB`;
  const rest = inFlight.length > namedAtWork ? ` and ${inFlight.length - namedAtWork} more` : "";
  const atWork =
    inFlight.length === 0 ? "" : `; at work: ${inFlight.slice(0, namedAtWork).join(", ")}${rest}`;
  return `${phase}: ${done}; ${megabytes(bytes)} MB sent${atWork}`;
}

const namedAtWork = 3;

function megabytes(bytes: number): string {
  return (bytes / 1_000_000).toFixed(1);
}
