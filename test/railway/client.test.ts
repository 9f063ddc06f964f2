import { describe, expect, test } from "vitest";
import { CutoverError } from "../../components/errors.ts";
import { createRailway, type Railway } from "../../components/railway/railway.ts";
import { createRailwayToken, type RailwayTokenKind } from "../../components/railway/token.ts";
import {
  data,
  failure,
  type ReceivedRequest,
  type Reply,
  reset,
  startScriptedPeer,
  text,
} from "./scripted-peer.ts";

const instant = "2026-11-23T00:00:00.000Z";
const scope = { projectId: "p", projectName: "clinic", environmentId: "e", environmentName: "production" };

/** Answers each operation by its name, knowing the request and how often this operation was asked before. */
type Script = Record<string, (request: ReceivedRequest, earlier: number) => Reply>;

const nothingComes = { settleTimeoutMs: 60 };

describe("names", () => {
  test("are resolved through all pages, deleted objects left out", async () => {
    await using client = await startClient({
      CutoverProjects: ({ variables }) =>
        variables.after === "p1"
          ? data({ projects: page([{ id: "p", name: "clinic" }]) })
          : data({ projects: page([{ id: "x", name: "clinic", deletedAt: instant }], "p1") }),
      CutoverProjectEnvironments: ({ variables }) =>
        data({
          project: {
            id: "p",
            name: "clinic",
            environments:
              variables.after === "e1"
                ? page([{ id: "e", name: "production", isEphemeral: false }])
                : page([{ id: "pr", name: "pr-1", isEphemeral: true }], "e1"),
          },
        }),
    });
    const names = { project: "clinic", environment: "production" };
    expect(await client.railway.resolveEnvironment(names)).toEqual(scope);
    const error = await caught(client.railway.resolveEnvironment({ ...names, environment: "Production" }));
    expect(error.code).toBe("ENVIRONMENT_NOT_FOUND");
    expect(error.message).toContain('Similar: "production"');
  });

  test("that two projects share are ambiguous", async () => {
    await using client = await startClient({
      CutoverProjects: () => data({ projects: page([named("p1", "clinic"), named("p2", "clinic")]) }),
    });
    const error = await caught(
      client.railway.resolveEnvironment({ project: "clinic", environment: "production" }),
    );
    expect(error.code).toBe("PROJECT_AMBIGUOUS");
    expect(error.message).toContain("p1, p2");
  });

  test("must be those of the project token", async () => {
    const projectToken = { projectId: "p", environmentId: "e", project: named("p", "clinic") };
    await using client = await startClient(
      {
        CutoverProjectToken: () =>
          data({ projectToken: { ...projectToken, environment: named("e", "production") } }),
      },
      { kind: "project" },
    );
    expect(await client.railway.resolveEnvironment({ project: "p", environment: "production" })).toEqual(
      scope,
    );
    const error = await caught(client.railway.resolveEnvironment({ project: "p", environment: "staging" }));
    expect(error.code).toBe("RAILWAY_TOKEN_OF_OTHER_ENVIRONMENT");
    expect(client.peer.operations()).toEqual(["CutoverProjectToken", "CutoverProjectToken"]);
  });

  test("of services match exactly one live service", async () => {
    await using client = await startClient({
      CutoverEnvironmentServices: ({ variables }) => {
        const first = variables.servicesAfter === undefined;
        return inventory(
          first
            ? page([service("s1", "pgvector"), { ...service("s2", "Postgres"), deletedAt: instant }], "c1")
            : page([service("s3", "Postgres"), service("s4", "twin"), service("s5", "twin")]),
          page([volume("v1", "s3"), { ...volume("v0", "s3"), isPendingDeletion: true }]),
        );
      },
    });
    const found = await client.railway.findService(scope, "Postgres");
    expect(found).toMatchObject({ id: "s3", volume: { id: "v1", instanceId: "v1-instance" } });
    expect((await caught(client.railway.findService(scope, "twin"))).code).toBe("SERVICE_AMBIGUOUS");
    const missing = await caught(client.railway.findService(scope, "pgvectr"));
    expect(missing.code).toBe("SERVICE_NOT_FOUND");
    expect(missing.message).toContain('Similar: "pgvector"');
  });

  test.each([
    [null, []],
    ["", []],
    [[], []],
    [[" "], []],
    ["npx prisma migrate deploy", ["npx prisma migrate deploy"]],
    [
      ["npx prisma migrate deploy", "node seed.js"],
      ["npx prisma migrate deploy", "node seed.js"],
    ],
  ])("come with the pre-deploy command %j, a free form of Railway's, as a list", async (given, expected) => {
    await using client = await startClient({
      CutoverEnvironmentServices: () =>
        inventory(page([{ ...service("s1", "api"), preDeployCommand: given }]), page([])),
    });
    expect((await client.railway.findService(scope, "api")).preDeployCommand).toEqual(expected);
  });

  test("are not read from a listing whose cursor repeats", async () => {
    await using client = await startClient({
      CutoverEnvironmentServices: () => inventory(page([service("s1", "a")], "same"), page([])),
    });
    expect((await caught(client.railway.listServices(scope))).code).toBe("RAILWAY_PAGING_BROKEN");
    expect(client.peer.requests).toHaveLength(2);
  });
});

