import { stretchPollDelayMs } from "./request-budget.ts";
import type { Transport } from "./transport.ts";
import { pollUntil } from "./waiting.ts";

/** What every part of the client shares. */
export interface RailwayContext {
  readonly transport: Transport;
  readonly log: (line: string) => void;
  /** Between two looks at something slow: as configured, longer when the request budget is low. */
  pollIntervalMs(): number;
  /** Waits for something slow (a deployment, a backup) at that interval. */
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
  /** The same, with a signal that ends every wait and every request but a mutation that was sent. */
  within(signal: AbortSignal): RailwayContext;
  /** The same, with a check before each mutation that is sent, a repeated one included. What it throws stops that. */
  guarded(check: () => Promise<void>): RailwayContext;
}

/** What a derived client is bound to. */
interface Bounds {
  readonly signal?: AbortSignal | undefined;
  readonly check?: (() => Promise<void>) | undefined;
}

/** Reads were seen to lag by up to 8 s (third-party live tests). */
export const defaultSettleTimeoutMs = 15_000;
const longestSettleIntervalMs = 1_000;

interface ContextOptions {
  readonly transport: Transport;
  readonly pollIntervalMs: number;
  readonly settleTimeoutMs?: number | undefined;
  readonly log: (line: string) => void;
}

export function createContext(options: ContextOptions, bounds: Bounds = {}): RailwayContext {
  const { signal: bound, check } = bounds;
  const { transport, pollIntervalMs, log } = options;
  const settleIntervalMs = Math.min(longestSettleIntervalMs, pollIntervalMs);
  const stretched = (intervalMs: number) =>
    stretchPollDelayMs(intervalMs, transport.requestBudget(), new Date());
  return {
    transport: {
      ...transport,
      request: async (operation, variables, signal) => {
        if (operation.kind === "mutation") await check?.();
        return transport.request(operation, variables, eitherOf(bound, signal));
      },
    },
    log,
    pollIntervalMs: () => stretched(pollIntervalMs),
    poll: (look, timeoutMs, signal) =>
      pollUntil(look, {
        timeoutMs,
        intervalMs: () => stretched(pollIntervalMs),
        signal: eitherOf(bound, signal),
      }),
    settle: (look, timeoutMs = options.settleTimeoutMs ?? defaultSettleTimeoutMs) =>
      pollUntil(look, { timeoutMs, intervalMs: () => stretched(settleIntervalMs), signal: bound }),
    within: (signal) => createContext(options, { ...bounds, signal: eitherOf(bound, signal) }),
    guarded: (next) =>
      createContext(options, {
        ...bounds,
        check: async () => {
          await check?.();
          await next();
        },
      }),
  };
}

function eitherOf(first: AbortSignal | undefined, second: AbortSignal | undefined): AbortSignal | undefined {
  if (first === undefined || second === undefined) return first ?? second;
  return AbortSignal.any([first, second]);
}
