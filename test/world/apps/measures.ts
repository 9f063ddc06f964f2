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
  const gaps = findGaps(history);
  const toNew = gaps.find(({ endsWith }) => endsWith === history.newDatabase);
  const longest = longestOf(gaps);
  const busyMs = gaps.reduce((sum, gap) => sum + (lengthOf(gap) < idleMs ? lengthOf(gap) : 0), 0);
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
    switchPauseMs: toNew === undefined ? null : pauseOf(toNew),
    longestPauseMs: longest === undefined ? 0 : pauseOf(longest),
    inFlightAtFence: countInFlight(history, toNew ?? longest),
    writesPerSecond: busyMs === 0 ? 0 : (history.accepted.length * 1_000) / busyMs,
  };
}

const idleMs = 500;

/** From one acknowledgement to the next. */
interface Gap {
  readonly fromMs: number;
  readonly toMs: number;
  /** Start of the first attempt that was not over when the gap began. */
  readonly blockedAtMs: number;
  /** The database whose acknowledgement ends it. */
  readonly endsWith: string;
}

function findGaps({ attempts, accepted }: History): Gap[] {
  // A long transaction's start does not tell when it was stopped.
  const latestFirst = attempts
    .filter(({ kind }) => kind !== "long")
    .sort((a, b) => b.endedAtMs - a.endedAtMs);
  const gaps: Gap[] = [];
  let blockedAtMs = Infinity;
  let next = 0;
  for (let index = accepted.length - 1; index > 0; index--) {
    const [before, after] = accepted.slice(index - 1, index + 1);
    if (before === undefined || after === undefined) continue;
    const fromMs = before.endedAtMs;
    for (; (latestFirst[next]?.endedAtMs ?? -Infinity) > fromMs; next++)
      blockedAtMs = Math.min(blockedAtMs, latestFirst[next]?.startedAtMs ?? Infinity);
    gaps.push({ fromMs, toMs: after.endedAtMs, blockedAtMs, endsWith: after.database });
  }
  return gaps.reverse();
}

/** The one in which a writer was held up for longest: in a gap before that there was nothing to do. */
function longestOf(gaps: readonly Gap[]): Gap | undefined {
  const heldUpMs = ({ fromMs, toMs, blockedAtMs }: Gap) => toMs - Math.max(fromMs, blockedAtMs);
  let longest: Gap | undefined;
  for (const gap of gaps) if (longest === undefined || heldUpMs(gap) > heldUpMs(longest)) longest = gap;
  return longest;
}

function pauseOf({ fromMs, toMs, blockedAtMs }: Gap): number {
  return Math.round(toMs - (blockedAtMs < toMs ? blockedAtMs : fromMs));
}

function lengthOf({ fromMs, toMs }: Gap): number {
  return toMs - fromMs;
}

function countInFlight({ attempts, oldDatabase }: History, gap: Gap | undefined): number | null {
  if (gap === undefined) return null;
  const within = attempts.filter(
    ({ database, startedAtMs, endedAtMs }) =>
      database === oldDatabase && startedAtMs < gap.toMs && endedAtMs > gap.fromMs,
  );
  let fenceAtMs = Infinity;
  for (const attempt of within) {
    if (attempt.event === "refused" && attempt.sqlState === readOnly)
      fenceAtMs = Math.min(fenceAtMs, attempt.endedAtMs);
  }
  if (fenceAtMs === Infinity) return null;
  return within.filter(({ startedAtMs, endedAtMs }) => startedAtMs < fenceAtMs && endedAtMs >= fenceAtMs)
    .length;
}

const readOnly = "25006";
