import { z } from "zod";
import { type Caller, identifyCaller, type Tokens } from "./authorization.ts";
import {
  accessDenied,
  answerInstead,
  holdRequest,
  preventsExecution,
  tooManyRequests,
} from "./fault-answers.ts";
import type { GraphqlEndpoint, GraphqlRequest, Operation } from "./graphql-endpoint.ts";
import { type HttpAnswer, type HttpRequest, type HttpServer, startHttpServer } from "./http-server.ts";
import type { RequestContext } from "./lookup.ts";
import type { Quirks } from "./quirks.ts";
import type { RequestFaults } from "./request-faults.ts";
import { TokenBucket } from "./token-bucket.ts";

/** One request as it is remembered: nothing of its variables, headers or answer. */
export interface RecordedRequest {
  readonly at: string;
  readonly operationName: string | null;
  readonly kind: "query" | "mutation";
  readonly rootFields: readonly string[];
  readonly caller: Caller["kind"] | "none";
  /** Whether resolvers ran: a fault in front of them leaves this `false`. */
  readonly executed: boolean;
}

/** A valid request at one of two moments: before its resolvers run, or after they ran and before the answer is sent. */
export interface RequestMoment {
  readonly kind: "query" | "mutation";
  readonly rootFields: readonly string[];
  readonly operationName: string | null;
  readonly stage: "before" | "after";
}

/** Sees, and may hold, every request; `drop` resets the connection, before it was applied or after. */
export type Intercept = (moment: RequestMoment) => Promise<"go-on" | "drop">;

/** Requests per token; Railway's Pro plan by default. */
export interface RateLimit {
  readonly perHour: number;
  readonly perSecond: number;
}

export const defaultRateLimit: RateLimit = { perHour: 10_000, perSecond: 50 };

export interface ApiServerOptions {
  readonly endpoint: GraphqlEndpoint;
  readonly tokens: Tokens;
  readonly projectEnvironmentId: string;
  readonly madeTokens: ReadonlyMap<string, string>;
  readonly faults: RequestFaults;
  readonly rateLimit: RateLimit;
  readonly quirks: Quirks;
  readonly views: () => Pick<RequestContext, "view" | "renderedView">;
  readonly record: (request: RecordedRequest) => void;
  readonly intercept: Intercept;
}

/** The GraphQL API over HTTP at `/graphql/v2`: edge protection, rate limit, faults, then the document itself. */
export function startApiServer(options: ApiServerOptions): Promise<HttpServer> {
  const hourly = new Map<string, TokenBucket>();
  const bursts = new Map<string, TokenBucket>();

  return startHttpServer(async (request) => {
    if (request.url.pathname !== "/graphql/v2" || request.method !== "POST") {
      return { status: 404, body: "Not Found" };
    }
    if (!isIdentified(request)) return accessDenied;
    const token = request.headers.authorization ?? String(request.headers["project-access-token"] ?? "");
    const now = Date.now();
    const hour = bucketFor(hourly, token, options.rateLimit.perHour, 3_600_000, now);
    const burst = bucketFor(bursts, token, options.rateLimit.perSecond, 1_000, now);
    const admissions = [hour.take(now), burst.take(now)];
    const headers = {
      "x-ratelimit-limit": String(hour.capacity),
      "x-ratelimit-remaining": String(hour.remaining(now)),
      "x-ratelimit-reset": new Date(hour.resetsAt(now)).toUTCString(),
    };
    const waitMs = Math.max(0, ...admissions.map((one) => (one.admitted ? 0 : one.retryAfterMs)));
    const answer =
      waitMs > 0 ? tooManyRequests(waitMs, { data: null }) : await answerRequest(request, options);
    return typeof answer === "string" ? answer : { ...answer, headers: { ...headers, ...answer.headers } };
  });
}

async function answerRequest(request: HttpRequest, options: ApiServerOptions): Promise<HttpAnswer> {
  const { endpoint, faults, quirks } = options;
  const body = readBody(request.body);
  if (body === undefined) {
    const error = { message: "The request body is not valid.", extensions: { code: "BAD_REQUEST" } };
    return { status: 400, body: { errors: [error] } };
  }
  const parsed = endpoint.parse(body);
  if (!parsed.valid) return { status: quirks.validationStatus, body: { errors: parsed.errors } };

  const headers = {
    authorization: request.headers.authorization,
    projectAccessToken: singleHeader(request.headers["project-access-token"]),
  };
  const caller = identifyCaller(options.tokens, options.projectEnvironmentId, headers, options.madeTokens);
  const { operation } = parsed;
  const { kind, rootFields, name: operationName } = operation;
  const moment = { kind, rootFields, operationName };
  if ((await options.intercept({ ...moment, stage: "before" })) === "drop") {
    options.record(recordOf(operation, caller, false));
    return "reset";
  }
  const fault = faults.take(kind, operationName === null ? rootFields : [...rootFields, operationName]);
  if (fault !== undefined && preventsExecution(fault.mode)) {
    options.record(recordOf(operation, caller, false));
    return answerInstead(fault.mode, operation, fault.delayMs);
  }
  if (fault?.mode === "slow-apply") await holdRequest(fault.delayMs ?? 0);
  const answer = await endpoint.execute(parsed.document, body, { caller, ...options.views() });
  options.record(recordOf(operation, caller, answer.executed));
  if ((await options.intercept({ ...moment, stage: "after" })) === "drop") return "reset";
  if (fault?.mode === "reset-after-apply") return "reset";
  if (fault?.mode === "timeout-after-apply") {
    if (fault.delayMs === undefined) return "silence";
    await holdRequest(fault.delayMs);
  }
  return { status: answer.executed ? 200 : quirks.validationStatus, body: answer.body };
}

/** Railway's edge lets clients through that say who they are: `?source=` and a User-Agent of their own. */
function isIdentified({ url, headers }: HttpRequest): boolean {
  const agent = headers["user-agent"] ?? "";
  return (url.searchParams.get("source") ?? "") !== "" && agent !== "" && agent !== "node";
}

const bodySchema = z.object({
  query: z.string(),
  variables: z.record(z.string(), z.unknown()).nullish(),
  operationName: z.string().nullish(),
});

function readBody(text: string): GraphqlRequest | undefined {
  try {
    const body = bodySchema.parse(JSON.parse(text));
    return { query: body.query, variables: body.variables ?? {}, operationName: body.operationName ?? null };
  } catch {
    return undefined;
  }
}

function recordOf(operation: Operation, caller: Caller | null, executed: boolean): RecordedRequest {
  return {
    at: new Date().toISOString(),
    operationName: operation.name,
    kind: operation.kind,
    rootFields: operation.rootFields,
    caller: caller?.kind ?? "none",
    executed,
  };
}

function bucketFor(
  buckets: Map<string, TokenBucket>,
  token: string,
  capacity: number,
  windowMs: number,
  now: number,
): TokenBucket {
  const bucket = buckets.get(token) ?? new TokenBucket(capacity, windowMs, now);
  buckets.set(token, bucket);
  return bucket;
}

function singleHeader(value: string | string[] | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}
