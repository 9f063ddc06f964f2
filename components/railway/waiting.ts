import { setTimeout as delay } from "node:timers/promises";
import { hasCode } from "../errors.ts";

export interface PollOptions {
  readonly timeoutMs: number;
  /** Asked before each pause, so that it can follow the request budget. */
  readonly intervalMs: () => number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Looks until there is something to see. Outages of Railway's API count as "nothing yet": a deployment goes on while
 * the API is away.
 *
 * @returns what was seen, or `undefined` when the time was up. Looks at least twice: the last look comes after the
 *   deadline, so a machine that was suspended does not report a timeout without having looked.
 */
export async function pollUntil<Seen>(
  look: () => Promise<Seen | undefined>,
  { timeoutMs, intervalMs, signal }: PollOptions,
): Promise<Seen | undefined> {
  const deadline = performance.now() + timeoutMs;
  for (let expired = false; ; ) {
    signal?.throwIfAborted();
    const seen = await lookThroughOutages(look, expired);
    if (seen !== undefined || expired) return seen;
    const left = deadline - performance.now();
    expired = left <= intervalMs();
    await pause(Math.max(0, Math.min(intervalMs(), left)), signal);
  }
}

/** Waits, and ends early by throwing the signal's reason when it is aborted. */
export async function pause(durationMs: number, signal?: AbortSignal): Promise<void> {
  try {
    await delay(durationMs, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    // Node's own AbortError would hide why.
    signal?.throwIfAborted();
    throw error;
  }
}

async function lookThroughOutages<Seen>(
  look: () => Promise<Seen | undefined>,
  last: boolean,
): Promise<Seen | undefined> {
  try {
    return await look();
  } catch (error) {
    if (!last && isOutage(error)) return undefined;
    throw error;
  }
}

/** Whether Railway could not be asked, which says nothing about what was asked for. */
export function isOutage(error: unknown): boolean {
  return hasCode(error, "RAILWAY_UNREACHABLE", "RAILWAY_RATE_LIMITED");
}
