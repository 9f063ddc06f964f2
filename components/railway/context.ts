import { stretchPollDelayMs } from "./request-budget.ts";
import type { Transport } from "./transport.ts";
import { pollUntil } from "./waiting.ts";

/** What every part of the client shares. */
export interface RailwayContext {
  readonly transport: Transport;
  readonly log: (line: string) => void;
  /** Waits for something slow (a deployment, a backup) at the configured interval, slower when the budget is low. */
  poll<Seen>(
    look: () => Promise<Seen | undefined>,
    timeoutMs: number,
    signal?: AbortSignal | undefined,
  ): Promise<Seen | undefined>;
  /** Waits for a write of ours to show in Railway's reads. */
  settle<Seen>(
    look: () => Promise<Seen | undefined>,
    timeoutMs?: number | undefined,
  ): Promise<Seen | undefined>;
}

/** Reads were seen to lag by up to 8 s (third-party live tests). */
const defaultSettleTimeoutMs = 15_000;
const longestSettleIntervalMs = 1_000;

export function createContext(options: {
  readonly transport: Transport;
  readonly pollIntervalMs: number;
  readonly settleTimeoutMs?: number | undefined;
  readonly log: (line: string) => void;
}): RailwayContext {
  const { transport, pollIntervalMs, log } = options;
  const settleIntervalMs = Math.min(longestSettleIntervalMs, pollIntervalMs);
  const stretched = (intervalMs: number) => () =>
    stretchPollDelayMs(intervalMs, transport.requestBudget(), new Date());
  return {
    transport,
    log,
    poll: (look, timeoutMs, signal) =>
      pollUntil(look, { timeoutMs, intervalMs: stretched(pollIntervalMs), signal }),
    settle: (look, timeoutMs = options.settleTimeoutMs ?? defaultSettleTimeoutMs) =>
      pollUntil(look, { timeoutMs, intervalMs: stretched(settleIntervalMs) }),
  };
}
