import type { History } from "./history.ts";

export interface Measures {
  /** Writes that their writers know to be committed. */
  readonly acknowledged: number;
  /** Attempts that failed; most of them were tried again. */
  readonly rejected: number;
  /** Of these: attempts whose COMMIT had been sent. */
  readonly unknown: number;
  /** Acknowledged writes that were looked for later and found. */
  readonly readBack: number;
  /** Numbers drawn from the sequence without a write. */
  readonly drawn: number;
  /**
   * What the switch was for the writers: from the start of the first attempt that it kept waiting or refused to the first
   * acknowledgement of the new database. `null` when that acknowledged nothing.
   */
  readonly switchPauseMs: number | null;
  /** The longest such time of the history, the end of which need not be a switch. */
  readonly longestPauseMs: number;
  /**
   * Attempts under way on the old database when its fence fell in the pause of the switch, or without one in the longest
   * pause: at the first refusal. `null` when nothing was refused for being read-only.
   */
  readonly inFlightAtFence: number | null;
  /** Acknowledged writes a second, without the times of half a second and more in which none was. */
  readonly writesPerSecond: number;
}

export function measure(history: History): Measures {
  const { entries, attempts, done } = history;
  const { longest, toNew, busyMs } = findGaps(history);
  let readBack = 0;
  let drawn = 0;
  for (const entry of entries) {
    if (entry.event === "read") readBack += entry.found;
    if (entry.event === "drawn") drawn += 1;
  }
  return {
    acknowledged: done.length,
    rejected: attempts.length - done.length,
    unknown: attempts.filter(({ event }) => event === "unknown").length,
    readBack,
    drawn,
    switchPauseMs: toNew === null ? null : pauseOf(toNew),
    longestPauseMs: longest === null ? 0 : pauseOf(longest),
    inFlightAtFence: countInFlight(history, toNew ?? longest),
    writesPerSecond: busyMs === 0 ? 0 : (history.accepted.length * 1_000) / busyMs,
  };
}

/** From one acknowledgement to the next. */
interface Gap {
  readonly fromMs: number;
  readonly toMs: number;
  /** When the first attempt began that was not over at `fromMs`. */
  readonly blockedAtMs: number;
}

interface Gaps {
  /** The one in which a writer was held up for longest: where nobody tried, nothing was held up. */
  longest: Gap | null;
  /** The one that ends with the first acknowledgement of the new database. */
  toNew: Gap | null;
  /** All that are shorter than {@link idleMs}, together. */
  busyMs: number;
}

const idleMs = 500;

function findGaps({ attempts, accepted, newDatabase }: History): Gaps {
  const gaps: Gaps = { longest: null, toNew: null, busyMs: 0 };
  let blockedAtMs = Infinity;
  let next = attempts.length - 1;
  // From the end, since what decides on a gap is what ended after its beginning.
  for (let index = accepted.length - 1; index > 0; index--) {
    const fromMs = accepted[index - 1]?.endedAtMs ?? 0;
    const { endedAtMs: toMs = 0, database } = accepted[index] ?? {};
    for (; (attempts[next]?.endedAtMs ?? -Infinity) > fromMs; next--) {
      const { kind, startedAtMs = Infinity } = attempts[next] ?? {};
      // A long transaction's start does not tell when it was stopped.
      if (kind !== "long") blockedAtMs = Math.min(blockedAtMs, startedAtMs);
    }
    const gap = { fromMs, toMs, blockedAtMs: blockedAtMs < toMs ? blockedAtMs : fromMs };
    if (toMs - fromMs < idleMs) gaps.busyMs += toMs - fromMs;
    if (gaps.longest === null || heldUpMs(gap) > heldUpMs(gaps.longest)) gaps.longest = gap;
    if (database === newDatabase) gaps.toNew = gap;
  }
  return gaps;
}

function heldUpMs({ fromMs, toMs, blockedAtMs }: Gap): number {
  return toMs - Math.max(fromMs, blockedAtMs);
}

function pauseOf({ toMs, blockedAtMs }: Gap): number {
  return Math.round(toMs - blockedAtMs);
}

function countInFlight({ attempts, oldDatabase }: History, gap: Gap | null): number | null {
  if (gap === null) return null;
  const within = attempts.filter(
    ({ database, startedAtMs, endedAtMs }) =>
      database === oldDatabase && startedAtMs < gap.toMs && endedAtMs > gap.fromMs,
  );
  const firstRefusal = within.find((attempt) => attempt.event === "refused" && attempt.sqlState === readOnly);
  if (firstRefusal === undefined) return null;
  const fenceAtMs = firstRefusal.endedAtMs;
  return within.filter(({ startedAtMs, endedAtMs }) => startedAtMs < fenceAtMs && endedAtMs >= fenceAtMs)
    .length;
}

const readOnly = "25006";
