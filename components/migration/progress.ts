import type { HashingProgress } from "../postgres/content/hash-tables.ts";
import type { LoadProgress } from "../postgres/load/load.ts";
import type { Reporter } from "./reporter.ts";

/** Passes on at most one progress line every few seconds: the engine's log has no line that could refresh. */
export function throttled<Progress>(
  reporter: Reporter,
  describe: (progress: Progress) => string,
  now: () => number = () => performance.now(),
): (progress: Progress) => void {
  let last = now();
  return (progress) => {
    if (now() - last < intervalMs) return;
    last = now();
    reporter.detail(describe(progress));
  };
}

const intervalMs = 3_000;

/**
 * `rows: 12 of 38 tables done, 120,000 rows, 45.1 of 80.2 MB; 61.0 MB sent; at work: public.visits`. What was sent and what is
 * at work change while one large table is copied, and nothing else does.
 */
export function describeLoadProgress(progress: LoadProgress): string {
  const { phase, tablesDone, tablesTotal, rows, bytes, inFlight } = progress;
  const done = `${tablesDone} of ${tablesTotal} tables done, ${rows.toLocaleString("en")} rows, ${size(progress)}`;
  return `${phase}: ${done}; ${megabytes(bytes)} MB sent${atWork(inFlight)}`;
}

/** Both sides of the gate; one that is not there has not begun. */
export interface GateProgress {
  readonly source?: HashingProgress;
  readonly target?: HashingProgress;
}

/** `compared: source 38 of 38 tables, 80.2 of 80.2 MB; target 12 of 38 tables, 30.1 of 71.9 MB; at work: public.visits`. */
export function describeGateProgress({ source, target }: GateProgress): string {
  const sides = Object.entries({ source, target }).flatMap(([side, progress]) =>
    progress === undefined
      ? []
      : [`${side} ${progress.tablesDone} of ${progress.tablesTotal} tables, ${size(progress)}`],
  );
  const inFlight = new Set([source, target].flatMap((progress) => progress?.inFlight ?? []));
  return `compared: ${sides.join("; ")}${atWork([...inFlight])}`;
}

function size({ sizeBytes, sizeBytesTotal }: Pick<LoadProgress, "sizeBytes" | "sizeBytesTotal">): string {
  return `${megabytes(sizeBytes)} of ${megabytes(sizeBytesTotal)} MB`;
}

function atWork(names: readonly string[]): string {
  if (names.length === 0) return "";
  const rest = names.length > namedAtWork ? ` and ${names.length - namedAtWork} more` : "";
  return `; at work: ${names.slice(0, namedAtWork).join(", ")}${rest}`;
}

const namedAtWork = 3;

function megabytes(bytes: number): string {
  return (bytes / 1_000_000).toFixed(1);
}
