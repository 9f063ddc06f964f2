import { inspect } from "node:util";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { CutoverError } from "../../components/errors.ts";
import * as operations from "../../components/railway/operations.ts";
import { createRailwayToken, type RailwayTokenKind } from "../../components/railway/token.ts";
import { createTransport, type TransportLimits } from "../../components/railway/transport.ts";
import {
  cut,
  data,
  failure,
  json,
  type Reply,
  reset,
  silence,
  startScriptedPeer,
  text,
} from "./scripted-peer.ts";

const secretToken = "3f0c7a52-token-that-must-not-leak";
const secretValue = "postgresql://postgres:p%40ss-w0rd-geheim@postgres.railway.internal:5432/railway";
const quick = { retryDelayMs: 1, requestTimeoutMs: 5_000, longestRateLimitWaitMs: 50 };
const htmlPage = "<!doctype html><title>Access denied</title>";

const projectFound = data({
  projectToken: {
    projectId: "p",
    environmentId: "e",
    project: { id: "p", name: "clinic" },
    environment: { id: "e", name: "production" },
  },
});
const upsertInput = {
  input: { projectId: "p", environmentId: "e", serviceId: null, name: "DATABASE_URL", value: secretValue },
};

describe("a query", () => {
  test.each([
    ["a 502 with text", text(502, "upstream connect error")],
    ["a 200 that is a page", text(200, htmlPage)],
    ["a 429 with JSON", json(429, { data: null }, { "Retry-After": "0" })],
    ["a 429 with a page", text(429, htmlPage, { "Retry-After": "0" })],
    ["a page of the edge with 403", text(403, htmlPage)],
    ["a limit inside an answer", failure("You are creating volumes too quickly", "RATE_LIMITED")],
    ["a reset connection", reset],
    ["a cut answer", cut],
    ["data that are null", json(200, { data: null })],
    ["one refusal without a reason", failure("Not Authorized")],
    ["an unexplained failure", failure("Problem processing request")],
  ] satisfies [string, Reply][])("is repeated after %s", async (_, first) => {
    await using peer = await startScriptedPeer(first, projectFound);
    const answer = await transportTo(peer.endpoint).request(operations.projectToken);
    expect(answer.projectToken.environmentId).toBe("e");
    expect(peer.requests).toHaveLength(2);
  });

  test("is given up after the configured attempts", async () => {
    await using peer = await startScriptedPeer(text(503, "no healthy upstream"));
    const error = await caught(transportTo(peer.endpoint, { attempts: 3 }).request(operations.projectToken));
    expect(error.code).toBe("RAILWAY_UNREACHABLE");
    expect(error.message).toContain("CutoverProjectToken");
    expect(error.message).toContain("HTTP 503");
    expect(peer.requests).toHaveLength(3);
  });

  test("ends when the peer stays silent", async () => {
    await using peer = await startScriptedPeer(silenceUntilTheLimit());
    const transport = transportTo(peer.endpoint, { attempts: 2 });
    expect((await caught(transport.request(operations.projectToken))).code).toBe("RAILWAY_UNREACHABLE");
    expect(peer.requests).toHaveLength(2);
  });

  test("is not sent where nobody listens", async () => {
    const { endpoint } = await closedPeer();
    const error = await caught(transportTo(endpoint, { attempts: 2 }).request(operations.projectToken));
    expect(error.code).toBe("RAILWAY_UNREACHABLE");
    expect(error.message).toContain("ECONNREFUSED");
  });

  test.each([
    ["Not Authorized", "RAILWAY_NOT_AUTHORIZED", 2],
    ["Project Token not found", "RAILWAY_NOT_AUTHORIZED", 2],
    ["Two Factor Authentication Required", "RAILWAY_NOT_AUTHORIZED", 2],
    ["ServiceInstance not found", "RAILWAY_NOT_FOUND", 1],
    ['Cannot query field "deletedAt" on type "VolumeInstance".', "RAILWAY_SCHEMA_CHANGED", 1],
    ['A service named "pgvector" already exists in this project', "RAILWAY_ALREADY_EXISTS", 1],
    ["Something else", "RAILWAY_REQUEST_FAILED", 1],
  ])('answered with "%s" fails as %s', async (message, code, requests) => {
    for (const status of [200, 400]) {
      await using peer = await startScriptedPeer(failure(message, "INTERNAL_SERVER_ERROR", status));
      const error = await caught(transportTo(peer.endpoint).request(operations.projectToken));
      expect(error.code).toBe(code);
      expect(error.message).toContain("CutoverProjectToken");
      expect(peer.requests).toHaveLength(requests);
    }
  });

  test("whose answer has another shape names the place and not the value", async () => {
    await using peer = await startScriptedPeer(
      data({ projectToken: { projectId: 5, environmentId: secretValue } }),
    );
    const error = await caught(transportTo(peer.endpoint).request(operations.projectToken));
    expect(error.code).toBe("RAILWAY_ANSWER_UNEXPECTED");
    expect(error.message).toContain("projectToken.projectId");
    expectNoSecret(error);
  });
});