describe("setting a variable", () => {
  const reference = "${{pgvector.DATABASE_URL}}";

  test("never deploys and waits until reads show it", async () => {
    await using client = await startClient({
      CutoverVariableUpsert: () => data({ variableUpsert: true }),
      CutoverRawVariables: (_, earlier) =>
        data({ variables: { DATABASE_URL: earlier < 2 ? "old" : "${{ pgvector.DATABASE_URL }}" } }),
    });
    await client.railway.setVariable(scope, "s", "DATABASE_URL", reference);
    expect(client.peer.requests[0]?.variables).toMatchObject({
      input: { skipDeploys: true, value: reference },
    });
    expect(client.peer.requests).toHaveLength(4);
  });

  test("reads again after an uncertain answer instead of repeating", async () => {
    await using client = await startClient({
      CutoverVariableUpsert: () => reset,
      CutoverRawVariables: (_, earlier) =>
        data({ variables: earlier < 2 ? {} : { DATABASE_URL: reference } }),
    });
    await client.railway.setVariable(scope, "s", "DATABASE_URL", reference);
    expect(client.count("CutoverVariableUpsert")).toBe(1);
  });

  test("is sent a second time only after it did not show, and then gives up", async () => {
    await using client = await startClient(
      {
        CutoverVariableUpsert: () => text(502, "upstream connect error"),
        CutoverRawVariables: () => data({ variables: {} }),
      },
      nothingComes,
    );
    const error = await caught(client.railway.setVariable(scope, "s", "DATABASE_URL", reference));
    expect(error.code).toBe("RAILWAY_MUTATION_UNCERTAIN");
    expect(client.count("CutoverVariableUpsert")).toBe(2);
    const [first, second] = ["indexOf", "lastIndexOf"].map((method) =>
      client.peer.operations()[method as "indexOf"]("CutoverVariableUpsert"),
    );
    expect((second ?? 0) - (first ?? 0)).toBeGreaterThan(2);
  });

  test.each([
    ["another value", "other"],
    ["a sealed one", null],
  ])("fails when %s stays", async (_, stored) => {
    await using client = await startClient(
      {
        CutoverVariableUpsert: () => data({ variableUpsert: true }),
        CutoverRawVariables: () => data({ variables: { DATABASE_URL: stored } }),
      },
      nothingComes,
    );
    const error = await caught(client.railway.setVariable(scope, "s", "DATABASE_URL", reference));
    expect(error.code).toBe("VARIABLE_NOT_APPLIED");
  });
});

