import { type CrashRow, crashRows } from "../crash-table.ts";
import { Arena } from "./arena.ts";
import { type FaultKind, faultKinds } from "./faults.ts";
import { type LifeReport, playLife } from "./life.ts";
import { livesInRound, planLife } from "./plan.ts";

export interface SoakOptions {
  readonly seed: number;
  /** The first life's number; a failure names the one to begin with. */
  readonly from: number;
  /** Ends when any of these is reached; at least one is given. */
  readonly faults?: number | undefined;
  readonly lives?: number | undefined;
  readonly durationMs?: number | undefined;
  /** Lives that are played side by side, each on servers of its own. */
  readonly lanes: number;
  /** Goes on after a broken promise. */
  readonly keepGoing: boolean;
  readonly onLife: (report: LifeReport, soFar: SoakFigures) => void;
  readonly log: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** What a soak came to. */
export interface SoakFigures {
  readonly lives: number;
  readonly faults: number;
  /** Of them between the fence and the promotion. */
  readonly whilePaused: number;
  readonly byRow: ReadonlyMap<CrashRow, number>;
  readonly byKind: ReadonlyMap<FaultKind, number>;
  readonly acknowledged: number;
  /** Of the lives that ended with a finished cutover, how long writers were kept out, in milliseconds. */
  readonly pausesMs: readonly number[];
  readonly ends: ReadonlyMap<string, number>;
  readonly failures: readonly LifeReport[];
}

/** Plays random lives until it is told to end. Everything in them follows from the seed. */
export async function soak(options: SoakOptions): Promise<SoakFigures> {
  const tally = new Tally();
  const startedAt = Date.now();
  let next = options.from;
  const isOver = () =>
    options.signal?.aborted === true ||
    tally.faults >= (options.faults ?? Number.POSITIVE_INFINITY) ||
    next - options.from >= (options.lives ?? Number.POSITIVE_INFINITY) ||
    Date.now() - startedAt >= (options.durationMs ?? Number.POSITIVE_INFINITY) ||
    (tally.failures.length > 0 && !options.keepGoing);
  const lane = async () => {
    const arena = await Arena.start(options.log);
    try {
      while (!isOver()) {
        const report = await playLife(arena, planLife(options.seed, next++));
        tally.add(report);
        options.onLife(report, tally);
      }
    } finally {
      await arena.dispose();
    }
  };
  await Promise.all(Array.from({ length: options.lanes }, lane));
  return tally;
}

/** How often each row and each kind must at least have come, and what has not. */
export function uncovered(figures: SoakFigures, least: number): string[] {
  const rows = crashRows.filter((row) => (figures.byRow.get(row) ?? 0) < least);
  const kinds = faultKinds.filter((kind) => (figures.byKind.get(kind) ?? 0) < least);
  return [...rows.map((row) => `row ${row}`), ...kinds];
}

export { livesInRound };

class Tally implements SoakFigures {
  lives = 0;
  faults = 0;
  whilePaused = 0;
  acknowledged = 0;
  readonly byRow = new Map<CrashRow, number>();
  readonly byKind = new Map<FaultKind, number>();
  readonly pausesMs: number[] = [];
  readonly ends = new Map<string, number>();
  readonly failures: LifeReport[] = [];

  add(report: LifeReport): void {
    this.lives += 1;
    this.faults += report.hits.length;
    for (const { fault, isPaused } of report.hits) {
      if (isPaused) this.whilePaused += 1;
      count(this.byRow, fault.row);
      count(this.byKind, fault.kind);
    }
    for (const end of report.ends) count(this.ends, end);
    if (report.outcome !== undefined) {
      this.acknowledged += report.outcome.verdict.acknowledged;
      const { switchPauseMs } = report.outcome.verdict;
      if (switchPauseMs !== null) this.pausesMs.push(switchPauseMs);
    }
    if (report.violations.length > 0) this.failures.push(report);
  }
}

function count<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
