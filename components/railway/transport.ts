import type { z } from "zod";
import { type CutoverError, hasCode } from "../errors.ts";
import type { FailureClass } from "./failures.ts";
import {
  failureError,
  rateLimitedError,
  uncertainError,
  unexpectedAnswerError,
  unreachableError,
} from "./failures.ts";
import { createHttpExchange, type Outcome } from "./http-exchange.ts";
import { createRedactor, type Redactor } from "./redaction.ts";
import type { RequestBudget } from "./request-budget.ts";
import type { RailwayToken } from "./token.ts";
import { pause } from "./waiting.ts";

/** One GraphQL document and the shape of its answer. */
export interface Operation<Answer> {
  readonly name: string;
  readonly kind: "query" | "mutation";
  readonly document: string;
  readonly answer: z.ZodType<Answer>;
}

export interface TransportLimits {
  /** For one request and its answer. Railway's own CLI waits 90 s: changes of variables can be slow. */
  readonly requestTimeoutMs: number;
  /** Attempts of one request, the first included. */
  readonly attempts: number;
  /** Before the second attempt; doubles with each further one. */
  readonly retryDelayMs: number;
  /** The longest wait for the request limit before the operation is given up. */
  readonly longestRateLimitWaitMs: number;
}

export const defaultTransportLimits: TransportLimits = {
  requestTimeoutMs: 90_000,
  attempts: 5,
  retryDelayMs: 1_000,
  longestRateLimitWaitMs: 120_000,
};

export interface TransportOptions {
  readonly token: RailwayToken;
  readonly endpoint: string;
  readonly limits?: Partial<TransportLimits> | undefined;
  readonly log?: ((line: string) => void) | undefined;
}

export interface Transport {
  readonly token: RailwayToken;
  readonly redactor: Redactor;
  /**
   * Sends one operation. Queries are repeated within bounds. A mutation is repeated only when it certainly did not
   * take place: it was never sent, or refused by the request limit.
   *
   * @param signal ends everything with its reason, but for a mutation that was sent: its answer is waited for, because
   *   whoever puts things back must know what it did
   * @throws CutoverError `RAILWAY_NOT_AUTHORIZED`, `RAILWAY_NOT_FOUND`, `RAILWAY_RATE_LIMITED`,
   *   `RAILWAY_SCHEMA_CHANGED`, `RAILWAY_ALREADY_EXISTS`, `RAILWAY_REQUEST_FAILED`, `RAILWAY_UNREACHABLE`,
   *   `RAILWAY_ANSWER_UNEXPECTED`, and for mutations `RAILWAY_MUTATION_UNCERTAIN`
   */
  request<Answer>(
    operation: Operation<Answer>,
    variables?: Record<string, unknown>,
    signal?: AbortSignal,
  ): Promise<Answer>;
  /** What Railway said last about this token's request limit. */
  requestBudget(): RequestBudget | undefined;
}

/** Creates the one place that talks to Railway. */
export function createTransport({
  token,
  endpoint,
  limits: given,
  log = () => {},
}: TransportOptions): Transport {
  const limits = { ...defaultTransportLimits, ...given };
  const redactor = createRedactor();
  redactor.learn(token.value);
  const exchange = createHttpExchange({ token, endpoint, timeoutMs: limits.requestTimeoutMs });

  async function request<Answer>(
    operation: Operation<Answer>,
    variables: Record<string, unknown> = {},
    signal?: AbortSignal,
  ) {
    learnSecrets(variables, redactor);
    for (let attempt = 1; ; attempt += 1) {
      await waitForBudget(operation.name, signal);
      signal?.throwIfAborted();
      const interruptible = operation.kind === "query" ? signal : undefined;
      const outcome = await exchange.send(operation, variables, interruptible);
      if (outcome.kind === "data") return readAnswer(operation, outcome.data);
      const waitMs = retryWaitMs(outcome, operation, attempt, limits);
      if (waitMs === undefined) throw finalError(operation, outcome, attempt);
      log(
        `Railway ${operation.name}: ${reasonOf(outcome)}; attempt ${attempt + 1} in ${Math.ceil(waitMs / 1000)} s`,
      );
      await pause(waitMs, signal);
    }
  }

  async function waitForBudget(operation: string, signal: AbortSignal | undefined) {
    const budget = exchange.budget();
    if (budget === undefined || budget.remaining > 0 || budget.resetsAt === undefined) return;
    const waitMs = budget.resetsAt.getTime() - Date.now();
    if (waitMs <= 0) return;
    if (waitMs > limits.longestRateLimitWaitMs) throw rateLimitedError(operation, budget.resetsAt);
    log(
      `Railway ${operation}: the request limit is used up; waiting ${Math.ceil(waitMs / 1000)} s for its reset`,
    );
    await pause(waitMs, signal);
  }

  function finalError(
    operation: Operation<unknown>,
    outcome: Exclude<Outcome, { kind: "data" }>,
    attempts: number,
  ) {
    switch (outcome.kind) {
      case "limited":
        return rateLimitedError(
          operation.name,
          resetInstant(outcome.retryAfterMs) ?? exchange.budget()?.resetsAt,
        );
      case "never-sent":
        return unreachableError(operation.name, outcome.why, attempts, outcome.cause);
      case "no-answer":
        return operation.kind === "mutation"
          ? uncertainError(operation.name, outcome.why, outcome.cause)
          : unreachableError(operation.name, outcome.why, attempts, outcome.cause);
      case "failed": {
        const text = redactor.clean(outcome.text);
        return operation.kind === "mutation" && outcome.failure === "unclear"
          ? uncertainError(operation.name, text)
          : failureError(operation.name, outcome.failure, text, token.kind);
      }
      default:
        return outcome satisfies never;
    }
  }

  return { token, redactor, request, requestBudget: exchange.budget };
}