describe("deleting", () => {
  test("what is gone already sends no mutation", async () => {
    await using client = await startClient({
      CutoverRawVariables: () => data({ variables: {} }),
      CutoverEnvironmentServices: () => inventory(page([]), page([])),
    });
    await client.railway.deleteVariable(scope, "s", "X");
    await client.railway.deleteVolume(scope, "v", "s");
    await client.railway.deleteService(scope, "s");
    expect(client.peer.operations().filter((name) => /Delete$/.test(name))).toEqual([]);
  });

  test("a service names the environment, and a lost answer is settled by reading", async () => {
    await using client = await startClient({
      CutoverServiceDelete: () => reset,
      CutoverEnvironmentServices: (_, earlier) =>
        inventory(page(earlier < 3 ? [service("s", "Postgres")] : []), page([])),
    });
    await client.railway.deleteService(scope, "s");
    expect(client.count("CutoverServiceDelete")).toBe(1);
    const sent = client.peer.requests.find(({ operation }) => operation === "CutoverServiceDelete");
    expect(sent?.variables).toEqual({ id: "s", environmentId: "e" });
  });

  test("that Railway accepts without doing it is an error", async () => {
    await using client = await startClient(
      {
        CutoverVolumeDelete: () => data({ volumeDelete: true }),
        CutoverEnvironmentServices: () => inventory(page([]), page([volume("v", "s")])),
      },
      nothingComes,
    );
    expect((await caught(client.railway.deleteVolume(scope, "v", "s"))).code).toBe("VOLUME_NOT_DELETED");
  });
});

