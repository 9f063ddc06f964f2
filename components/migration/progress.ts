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

/** `rows: 12 of 38 tables, 120,000 rows, 45.1 of 80.2 MB`. */
export function describeLoadProgress(progress: LoadProgress): string {
  const { phase, tablesDone, tablesTotal, rows, sizeBytes, sizeBytesTotal } = progress;
  return `${phase}: ${tablesDone} of ${tablesTotal} tables, ${rows.toLocaleString("en")} rows, ${megabytes(sizeBytes)} of ${megabytes(sizeBytesTotal)} MB`;
}

function megabytes(bytes: number): string {
  return (bytes / 1_000_000).toFixed(1);
}