/** How long to wait before the next attempt, or `undefined` when there must be none. */
function retryWaitMs(
  outcome: Exclude<Outcome, { kind: "data" }>,
  operation: Operation<unknown>,
  attempt: number,
  limits: TransportLimits,
): number | undefined {
  if (attempt >= limits.attempts) return undefined;
  const backoffMs = limits.retryDelayMs * 2 ** (attempt - 1);
  switch (outcome.kind) {
    case "limited": {
      const waitMs = outcome.retryAfterMs ?? backoffMs * 5;
      return waitMs <= limits.longestRateLimitWaitMs ? waitMs : undefined;
    }
    case "never-sent":
      return backoffMs;
    case "no-answer":
      return operation.kind === "query" ? backoffMs : undefined;
    case "failed":
      return attempt <= repetitions(outcome.failure, operation.kind, limits) ? backoffMs : undefined;
    default:
      return outcome satisfies never;
  }
}

function repetitions(failure: FailureClass, kind: "query" | "mutation", limits: TransportLimits): number {
  // The thing is locked by another operation: refused before it began.
  if (failure === "busy") return limits.attempts;
  if (kind === "mutation") return 0;
  // Reads of variables are sometimes refused once without a reason (third-party observation).
  if (failure === "not-authorized") return 1;
  return failure === "unclear" ? limits.attempts : 0;
}

function readAnswer<Answer>(operation: Operation<Answer>, data: unknown): Answer {
  const parsed = operation.answer.safeParse(data);
  if (parsed.success) return parsed.data;
  const place = parsed.error.issues[0]?.path.map(String).join(".") || "the top";
  throw operation.kind === "mutation"
    ? uncertainError(operation.name, `its answer has an unexpected shape at ${place}`)
    : unexpectedAnswerError(operation.name, place);
}

function reasonOf(outcome: Exclude<Outcome, { kind: "data" }>): string {
  switch (outcome.kind) {
    case "limited":
      return "request limit reached";
    case "failed":
      return `answered "${outcome.failure}"`;
    default:
      return outcome.why;
  }
}

function resetInstant(retryAfterMs: number | undefined): Date | undefined {
  return retryAfterMs === undefined ? undefined : new Date(Date.now() + retryAfterMs);
}

/** Values of variables travel under `value` and `variables`; the rest are names and ids, which may be printed. */
function learnSecrets(variables: unknown, redactor: Redactor, secret = false): void {
  if (typeof variables === "string") {
    if (secret) redactor.learn(variables);
  } else if (typeof variables === "object" && variables !== null) {
    for (const [key, value] of Object.entries(variables)) {
      learnSecrets(value, redactor, secret || key === "value" || key === "variables");
    }
  }
}

/** Whether a mutation ended without anybody knowing if it took place. */
export function isUncertain(error: unknown): error is CutoverError {
  return hasCode(error, "RAILWAY_MUTATION_UNCERTAIN");
}