describe("a mutation", () => {
  test.each([
    ["a reset after it was received", reset],
    ["a cut answer", cut],
    ["a 502", text(502, "upstream connect error")],
    ["a page instead of an answer", text(200, htmlPage)],
    ["an unexplained failure", failure("Problem processing request")],
    ["an answer of another shape", data({ variableUpsert: "yes" })],
  ] satisfies [string, Reply][])("is never repeated after %s", async (_, reply) => {
    await using peer = await startScriptedPeer(reply);
    const error = await caught(transportTo(peer.endpoint).request(operations.variableUpsert, upsertInput));
    expect(error.code).toBe("RAILWAY_MUTATION_UNCERTAIN");
    expect(peer.requests).toHaveLength(1);
    expectNoSecret(error);
  });

  test("is never repeated after silence", async () => {
    await using peer = await startScriptedPeer(silenceUntilTheLimit());
    const transport = transportTo(peer.endpoint);
    const error = await caught(transport.request(operations.variableUpsert, upsertInput));
    expect(error.code).toBe("RAILWAY_MUTATION_UNCERTAIN");
    expect(peer.requests).toHaveLength(1);
  });

  test.each([
    ["the request limit", json(429, { data: null }, { "Retry-After": "0" })],
    ["the edge's request limit", text(429, htmlPage, { "Retry-After": "0" })],
    ["a lock of another operation", failure("Cannot delete TCP proxy: an operation is already in progress")],
  ] satisfies [string, Reply][])("is repeated when %s refused it", async (_, first) => {
    await using peer = await startScriptedPeer(first, data({ variableUpsert: true }));
    await transportTo(peer.endpoint).request(operations.variableUpsert, upsertInput);
    expect(peer.requests).toHaveLength(2);
  });

  test("refused as not authorized is not repeated", async () => {
    await using peer = await startScriptedPeer(failure("Not Authorized"));
    const error = await caught(transportTo(peer.endpoint).request(operations.variableUpsert, upsertInput));
    expect(error.code).toBe("RAILWAY_NOT_AUTHORIZED");
    expect(peer.requests).toHaveLength(1);
  });

  test("that was never sent fails as unreachable, not as uncertain", async () => {
    const { endpoint } = await closedPeer();
    const transport = transportTo(endpoint, { attempts: 2 });
    expect((await caught(transport.request(operations.variableUpsert, upsertInput))).code).toBe(
      "RAILWAY_UNREACHABLE",
    );
  });
});

describe("the request", () => {
  test.each([
    ["account", "authorization", `Bearer ${secretToken}`],
    ["workspace", "authorization", `Bearer ${secretToken}`],
    ["project", "project-access-token", secretToken],
  ] satisfies [RailwayTokenKind, string, string][])(
    "carries a token of kind %s in %s",
    async (kind, header, value) => {
      await using peer = await startScriptedPeer(projectFound);
      await transportTo(peer.endpoint, {}, kind).request(operations.projectToken);
      const headers = peer.requests[0]?.headers ?? {};
      expect(headers[header]).toBe(value);
      expect(Object.values(headers).filter((entry) => String(entry).includes(secretToken))).toHaveLength(1);
    },
  );

  test("names its sender and leaves out null variables at every depth", async () => {
    await using peer = await startScriptedPeer(data({ variableUpsert: true }));
    await transportTo(peer.endpoint).request(operations.variableUpsert, upsertInput);
    const [request] = peer.requests;
    expect(request?.url).toContain("source=railway-pgvector-cutover");
    expect(request?.headers["user-agent"]).toBe("railway-pgvector-cutover");
    expect(request?.variables).toEqual({
      input: { projectId: "p", environmentId: "e", name: "DATABASE_URL", value: secretValue },
    });
  });

  test("does not follow a redirect with the token", async () => {
    await using other = await startScriptedPeer(projectFound);
    await using peer = await startScriptedPeer((response) => {
      response.writeHead(307, { Location: other.endpoint }).end();
    });
    const error = await caught(transportTo(peer.endpoint).request(operations.projectToken));
    expect(error.message).toContain("HTTP 307");
    expect(other.requests).toHaveLength(0);
  });

  test("is refused over clear text to another machine", () => {
    expect(() => transportTo("http://backboard.railway.com/graphql/v2")).toThrow(/not an https URL/);
  });
});