describe("deploying", () => {
  const before = page([deployment("d1", 1, "SUCCESS")]);
  const after = page([deployment("d2", 2, "BUILDING"), deployment("d1", 1, "SUCCESS")]);
  const listing = (_: ReceivedRequest, earlier: number) =>
    data({ deployments: earlier === 0 ? before : after });

  test("returns the id that Railway gave once that deployment is seen", async () => {
    await using client = await startClient({
      CutoverDeployments: listing,
      CutoverServiceDeploy: () => data({ serviceInstanceDeployV2: "d2" }),
      CutoverDeployment: () => data({ deployment: deployment("d2", 2, "BUILDING") }),
    });
    expect(await client.railway.deploy(scope, "s")).toBe("d2");
  });

  test.each([
    ["of the old deployment", data({ deployment: deployment("d1", 1, "SUCCESS") })],
    ["of another service", data({ deployment: { ...deployment("d9", 9, "SUCCESS"), serviceId: "other" } })],
    ["that nobody knows", failure("Deployment not found")],
  ] satisfies [string, Reply][])("does not trust an id %s", async (_, found) => {
    await using client = await startClient(
      {
        CutoverDeployments: listing,
        CutoverServiceDeploy: () => data({ serviceInstanceDeployV2: "odd" }),
        CutoverDeployment: () => found,
      },
      nothingComes,
    );
    expect(await client.railway.deploy(scope, "s")).toBe("d2");
  });

  test("takes nobody else's for its own because that one shows first", async () => {
    const push = deployment("push", 2, "BUILDING");
    await using client = await startClient({
      CutoverDeployments: (_, earlier) =>
        data({
          deployments: [before, page([push]), page([deployment("d3", 3, "BUILDING"), push])][
            Math.min(earlier, 2)
          ],
        }),
      CutoverServiceDeploy: () => data({ serviceInstanceDeployV2: "d3" }),
    });
    expect(await client.railway.deploy(scope, "s")).toBe("d3");
  });

  test("looks for the new deployment when the answer is lost", async () => {
    await using client = await startClient({
      CutoverDeployments: listing,
      CutoverServiceDeploy: () => reset,
    });
    expect(await client.railway.deploy(scope, "s")).toBe("d2");
    expect(client.count("CutoverServiceDeploy")).toBe(1);
  });

  test("waits through an outage and reports each status once", async () => {
    const statuses = ["BUILDING", "BUILDING", "DEPLOYING", "SUCCESS"];
    let look = 0;
    await using client = await startClient({
      CutoverDeployments: (_, earlier) =>
        earlier === 2 || earlier === 3
          ? text(503, "unavailable")
          : data({ deployments: page([deployment("d2", 2, statuses[look++] ?? "SUCCESS")]) }),
    });
    const seen: string[] = [];
    const healthy = await client.railway.waitForDeployment(scope, "s", "d2", {
      timeoutMs: 20_000,
      onStatus: ({ status }) => seen.push(status),
    });
    expect(healthy.id).toBe("d2");
    expect(seen).toEqual(["BUILDING", "DEPLOYING", "SUCCESS"]);
  });

  test("waits for one that lagging reads hide, as a project token is told: not authorised", async () => {
    await using client = await startClient({
      CutoverDeployments: (_, earlier) =>
        data({
          deployments: earlier < 2 ? before : page([deployment("d2", 2, "SUCCESS")]),
        }),
      CutoverDeployment: () => failure("Not Authorized"),
    });
    const healthy = await client.railway.waitForDeployment(scope, "s", "d2", { timeoutMs: 20_000 });
    expect(healthy.id).toBe("d2");
  });

  test("says why the newer deployment failed that took its place", async () => {
    await using client = await startClient({
      CutoverDeployments: () =>
        data({ deployments: page([deployment("d3", 3, "FAILED"), deployment("d2", 2, "REMOVED")]) }),
      CutoverDeploymentEvents: ({ variables }) =>
        data({
          deploymentEvents: page(
            variables.id === "d3"
              ? [{ step: "BUILD_IMAGE", completedAt: instant, payload: { error: "no such file" } }]
              : [],
          ),
        }),
    });
    const error = await caught(client.railway.waitForDeployment(scope, "s", "d2", { timeoutMs: 20_000 }));
    expect(error.message).toContain(
      "d3 (it superseded d2) ended as FAILED in the step BUILD_IMAGE: no such file",
    );
  });

  test("shows what a deployment was given, and what it does not tell", async () => {
    await using client = await startClient({
      CutoverDeploymentSnapshot: () => data({ deploymentSnapshot: { variables: { PORT: "80", KEY: null } } }),
    });
    expect(await client.railway.deploymentVariables("d2")).toEqual(
      new Map([
        ["PORT", "80"],
        ["KEY", null],
      ]),
    );
  });

  test("accepts a newer healthy deployment in its place", async () => {
    await using client = await startClient({
      CutoverDeployments: () =>
        data({
          deployments: page([deployment("d3", 3, "SUCCESS"), deployment("d2", 2, "REMOVED")]),
        }),
    });
    const healthy = await client.railway.waitForDeployment(scope, "s", "d2", { timeoutMs: 20_000 });
    expect(healthy.id).toBe("d3");
    expect(client.log.join("\n")).toContain("superseded by d3");
  });

  test("names the failing step, without the secrets this client has read", async () => {
    const password = "geheim-of-the-database";
    await using client = await startClient({
      CutoverRawVariables: () => data({ variables: { DATABASE_URL: `postgresql://u:${password}@h/db` } }),
      CutoverDeployments: () => data({ deployments: page([deployment("d2", 2, "FAILED")]) }),
      CutoverDeploymentEvents: () =>
        data({
          deploymentEvents: page([
            { step: "BUILD_IMAGE", completedAt: instant, payload: null },
            {
              step: "HEALTHCHECK",
              completedAt: instant,
              payload: { error: `no login with ${password}\nat line 1` },
            },
          ]),
        }),
    });
    await client.railway.rawVariables(scope, "s");
    const error = await caught(client.railway.waitForDeployment(scope, "s", "d2", { timeoutMs: 20_000 }));
    expect(error.code).toBe("DEPLOYMENT_FAILED");
    expect(error.message).toContain("FAILED in the step HEALTHCHECK: no login with [redacted]");
    expect(error.describe()).not.toContain(password);
  });

  test.each([
    ["SKIPPED", "DEPLOYMENT_SKIPPED"],
    ["NEEDS_APPROVAL", "DEPLOYMENT_NEEDS_APPROVAL"],
    ["WAITING", "DEPLOYMENT_TIMEOUT"],
  ])("that ends in %s fails as %s", async (status, code) => {
    await using client = await startClient({
      CutoverDeployments: () => data({ deployments: page([deployment("d2", 2, status)]) }),
    });
    const error = await caught(client.railway.waitForDeployment(scope, "s", "d2", { timeoutMs: 20 }));
    expect(error.code).toBe(code);
    expect(error.message).toContain(status);
  });

  test("waits for the old deployment to be gone", async () => {
    await using client = await startClient({
      CutoverDeployment: (_, earlier) =>
        data({ deployment: deployment("d1", 1, earlier < 2 ? "REMOVING" : "REMOVED") }),
    });
    await client.railway.waitUntilRemoved(["d1"], { timeoutMs: 20_000 });
    expect(client.count("CutoverDeployment")).toBe(3);
  });
});

