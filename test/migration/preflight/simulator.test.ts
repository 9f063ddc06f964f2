import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { MigrationInputs } from "../../../components/migration/inputs.ts";
import { makePlan, renderPlan, verdictOf } from "../../../components/migration/plan.ts";
import { type PreflightResult, runPreflight } from "../../../components/migration/preflight/run-preflight.ts";
import type { ConnectionTarget } from "../../../components/postgres/connection.ts";
import { createRailway } from "../../../components/railway/railway.ts";
import { createRailwayToken } from "../../../components/railway/token.ts";
import { createDatabase, type TestDatabase } from "../../world/postgres/databases.ts";
import { sharedServers } from "../../world/postgres/shared.ts";
import { loadSourceFixture, sentinelMarker } from "../../world/postgres/source-fixture.ts";
import { loadTargetFixture } from "../../world/postgres/target-fixture.ts";
import { buildHealthcareWorld, healthcareServiceNames } from "../../world/railway/healthcare-world.ts";
import { quickPace } from "../../world/railway/pace.ts";
import type { Quirks } from "../../world/railway/quirks.ts";
import { type Simulator, startSimulator } from "../../world/railway/simulator.ts";
import { schemaSdl } from "../../world/railway/test-world.ts";
import { summarise } from "./world.ts";

let simulator: Simulator;
let databases: { source: TestDatabase; target: TestDatabase };
let ledgerFolder: string;
let result: PreflightResult;
let asked: Record<string, number>;

const servers = sharedServers();

beforeAll(async () => {
  databases = { source: await createDatabase(servers.source), target: await createDatabase(servers.target) };
  await loadSourceFixture(databases.source.connection, { rows: 5_000 });
  await loadTargetFixture(databases.target.connection, { hasPgvector: servers.target.hasPgvector });
  ledgerFolder = await mkdtemp(join(tmpdir(), "preflight-"));
  simulator = await startWorld();
  result = await look(simulator, "preview");
  asked = Object.fromEntries(
    [...Map.groupBy(simulator.requests(), ({ operationName }) => operationName)].map(([name, requests]) => [
      name,
      requests.length,
    ]),
  );
});

afterAll(async () => {
  await simulator?.stop();
  await Promise.all([databases?.source.drop(), databases?.target.drop()]);
  await rm(ledgerFolder, { recursive: true, force: true });
});

test("nothing blocks the move of the clinic's application, which is writing meanwhile", () => {
  expect(result.findings.filter(({ severity }) => severity !== "warning")).toEqual([]);
});

test("a preview only asks Railway, a few times", () => {
  expect(simulator.mutations()).toEqual([]);
  expect(asked).toEqual({
    CutoverProjectToken: 1,
    CutoverEnvironmentState: 1,
    CutoverEnvironmentServices: 1,
    CutoverEnvironmentSettings: 1,
    CutoverEnvironmentVariables: 1,
    CutoverProjectAccess: 1,
    CutoverRawVariables: 1,
    CutoverRawVariablesOf: 1,
    CutoverServiceVariables: 6,
    CutoverVolumeBackups: 2,
  });
});

