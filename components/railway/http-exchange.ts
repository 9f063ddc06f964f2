import { z } from "zod";
import { CutoverError } from "../errors.ts";
import { classifyFailure, type FailureClass } from "./failures.ts";
import { type RequestBudget, readRequestBudget, readRetryAfterMs } from "./request-budget.ts";
import { authorisationHeader, type RailwayToken } from "./token.ts";
import type { Operation } from "./transport.ts";

/** What became of one HTTP request. */
export type Outcome =
  | { readonly kind: "data"; readonly data: unknown }
  /** A GraphQL error. `text` is Railway's own and may quote what was sent. */
  | { readonly kind: "failed"; readonly failure: FailureClass; readonly text: string }
  /** Refused because of too many requests, therefore not carried out. */
  | { readonly kind: "limited"; readonly retryAfterMs: number | undefined }
  /** No connection was made, therefore not carried out. */
  | { readonly kind: "never-sent"; readonly why: string; readonly cause: unknown }
  /** Sent, but without a usable answer: it may have been carried out. */
  | { readonly kind: "no-answer"; readonly why: string; readonly cause?: unknown };

export interface HttpExchange {
  /** Throws the signal's reason when it is aborted; what was sent may have been carried out nevertheless. */
  send(
    operation: Operation<unknown>,
    variables: Record<string, unknown>,
    signal?: AbortSignal,
  ): Promise<Outcome>;
  budget(): RequestBudget | undefined;
}

/** Cloudflare answers unidentified GraphQL traffic with an "Access denied" page; Railway's advice is to name oneself. */
const clientName = "railway-pgvector-cutover";

/** Creates the HTTP side of the transport: exactly one request for each `send`. */
export function createHttpExchange(options: {
  readonly token: RailwayToken;
  readonly endpoint: string;
  readonly timeoutMs: number;
}): HttpExchange {
  const url = endpointUrl(options.endpoint);
  let budget: RequestBudget | undefined;
  return {
    budget: () => budget,
    async send({ name, document }, variables, signal) {
      const timeLimit = AbortSignal.timeout(options.timeoutMs);
      let response: Response;
      let body: string;
      try {
        response = await fetch(url, {
          method: "POST",
          headers: {
            "Content-Type": "application/json",
            Accept: "application/json",
            "User-Agent": clientName,
            ...authorisationHeader(options.token),
          },
          body: JSON.stringify({ query: document, operationName: name, variables: withoutNulls(variables) }),
          // A redirect would carry the project token's header to another host.
          redirect: "manual",
          signal: signal === undefined ? timeLimit : AbortSignal.any([timeLimit, signal]),
        });
        budget = readRequestBudget(response.headers, new Date()) ?? budget;
        body = await response.text();
      } catch (error) {
        signal?.throwIfAborted();
        return networkOutcome(error, options.timeoutMs);
      }
      return readResponse(response, body);
    },
  };
}

function readResponse(response: Response, body: string): Outcome {
  const { status, headers } = response;
  const retryAfterMs = readRetryAfterMs(headers, new Date());
  // Its body may be `{"data":null}` or a page of HTML.
  if (status === 429) return { kind: "limited", retryAfterMs };
  const answer = parseJson(body);
  // Errors before the status: validation failures come with 200 or 400, refusals with 200.
  const failed = answer === undefined ? undefined : readErrors(answer);
  if (failed !== undefined) {
    if (failed.failure === "rate-limited") return { kind: "limited", retryAfterMs };
    const outage = status >= 500 && failed.failure === "refused";
    return outage ? { kind: "no-answer", why: `HTTP ${status}` } : failed;
  }
  if (status >= 500) return { kind: "no-answer", why: `HTTP ${status}` };
  if (status === 401) return { kind: "failed", failure: "not-authorized", text: "HTTP 401" };
  if (status === 403) {
    return answer === undefined
      ? { kind: "limited", retryAfterMs }
      : { kind: "failed", failure: "not-authorized", text: "HTTP 403" };
  }
  if (status >= 300) return { kind: "failed", failure: "refused", text: `HTTP ${status}` };
  if (answer === undefined) return { kind: "no-answer", why: `HTTP ${status} without JSON` };
  if (answer.data === null || answer.data === undefined)
    return { kind: "no-answer", why: "an answer without data" };
  return { kind: "data", data: answer.data };
}

const answerSchema = z.object({
  data: z.unknown().optional(),
  errors: z
    .array(
      z.object({
        message: z.string(),
        traceId: z.string().nullish(),
        extensions: z.object({ code: z.string().nullish() }).nullish(),
      }),
    )
    .nullish(),
});

type GraphqlAnswer = z.infer<typeof answerSchema>;

function parseJson(body: string): GraphqlAnswer | undefined {
  try {
    return answerSchema.safeParse(JSON.parse(body)).data;
  } catch {
    return undefined;
  }
}

function readErrors({ errors }: GraphqlAnswer): Extract<Outcome, { kind: "failed" }> | undefined {
  const first = errors?.[0];
  if (first === undefined) return undefined;
  const code = first.extensions?.code ?? undefined;
  const notes = [code, first.traceId ? `trace ${first.traceId}` : undefined].filter(
    (note) => note !== undefined,
  );
  return {
    kind: "failed",
    failure: classifyFailure({ message: first.message, code }),
    text: notes.length === 0 ? first.message : `${first.message} (${notes.join(", ")})`,
  };
}

/** Only failures before a connection existed prove that nothing was carried out. */
const neverSentCodes = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
]);

function networkOutcome(error: unknown, timeoutMs: number): Outcome {
  if (error instanceof Error && error.name === "TimeoutError") {
    return { kind: "no-answer", why: `no answer within ${timeoutMs} ms`, cause: error };
  }
  const code = networkCode(error);
  const why = code ?? "the connection failed";
  return code !== undefined && (neverSentCodes.has(code) || /CERT|TLS/.test(code))
    ? { kind: "never-sent", why, cause: error }
    : { kind: "no-answer", why, cause: error };
}

function networkCode(error: unknown): string | undefined {
  const cause = error instanceof Error ? error.cause : undefined;
  const first = cause instanceof AggregateError ? (cause.errors[0] as unknown) : cause;
  const code = first instanceof Error && "code" in first ? first.code : undefined;
  return typeof code === "string" ? code : undefined;
}

/** For this API an absent argument and `null` differ (no environment, all environments); `null` is never meant. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, entry]) => entry !== null && entry !== undefined)
      .map(([key, entry]) => [key, withoutNulls(entry)]),
  );
}

function endpointUrl(endpoint: string): URL {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  const loopback = url !== undefined && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);
  if (url === undefined || (url.protocol !== "https:" && !(url.protocol === "http:" && loopback))) {
    throw new CutoverError({
      code: "RAILWAY_ENDPOINT_INVALID",
      message: "The address of Railway's API is not an https URL; the token would travel in clear text.",
      remedy: "Leave the endpoint at its default, or give an https URL (http only on this machine).",
    });
  }
  url.searchParams.set("source", clientName);
  return url;
}
