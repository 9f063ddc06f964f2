import { describe, expect, test } from "vitest";
import { createRailway, type Railway } from "../../components/railway/railway.ts";
import { reference } from "../../components/railway/references.ts";
import { createRailwayToken, type RailwayTokenKind } from "../../components/railway/token.ts";
import { startTestWorld, type TestWorld } from "../world/railway/test-world.ts";

/** Reads lag behind writes, so that a client which trusts its first look fails. */
const laggingPace = { readLagMs: [0, 150] } as const;
const names = { project: "clinic", environment: "production" };
const waiting = { timeoutMs: 30_000 };

describe("the client on the simulator", () => {
  test.each(["account", "workspace", "project"] satisfies RailwayTokenKind[])(
    "reads the whole environment with a token of kind %s",
    async (kind) => {
      await using world = await startTestWorld();
      const railway = clientOf(world, kind);
      const scope = await railway.resolveEnvironment(names);
      expect(scope).toMatchObject({ projectId: world.projectId, environmentId: world.environmentId });
      const services = await railway.listServices(scope);
      expect(services.map(({ name }) => name).sort()).toEqual(
        world.world.services.map(({ name }) => name).sort(),
      );
      const source = await railway.findService(scope, "Postgres");
      expect(source).toMatchObject({
        id: world.serviceId("Postgres"),
        volume: { mountPath: "/var/lib/postgresql/data" },
        latestDeployment: { status: "SUCCESS" },
      });
      const rendered = await railway.renderedVariables(scope, source.id);
      expect(rendered.get("DATABASE_URL")).toContain("postgres.railway.internal");
      expect((await railway.rawVariables(scope, source.id)).get("DATABASE_URL")).toContain(
        "${{POSTGRES_PASSWORD}}",
      );
      expect(await railway.rawVariables(scope, null)).toEqual(new Map());
      expect((await railway.variableRecords(scope)).map(({ name }) => name)).toContain("POSTGRES_PASSWORD");
      expect(await railway.tcpProxies(scope, source.id)).toHaveLength(1);
      expect((await railway.readService(scope, source.id))?.name).toBe("Postgres");
      const facts = await railway.environmentFacts(scope);
      expect(facts).toMatchObject({ canAccess: true, unmergedChangesCount: 0 });
      expect(facts.projectEnvironments?.length).toBe(kind === "project" ? undefined : 2);
      expect(world.simulator.mutations()).toEqual([]);
    },
  );

  test("moves a service once, although both mutations are applied and then cut off", async () => {
    await using world = await startTestWorld({ pace: laggingPace });
    const railway = clientOf(world);
    const scope = await railway.resolveEnvironment(names);
    const app = await railway.findService(scope, "@healthcare/api");
    const wanted = reference("pgvector", "DATABASE_URL");
    world.simulator.failRequests({ operation: "variableUpsert", mode: "reset-after-apply", times: 1 });
    world.simulator.failRequests({
      operation: "serviceInstanceDeployV2",
      mode: "reset-after-apply",
      times: 1,
    });

    await railway.setVariable(scope, app.id, "DATABASE_URL", wanted);
    const id = await railway.deploy(scope, app.id);
    const healthy = await railway.waitForDeployment(scope, app.id, id, waiting);
    await railway.waitUntilRemoved(
      app.activeDeployments.map((deployment) => deployment.id),
      waiting,
    );

    expect(healthy).toMatchObject({ id, status: "SUCCESS" });
    expect((await railway.deploymentVariables(id))?.get("DATABASE_URL")).toContain(
      "pgvector.railway.internal",
    );
    expect(world.simulator.mutations()).toEqual(["variableUpsert", "serviceInstanceDeployV2"]);
    expect(world.simulator.deployments("@healthcare/api").map(({ status }) => status)).toEqual([
      "REMOVED",
      "SUCCESS",
    ]);
  });

  test("finds its deployment when Railway answers with a foreign id", async () => {
    await using world = await startTestWorld({ quirks: { deployAnswersForeignId: true } });
    const railway = clientOf(world);
    const scope = await railway.resolveEnvironment(names);
    const id = await railway.deploy(scope, world.serviceId("web"));
    expect(world.simulator.deployments("web").at(-1)?.id).toBe(id);
  });

  test.each([
    "429",
    "429-html",
    "500",
    "html-403",
    "problem-processing",
    "in-band-rate-limit",
    "not-authorized",
  ] as const)("gets over a passing %s in a read", async (mode) => {
    await using world = await startTestWorld();
    const railway = clientOf(world);
    const scope = await railway.resolveEnvironment(names);
    world.simulator.failRequests({ operation: "variables", mode, times: 1 });
    expect((await railway.rawVariables(scope, world.serviceId("Postgres"))).size).toBeGreaterThan(0);
  });

  test.each(["429", "500", "html-403", "problem-processing", "in-band-rate-limit"] as const)(
    "gets over a passing %s in a mutation",
    async (mode) => {
      await using world = await startTestWorld();
      const railway = clientOf(world);
      const scope = await railway.resolveEnvironment(names);
      world.simulator.failRequests({ operation: "variableUpsert", mode, times: 1 });
      await railway.setVariable(scope, world.serviceId("web"), "GREETING", "good morning");
      expect((await railway.rawVariables(scope, world.serviceId("web"))).get("GREETING")).toBe(
        "good morning",
      );
      expect(world.simulator.deployments("web")).toHaveLength(1);
    },
  );

  test("creates a database once, whatever is cut off, and leaves a finished one alone", async () => {
    const server = { host: "127.0.0.1", port: 5403, stop: async () => {}, start: async () => {} };
    await using world = await startTestWorld({
      pace: laggingPace,
      world: { createDatabaseServer: async () => server },
    });
    const railway = clientOf(world);
    const scope = await railway.resolveEnvironment(names);
    for (const operation of ["serviceCreate", "volumeCreate", "tcpProxyCreate"]) {
      world.simulator.failRequests({ operation, mode: "reset-after-apply", times: 1 });
    }
    const request = {
      name: "vectors",
      image: "pgvector/pgvector:pg17",
      mountPath: "/var/lib/postgresql/data",
      variables: { POSTGRES_PASSWORD: "first-password" },
      tcpProxyPort: 5432,
    };
    const created = await railway.createPostgresService(scope, request);
    expect(created).toMatchObject({ name: "vectors", volume: { mountPath: "/var/lib/postgresql/data" } });
    const sent = world.simulator.mutations();
    for (const operation of ["serviceCreate", "volumeCreate", "tcpProxyCreate"]) {
      expect(sent.filter((name) => name === operation)).toHaveLength(1);
    }
    const again = await railway.createPostgresService(scope, {
      ...request,
      variables: { POSTGRES_PASSWORD: "second-password" },
    });
    expect(again.id).toBe(created.id);
    expect(world.simulator.mutations()).toEqual(sent);
    expect((await railway.rawVariables(scope, created.id)).get("POSTGRES_PASSWORD")).toBe("first-password");
    await expect(
      railway.createPostgresService(scope, { ...request, name: "Postgres" }),
    ).rejects.toMatchObject({
      code: "SERVICE_NAME_TAKEN",
    });
  });

  test("backs up, stops and removes the old database in this environment only", async () => {
    await using world = await startTestWorld({ pace: laggingPace });
    const railway = clientOf(world);
    const scope = await railway.resolveEnvironment(names);
    const old = await railway.findService(scope, "Postgres");
    const backup = await railway.backupVolume(scope, old.volume?.instanceId ?? "", "before removal", waiting);
    expect((await railway.listVolumeBackups(old.volume?.instanceId ?? "")).map(({ id }) => id)).toContain(
      backup.id,
    );
    await railway.stopDeployment(old.latestDeployment?.id ?? "");
    expect(world.serverCalls).toContain("stop Postgres");
    world.simulator.failRequests({ operation: "volumeDelete", mode: "reset-after-apply", times: 1 });
    world.simulator.failRequests({ operation: "serviceDelete", mode: "reset-after-apply", times: 1 });
    for (let times = 0; times < 2; times += 1) {
      await railway.deleteVolume(scope, old.volume?.id ?? "", old.id);
      await railway.deleteService(scope, old.id);
    }
    const deletions = world.simulator.mutations().filter((name) => /Delete$/.test(name));
    expect(deletions).toEqual(["volumeDelete", "serviceDelete"]);
    expect(world.simulator.inspect().services.find(({ id }) => id === old.id)?.deletedAt).toBeNull();
  });
});

function clientOf(world: TestWorld, kind: RailwayTokenKind = "account"): Railway {
  return createRailway({
    token: createRailwayToken(kind, world.simulator.tokens[kind]),
    endpoint: world.simulator.url,
    pollIntervalMs: 20,
    settleTimeoutMs: 1_500,
    limits: { retryDelayMs: 5 },
  });
}