describe("the request limit", () => {
  test("that lasts longer than we wait fails with the time of its reset", async () => {
    await using peer = await startScriptedPeer(json(429, { data: null }, { "Retry-After": "3600" }));
    const error = await caught(transportTo(peer.endpoint).request(operations.projectToken));
    expect(error.code).toBe("RAILWAY_RATE_LIMITED");
    expect(error.message).toMatch(/resets at \d{4}-\d\d-\d\dT/);
    expect(peer.requests).toHaveLength(1);
  });

  test("that is used up stops the next request before it is sent", async () => {
    const resetsAt = Math.floor(Date.now() / 1000) + 1800;
    const headers = {
      "X-RateLimit-Limit": "1000",
      "X-RateLimit-Remaining": "0",
      "X-RateLimit-Reset": `${resetsAt}`,
    };
    await using peer = await startScriptedPeer(
      data(
        {
          projectToken: { projectId: "p", environmentId: "e", project: named("p"), environment: named("e") },
        },
        headers,
      ),
    );
    const transport = transportTo(peer.endpoint);
    await transport.request(operations.projectToken);
    expect(transport.requestBudget()).toEqual({
      limit: 1000,
      remaining: 0,
      resetsAt: new Date(resetsAt * 1000),
    });
    const error = await caught(transport.request(operations.projectToken));
    expect(error.code).toBe("RAILWAY_RATE_LIMITED");
    expect(error.message).toContain(new Date(resetsAt * 1000).toISOString());
    expect(peer.requests).toHaveLength(1);
  });
});

describe("no secret", () => {
  test("that Railway repeats in an error survives in it", async () => {
    const password = "p%40ss-w0rd-geheim";
    for (const message of [
      `Variable "$input" got invalid value "${secretValue}"`,
      `bad value ${password} for token ${secretToken}`,
      `decoded ${decodeURIComponent(password)}`,
      `not found: ${encodeURIComponent(secretValue)}`,
    ]) {
      await using peer = await startScriptedPeer(failure(message));
      const error = await caught(transportTo(peer.endpoint).request(operations.variableUpsert, upsertInput));
      expectNoSecret(error);
    }
  });

  test("is shown by printing a token", () => {
    const token = createRailwayToken("account", ` ${secretToken}\n`);
    expect(token.value).toBe(secretToken);
    expect(inspect({ token }, { depth: 5 })).not.toContain(secretToken);
    expect(JSON.stringify({ token })).not.toContain(secretToken);
    expect({ ...token }).toEqual({ kind: "account" });
  });

  test.each([
    ["", "RAILWAY_TOKEN_MISSING"],
    ["Bearer abc", "RAILWAY_TOKEN_MALFORMED"],
  ])("is needed to refuse the token %j", (value, code) => {
    expect(() => createRailwayToken("account", value)).toThrow(expect.objectContaining({ code }));
  });
});

function transportTo(
  endpoint: string,
  limits: Partial<TransportLimits> = {},
  kind: RailwayTokenKind = "project",
) {
  return createTransport({
    token: createRailwayToken(kind, secretToken),
    endpoint,
    limits: { ...quick, ...limits },
  });
}

/** The time limit of a request is over as soon as the peer has it: a short one might be over before, on a busy machine. */
function silenceUntilTheLimit(): Reply {
  let limit = new AbortController();
  vi.spyOn(AbortSignal, "timeout").mockImplementation(() => {
    limit = new AbortController();
    return limit.signal;
  });
  onTestFinished(() => void vi.restoreAllMocks());
  return () => limit.abort(new DOMException("The time is over.", "TimeoutError"));
}

async function closedPeer() {
  const peer = await startScriptedPeer(silence);
  await peer[Symbol.asyncDispose]();
  return peer;
}

async function caught(promise: Promise<unknown>): Promise<CutoverError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof CutoverError)) throw new Error("expected a CutoverError", { cause: error });
  return error;
}

function expectNoSecret(error: CutoverError): void {
  const shown = `${error.describe()} ${inspect(error, { depth: 10 })}`;
  for (const secret of [secretToken, secretValue, "ss-w0rd-geheim"]) expect(shown).not.toContain(secret);
}

function named(id: string) {
  return { id, name: id };
}