describe("the token's rights", () => {
  const isAboutRights = (line: string) => line.includes("TOKEN_");

  test("are tried in a run by mutations that change nothing", async () => {
    const earlier = { state: contentsOf(simulator), mutations: simulator.mutations().length };
    expect(summarise(await look(simulator, "run")).filter(isAboutRights)).toEqual([]);
    const tried = healthcareServiceNames.map(() => "variableCollectionUpsert");
    expect(simulator.mutations().slice(earlier.mutations)).toEqual(tried);
    expect(contentsOf(simulator)).toEqual(earlier.state);
  });

  test("are not tried when something else blocks", async () => {
    const earlier = simulator.mutations().length;
    const blocked = await look(simulator, "run", { schemas: ["public", "practice_managment"] });
    expect(summarise(blocked)).toContain("blocker SCHEMA_MISSING practice_managment");
    expect(simulator.mutations().length).toBe(earlier);
  });

  test("that are missing block a run, and a preview where Railway tells", async () => {
    const world = await startWorld({ tokensReadOnly: true });
    onTestFinished(() => world.stop());
    expect(summarise(await look(world, "preview")).filter(isAboutRights)).toEqual([]);
    expect(
      summarise(await look(world, "run"))
        .filter(isAboutRights)
        .toSorted(),
    ).toEqual(healthcareServiceNames.map((name) => `blocker TOKEN_READS_ONLY ${name}`).toSorted());
    expect(summarise(await look(world, "preview", {}, "account")).filter(isAboutRights)).toEqual([
      "blocker TOKEN_READS_ONLY DOCTORES-SEO-PACIENTE-MGMT",
    ]);
  });

  test("that Railway gives no answer about are a warning", async () => {
    simulator.failRequests({ operation: "variableCollectionUpsert", mode: "problem-processing", times: 1 });
    const unproven = summarise(await look(simulator, "run")).filter(isAboutRights);
    expect(unproven).toEqual([expect.stringMatching(/^warning TOKEN_RIGHTS_UNPROVEN @healthcare\//)]);
  });

  test("do not help where Railway allows nobody to deploy", async () => {
    const world = await startWorld({ deploymentsDisallowed: "The workspace's trial has ended." });
    onTestFinished(() => world.stop());
    const { findings } = await look(world, "preview");
    expect(findings.find(({ code }) => code === "DEPLOYMENTS_DISALLOWED")).toMatchObject({
      severity: "blocker",
      why: expect.stringContaining("trial has ended"),
    });
  });
});

test("the plan shows all four services, is not blocked, and leaks nothing", () => {
  const plan = makePlan(result);
  expect(verdictOf(plan)).toBe("ready");
  expect(plan.services.map(({ name }) => name).toSorted()).toEqual([...healthcareServiceNames].toSorted());
  for (const { variables } of plan.services) {
    expect(variables).toEqual([
      { name: "DATABASE_URL", from: "${{Postgres.DATABASE_URL}}", to: "${{pgvector.DATABASE_URL}}" },
    ]);
  }
  expect(plan.contents?.tables).toBeGreaterThanOrEqual(35);
  const text = renderPlan(plan, { width: 100 }) + JSON.stringify(plan);
  for (const secret of [servers.source.password, servers.target.password, sentinelMarker]) {
    expect(text).not.toContain(secret);
  }
});

async function startWorld(quirks: Partial<Quirks> = {}): Promise<Simulator> {
  return startSimulator({
    schemaSdl,
    pace: quickPace,
    quirks,
    world: buildHealthcareWorld({
      postgres: accountOf(databases.source.connection),
      pgvector: accountOf(databases.target.connection),
      ledgerFolder,
    }),
  });
}

async function look(
  world: Simulator,
  mode: "preview" | "run",
  change: Partial<MigrationInputs> = {},
  kind: "project" | "account" = "project",
): Promise<PreflightResult> {
  const token = createRailwayToken(kind, world.tokens[kind]);
  return runPreflight({
    railway: createRailway({ token, endpoint: world.url }),
    inputs: { ...inputs, ...change },
    mode,
  });
}

/** What a try must not change. */
function contentsOf(world: Simulator) {
  const { variables, deployments } = world.inspect();
  return { variables, deployments: deployments.map(({ id }) => id) };
}

function accountOf({ host, port, user, password, database }: ConnectionTarget) {
  // The servers are shared by all test files: this one may not stop them.
  return { user, password, database, server: { host, port, stop: async () => {}, start: async () => {} } };
}

const inputs: MigrationInputs = {
  project: "DOCTORES-SEO-PACIENTE-MGMT",
  environment: "production",
  source: "Postgres",
  target: "pgvector",
  schemas: ["public", "medical_records", "practice_management"],
  protectedSchemas: ["llm_assistant"],
  services: healthcareServiceNames.map((name, index) => ({
    name,
    variables: ["DATABASE_URL"],
    healthCheckUrl: null,
    wave: Math.min(index, 1),
    startsReadOnly: true,
  })),
  accept: servers.target.hasPgvector
    ? []
    : [{ code: "VECTOR_MISSING", object: "target", reason: "this machine has no pgvector" }],
  limits: {
    writePauseMs: 300_000,
    lockTimeoutMs: 10_000,
    deploymentTimeoutMs: 300_000,
    healthyForMs: 10_000,
  },
  onFailure: "put-back",
  copy: { workers: 2 },
  backups: { beforeCutover: "required", reason: null, reuseForMs: 3_600_000, timeoutMs: 60_000 },
  hooks: { beforeSwitch: null },
  transport: {
    source: { via: "plaintext", reason: "the local world has no real patients" },
    target: { via: "plaintext", reason: "the local world has no real patients" },
  },
};
