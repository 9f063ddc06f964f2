import { setTimeout as delay } from "node:timers/promises";
import { formatDuration } from "../../components/migration/plan/format.ts";
import { wrongArguments } from "../stack.ts";
import { answerMs } from "./question.ts";

/** How far ahead a start may be planned: tokens, tunnels and what was reviewed grow old. */
const furthestMs = 7 * 24 * 60 * 60_000;

/** How late a start may be, as after a laptop slept: later nobody expects it any more. */
export const latestMs = 10 * 60_000;

/**
 * Reads the argument of `--at`: a date and time with its offset, so that it means the same on every machine.
 *
 * @throws an error of wrong arguments
 */
export function parseStart(text: string, now: Date): Date {
  const isComplete = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})$/.test(text);
  const start = new Date(text);
  if (!isComplete || Number.isNaN(start.getTime())) {
    throw wrongArguments("--at needs a date and time with its offset, such as 2026-11-27T02:00+01:00");
  }
  const aheadMs = start.getTime() - now.getTime();
  if (aheadMs <= 0) throw wrongArguments(`--at is over: it is ${now.toISOString()} now`);
  if (aheadMs > furthestMs) throw wrongArguments("--at is more than a week ahead");
  return start;
}

/**
 * Why it is too late to start, or `undefined`. By the clock on the wall: the timers of a machine that sleeps stand still. Pure.
 *
 * @param lookedAt when the last look ended
 */
export function whyTooLate(
  { startsAt, lookedAt }: { readonly startsAt: Date | null; readonly lookedAt: Date },
  now: Date,
): string | undefined {
  if (now.getTime() - lookedAt.getTime() > answerMs) {
    return `What was looked at is older than ${formatDuration(answerMs)}.`;
  }
  const longestMs = latestMs + answerMs;
  if (startsAt !== null && now.getTime() - startsAt.getTime() > longestMs) {
    return `The start was missed by more than ${formatDuration(longestMs)}.`;
  }
  return undefined;
}

export interface Countdown {
  /** Gets the line to show: on a terminal it takes the place of the one before. */
  readonly show: (line: string) => void;
  /** Whether each second is shown, or a line now and then. */
  readonly isTerminal: boolean;
  /** Called once, when this much time is left, or at once where there is less. */
  readonly reminder: { readonly beforeMs: number; readonly remind: () => void };
  readonly signal: AbortSignal;
  readonly now?: () => number;
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<unknown>;
}

/** Waits until the time has come, by this machine's clock, and shows how long that is. Throws when the signal is aborted. */
export async function waitUntil(
  startsAt: Date,
  { show, isTerminal, reminder, signal, now = Date.now, sleep = sleepUnlessAborted }: Countdown,
): Promise<void> {
  let shownMark = Number.POSITIVE_INFINITY;
  let isReminded = false;
  for (;;) {
    signal.throwIfAborted();
    const leftMs = startsAt.getTime() - now();
    if (leftMs <= 0) return;
    if (!isReminded && leftMs <= reminder.beforeMs) {
      isReminded = true;
      reminder.remind();
    }
    const mark = markOf(leftMs);
    if (isTerminal || mark < shownMark) show(countdownLine(startsAt, leftMs));
    shownMark = mark;
    await sleep(Math.min(leftMs, 1_000), signal);
  }
}

function countdownLine(startsAt: Date, leftMs: number): string {
  return `Starts at ${startsAt.toISOString()}, in ${formatDuration(leftMs)}. Ctrl-C calls it off.`;
}

/** Where no line can be replaced, one is shown whenever less than the next of these is left. */
const marksMs = [10, 30, 60, 120, 300, 600, 900, 1_800, 3_600].map((seconds) => seconds * 1_000);

function markOf(leftMs: number): number {
  const hourMs = 3_600_000;
  return marksMs.find((mark) => leftMs <= mark) ?? Math.ceil(leftMs / hourMs) * hourMs;
}

function sleepUnlessAborted(ms: number, signal: AbortSignal): Promise<unknown> {
  return delay(ms, undefined, { signal }).catch(() => {});
}
