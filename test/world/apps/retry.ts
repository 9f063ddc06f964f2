import { setTimeout as wait } from "node:timers/promises";

/** Tries until it succeeds or the signal comes, with pauses that grow and differ, as clients of a database do it. */
export async function retry(attempt: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
  for (let pauseMs = shortestMs; !signal.aborted; pauseMs = Math.min(pauseMs * 2, longestMs)) {
    if (await attempt()) return;
    await rest(pauseMs * (0.5 + Math.random() / 2), signal);
  }
}

/** Waits, or returns at once when the signal comes. */
export async function rest(ms: number, signal: AbortSignal): Promise<void> {
  if (ms > 0) await wait(ms, undefined, { signal }).catch(() => {});
}

const shortestMs = 50;
const longestMs = 250;
