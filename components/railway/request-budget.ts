/** How many requests the token has left, as Railway said last (100 an hour on Free, 1,000 on Hobby, 10,000 on Pro). */
export interface RequestBudget {
  readonly limit: number | undefined;
  readonly remaining: number;
  /** When it is full again; Railway does not document the form of this header, so it may be unknown. */
  readonly resetsAt: Date | undefined;
}

/** Below this share of its limit the budget is spread over the time that is left. */
const scarceShare = 0.2;
const longestPollDelayMs = 120_000;
const halfShare = 0.5;
const watchStretch = 8;

/** Reads the `X-RateLimit-*` headers of an answer; `undefined` when there are none. */
export function readRequestBudget(headers: Headers, now: Date): RequestBudget | undefined {
  const remaining = wholeNumber(headers.get("x-ratelimit-remaining"));
  if (remaining === undefined) return undefined;
  return {
    remaining,
    limit: wholeNumber(headers.get("x-ratelimit-limit")),
    resetsAt: readInstant(headers.get("x-ratelimit-reset"), now),
  };
}

/** Milliseconds to wait according to `Retry-After` (seconds or a date), or `undefined`. */
export function readRetryAfterMs(headers: Headers, now: Date): number | undefined {
  const text = headers.get("retry-after");
  const seconds = wholeNumber(text);
  if (seconds !== undefined) return seconds * 1000;
  const date = text === null ? Number.NaN : Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now.getTime());
}

/** Stretches a poll interval when the budget runs low, so that what is left lasts until it is full again. */
export function stretchPollDelayMs(intervalMs: number, budget: RequestBudget | undefined, now: Date): number {
  if (budget?.limit === undefined || budget.resetsAt === undefined) return intervalMs;
  const timeLeftMs = budget.resetsAt.getTime() - now.getTime();
  if (timeLeftMs <= 0 || budget.remaining > budget.limit * scarceShare) return intervalMs;
  const evenlySpreadMs = timeLeftMs / Math.max(1, budget.remaining);
  return Math.max(intervalMs, Math.min(longestPollDelayMs, evenlySpreadMs));
}

/**
 * The pause of somebody who only watches while another one works with the same token: it grows long while half of the budget
 * is left for the other one.
 */
export function watchDelayMs(intervalMs: number, budget: RequestBudget | undefined, now: Date): number {
  const stretchedMs = stretchPollDelayMs(intervalMs, budget, now);
  if (budget?.limit === undefined || budget.remaining > budget.limit * halfShare) return stretchedMs;
  return Math.max(stretchedMs, Math.min(longestPollDelayMs, intervalMs * watchStretch));
}

/** The form of the reset header is undocumented: seconds from now, Unix seconds, Unix milliseconds or a date. */
function readInstant(text: string | null, now: Date): Date | undefined {
  const number = wholeNumber(text);
  if (number === undefined) {
    const date = text === null ? Number.NaN : Date.parse(text);
    return Number.isNaN(date) ? undefined : new Date(date);
  }
  if (number > 1e12) return new Date(number);
  if (number > 1e9) return new Date(number * 1000);
  return new Date(now.getTime() + number * 1000);
}

function wholeNumber(text: string | null): number | undefined {
  return text !== null && /^\d+$/.test(text.trim()) ? Number(text) : undefined;
}