describe("watching a healthy deployment", () => {
  const running = { ...deployment("d2", 2, "SUCCESS"), instances: [{ id: "i", status: "RUNNING" }] };
  const watch = (
    client: Client,
    options: { healthySince?: Date; healthyForMs: number; timeoutMs?: number },
  ) =>
    client.railway.watchDeployment(scope, "s", "d2", {
      healthySince: new Date(),
      timeoutMs: 20_000,
      ...options,
    });
  const watched = (statuses: readonly string[], instances: readonly string[] = ["RUNNING"]) =>
    startClient({
      CutoverDeployments: (_, earlier) =>
        data({
          deployments: page([
            {
              ...running,
              status: statuses[Math.min(earlier, statuses.length - 1)],
              instances: [{ id: "i", status: instances[Math.min(earlier, instances.length - 1)] }],
            },
          ]),
        }),
    });

  test("looks until it has been healthy for long enough", async () => {
    await using client = await watched(["SUCCESS"]);
    expect(await watch(client, { healthyForMs: 200 })).toEqual({ kind: "steady" });
    expect(client.count("CutoverDeployments")).toBeGreaterThan(1);
  });

  test.each([
    ["has been so already", { healthySince: new Date(0), healthyForMs: 60_000 }],
    ["need not stay so", { healthyForMs: 0 }],
  ])("looks once where it %s", async (_, options) => {
    await using client = await watched(["SUCCESS"]);
    expect(await watch(client, options)).toEqual({ kind: "steady" });
    expect(client.count("CutoverDeployments")).toBe(1);
  });

  test("never waits longer than that, whatever the clock said that it began by", async () => {
    await using client = await watched(["SUCCESS"]);
    const healthySince = new Date(Date.now() + 3_600_000);
    expect(await watch(client, { healthySince, healthyForMs: 30 })).toEqual({ kind: "steady" });
  });

  test.each([
    ["crashes", ["SUCCESS", "SUCCESS", "CRASHED"], ["RUNNING"], "ended as CRASHED"],
    ["is started again", ["SUCCESS"], ["RUNNING", "RUNNING", "RESTARTING"], "starting its container again"],
  ])("ends as soon as it %s", async (_, statuses, instances, why) => {
    await using client = await watched(statuses, instances);
    const outcome = await watch(client, { healthyForMs: 600_000 });
    expect(outcome).toEqual({ kind: "failed", why: expect.stringContaining(why) });
    expect(client.count("CutoverDeployments")).toBe(3);
  });

  test("tells of the newer one that took its place", async () => {
    await using client = await startClient({
      CutoverDeployments: (_, earlier) =>
        data({ deployments: page(earlier < 2 ? [running] : [deployment("d3", 3, "SUCCESS"), running]) }),
    });
    expect(await watch(client, { healthyForMs: 600_000 })).toMatchObject({
      kind: "superseded",
      deployment: { id: "d3" },
    });
  });

  test("looks through an outage, and counts nothing that it did not see", async () => {
    const healthyForMs = 300;
    let outageEnds = Number.POSITIVE_INFINITY;
    await using client = await startClient({
      CutoverDeployments: (_, earlier) => {
        if (earlier === 0) outageEnds = performance.now() + healthyForMs;
        else if (performance.now() < outageEnds) return text(503, "unavailable");
        return data({ deployments: page([{ ...running, status: earlier === 0 ? "SUCCESS" : "CRASHED" }]) });
      },
    });
    expect(await watch(client, { healthyForMs })).toMatchObject({ kind: "failed" });
    expect(client.count("CutoverDeployments")).toBeGreaterThan(2);
  });

  test("gives up where nothing is decided", async () => {
    await using client = await startClient({
      CutoverDeployments: () =>
        data({ deployments: page([deployment("d3", 3, "BUILDING"), deployment("d2", 2, "REMOVED")]) }),
    });
    const error = await caught(watch(client, { healthyForMs: 0, timeoutMs: 30 }));
    expect(error.code).toBe("DEPLOYMENT_TIMEOUT");
  });
});

