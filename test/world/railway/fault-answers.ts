import { setTimeout as wait } from "node:timers/promises";
import { type Operation, problemProcessingRequest } from "./graphql-endpoint.ts";
import type { HttpAnswer } from "./http-server.ts";
import type { RequestFaultMode } from "./request-faults.ts";

/** A fault that is answered in the place of the request's own answer, without running a resolver. */
export type PreventingMode = Exclude<
  RequestFaultMode,
  "reset-after-apply" | "timeout-after-apply" | "slow-apply"
>;

export function preventsExecution(mode: RequestFaultMode): mode is PreventingMode {
  return mode in answers;
}

export async function answerInstead(
  mode: PreventingMode,
  operation: Operation,
  delayMs: number | undefined,
): Promise<HttpAnswer> {
  return answers[mode](operation, delayMs);
}

/** Keeps a request waiting; does not keep the process of a test alive. */
export async function holdRequest(durationMs: number): Promise<void> {
  await wait(durationMs, undefined, { ref: false });
}

/** What Cloudflare answers in front of Railway. */
export const accessDenied = {
  status: 403,
  body: "<!DOCTYPE html><html><head><title>Access denied</title></head><body>Error 1015</body></html>",
} as const;

export function tooManyRequests(waitMs: number, body: string | object): Exclude<HttpAnswer, string> {
  return { status: 429, headers: { "retry-after": String(Math.max(1, Math.ceil(waitMs / 1_000))) }, body };
}

const answers: Record<
  PreventingMode,
  (operation: Operation, delayMs: number | undefined) => HttpAnswer | Promise<HttpAnswer>
> = {
  "429": () => tooManyRequests(1_000, { data: null }),
  "429-html": () => tooManyRequests(1_000, "<html><body>Too many requests</body></html>"),
  "500": () => ({ status: 500, body: "upstream connect error or disconnect/reset before headers" }),
  "html-403": () => accessDenied,
  "problem-processing": () => ({ status: 200, body: { data: null, errors: [problemProcessingRequest()] } }),
  "in-band-rate-limit": (operation) =>
    inBand(operation, "Service deployment rate limit exceeded", "RATE_LIMITED"),
  "not-authorized": (operation) => inBand(operation, "Not Authorized", "INTERNAL_SERVER_ERROR"),
  "timeout-before-apply": async (_operation, delayMs) => {
    if (delayMs === undefined) return "silence";
    await holdRequest(delayMs);
    return { status: 504, body: "upstream request timeout" };
  },
};

function inBand({ rootFields }: Operation, message: string, code: string): HttpAnswer {
  const error = { message, path: rootFields.slice(0, 1), extensions: { code } };
  return { status: 200, body: { data: null, errors: [error] } };
}
