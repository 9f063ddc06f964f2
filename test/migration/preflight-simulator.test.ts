import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { MigrationInputs } from "../../components/migration/inputs.ts";
import { makePlan, renderPlan, verdictOf } from "../../components/migration/plan.ts";
import { type PreflightResult, runPreflight } from "../../components/migration/preflight/run-preflight.ts";
import type { ConnectionTarget } from "../../components/postgres/connection.ts";
import { createRailway } from "../../components/railway/railway.ts";
import { createRailwayToken } from "../../components/railway/token.ts";
import { createDatabase, type TestDatabase } from "../world/postgres/databases.ts";
import { sharedServers } from "../world/postgres/shared.ts";
import { loadSourceFixture, sentinelMarker } from "../world/postgres/source-fixture.ts";
import { loadTargetFixture } from "../world/postgres/target-fixture.ts";
import { buildHealthcareWorld, healthcareServiceNames } from "../world/railway/healthcare-world.ts";
import { quickPace } from "../world/railway/pace.ts";
import { type Simulator, startSimulator } from "../world/railway/simulator.ts";
import { schemaSdl } from "../world/railway/test-world.ts";

let simulator: Simulator | undefined;
let databases: { source: TestDatabase; target: TestDatabase };
let ledgerFolder: string;
let result: PreflightResult;

const servers = sharedServers();

beforeAll(async () => {
  databases = { source: await createDatabase(servers.source), target: await createDatabase(servers.target) };
  await loadSourceFixture(databases.source.connection, { rows: 5_000 });
  await loadTargetFixture(databases.target.connection, { hasPgvector: servers.target.hasPgvector });
  ledgerFolder = await mkdtemp(join(tmpdir(), "preflight-"));
  simulator = await startSimulator({
    schemaSdl,
    pace: quickPace,
    world: buildHealthcareWorld({
      postgres: accountOf(databases.source.connection),
      pgvector: accountOf(databases.target.connection),
      ledgerFolder,
    }),
  });
  result = await runPreflight({
    railway: createRailway({
      token: createRailwayToken("project", simulator.tokens.project),
      endpoint: simulator.url,
    }),
    inputs,
    mode: "run",
  });
});

afterAll(async () => {
  await simulator?.stop();
  await Promise.all([databases?.source.drop(), databases?.target.drop()]);
  await rm(ledgerFolder, { recursive: true, force: true });
});

test("nothing blocks the move of the clinic's application, which is writing meanwhile", () => {
  expect(result.findings.filter(({ severity }) => severity !== "warning")).toEqual([]);
});

test("Railway was only asked, never told", () => {
  expect(simulator?.requests().length).toBeGreaterThan(0);
  expect(simulator?.mutations()).toEqual([]);
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
  hooks: { beforeSwitch: null },
  transport: {
    source: { via: "public" },
    target: { via: "public" },
    plaintextReason: "the local world has no real patients",
  },
};