describe("a client within a signal", () => {
  const reason = new CutoverError({ code: "WRITE_PAUSE_LIMIT", message: "It is over.", remedy: "None." });
  const deployed = data({ deployments: page([deployment("d2", 2, "BUILDING")]) });

  test("ends a wait with the signal's reason", async () => {
    const over = new AbortController();
    await using client = await startClient({
      CutoverDeployments: (_, earlier) => {
        if (earlier === 2) over.abort(reason);
        return deployed;
      },
    });
    const waiting = client.railway.within(over.signal).waitForDeployment(scope, "s", "d2", {
      timeoutMs: 60_000,
    });
    expect(await caught(waiting)).toBe(reason);
  });

  test("ends a read that gets no answer", async () => {
    const over = new AbortController();
    await using client = await startClient({
      CutoverDeployments: () => () => over.abort(reason),
    });
    expect(await caught(client.railway.within(over.signal).listDeployments(scope, "s", 1))).toBe(reason);
    expect(client.peer.requests).toHaveLength(1);
  });

  test("sends no mutation any more, but waits for one that was sent", async () => {
    const over = new AbortController();
    let answered = false;
    await using client = await startClient({
      CutoverVariableUpsert: () => (response, request) => {
        over.abort(reason);
        setTimeout(() => {
          answered = true;
          data({ variableUpsert: true })(response, request);
        }, 50);
      },
      CutoverRawVariables: () => data({ variables: {} }),
    });
    const bound = client.railway.within(over.signal);
    const upsert = bound.setVariable(scope, "s", "GREETING", "hello");
    expect(await caught(upsert)).toBe(reason);
    expect(answered).toBe(true);
    expect(client.peer.operations()).toEqual(["CutoverVariableUpsert"]);
    expect(await caught(bound.setVariable(scope, "s", "GREETING", "hello"))).toBe(reason);
    expect(client.peer.requests).toHaveLength(1);
  });

  test("leaves the client that it was made of as it is", async () => {
    await using client = await startClient({ CutoverDeployments: () => deployed });
    const over = AbortSignal.abort(reason);
    expect(await caught(client.railway.within(over).listDeployments(scope, "s", 1))).toBe(reason);
    expect(await client.railway.listDeployments(scope, "s", 1)).toHaveLength(1);
  });
});

describe("a backup", () => {
  const created = { id: "b1", name: "before", createdAt: instant, usedMB: 5 };

  test("is awaited and returned as it is listed", async () => {
    await using client = await startClient({
      CutoverVolumeBackups: (_, earlier) => data({ volumeInstanceBackupList: earlier < 2 ? [] : [created] }),
      CutoverVolumeBackupCreate: () => data({ volumeInstanceBackupCreate: { workflowId: "w" } }),
      CutoverWorkflowStatus: (_, earlier) =>
        data({ workflowStatus: { status: ["NotFound", "Running", "Complete"][earlier] ?? "Complete" } }),
    });
    const backup = await client.railway.backupVolume(scope, "vi", "before", { timeoutMs: 20_000 });
    expect(backup).toMatchObject({ id: "b1", name: "before" });
  });

  test("whose answer was lost is found in the list", async () => {
    await using client = await startClient({
      CutoverVolumeBackups: (_, earlier) => data({ volumeInstanceBackupList: earlier < 2 ? [] : [created] }),
      CutoverVolumeBackupCreate: () => reset,
    });
    expect((await client.railway.backupVolume(scope, "vi", "before", { timeoutMs: 20_000 })).id).toBe("b1");
    expect(client.count("CutoverVolumeBackupCreate")).toBe(1);
  });

  test("that fails says so", async () => {
    await using client = await startClient({
      CutoverVolumeBackups: () => data({ volumeInstanceBackupList: [] }),
      CutoverVolumeBackupCreate: () => data({ volumeInstanceBackupCreate: { workflowId: "w" } }),
      CutoverWorkflowStatus: () => data({ workflowStatus: { status: "Error", error: "volume too full" } }),
    });
    const error = await caught(client.railway.backupVolume(scope, "vi", "before", { timeoutMs: 20_000 }));
    expect(error.code).toBe("BACKUP_FAILED");
    expect(error.message).toContain("volume too full");
  });
});

type Client = Awaited<ReturnType<typeof startClient>>;

/** @param settleTimeoutMs so long that what comes is seen on a busy machine too; short where nothing comes */
async function startClient(
  script: Script,
  { kind = "account", settleTimeoutMs = 60_000 }: { kind?: RailwayTokenKind; settleTimeoutMs?: number } = {},
) {
  const asked = new Map<string, number>();
  const peer = await startScriptedPeer((response, request) => {
    const entry = script[request.operation];
    if (entry === undefined) throw new Error(`unexpected operation ${request.operation}`);
    const earlier = asked.get(request.operation) ?? 0;
    asked.set(request.operation, earlier + 1);
    entry(request, earlier)(response, request);
  });
  const log: string[] = [];
  const railway: Railway = createRailway({
    token: createRailwayToken(kind, "token-of-the-test"),
    endpoint: peer.endpoint,
    pollIntervalMs: 5,
    settleTimeoutMs,
    limits: { retryDelayMs: 1, attempts: 2 },
    log: (line) => log.push(line),
  });
  const count = (name: string) => peer.operations().filter((operation) => operation === name).length;
  return { railway, peer, log, count, [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose]() };
}

function page(nodes: readonly unknown[], endCursor?: string) {
  return {
    edges: nodes.map((node) => ({ node })),
    pageInfo: { hasNextPage: endCursor !== undefined, endCursor: endCursor ?? null },
  };
}

function inventory(serviceInstances: unknown, volumeInstances: unknown): Reply {
  return data({ environment: { serviceInstances, volumeInstances } });
}

function named(id: string, name: string) {
  return { id, name, deletedAt: null };
}

function service(serviceId: string, serviceName: string) {
  return { serviceId, serviceName, deletedAt: null, preDeployCommand: null, activeDeployments: [] };
}

function volume(volumeId: string, serviceId: string) {
  return {
    id: `${volumeId}-instance`,
    volumeId,
    serviceId,
    mountPath: "/var/lib/postgresql/data",
    state: "READY",
    isPendingDeletion: false,
    currentSizeMB: 1.5,
    sizeMB: 500,
  };
}

function deployment(id: string, number: number, status: string) {
  return {
    id,
    status,
    createdAt: new Date(number * 1000).toISOString(),
    serviceId: "s",
    environmentId: "e",
    deploymentStopped: false,
    canRollback: false,
    instances: [],
  };
}

async function caught(promise: Promise<unknown>): Promise<CutoverError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof CutoverError)) throw new Error("expected a CutoverError", { cause: error });
  return error;
}
