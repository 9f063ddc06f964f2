import { expect, test } from "vitest";
import { type AppServiceInputs, observeAppService } from "../../components/migration/app-service.ts";
import { createRailway, type Railway } from "../../components/railway/railway.ts";
import { createRailwayToken } from "../../components/railway/token.ts";
import { patienceMs } from "../patience.ts";
import { eventually, startTestWorld, type TestWorld } from "../world/railway/test-world.ts";

const service = "@healthcare/api";
const oldText = "${{Postgres.DATABASE_URL}}";
const newText = "${{pgvector.DATABASE_URL}}";

const inputs: AppServiceInputs = {
  project: "clinic",
  environment: "production",
  source: "Postgres",
  target: "pgvector",
  transport: { source: { via: "private" }, target: { via: "private" } },
  service,
  database: "source",
  variables: { DATABASE_URL: oldText },
  observeOnly: false,
  healthCheckUrl: null,
  deploymentTimeoutMs: patienceMs,
};

function clientOf(world: TestWorld): Railway {
  const { simulator } = world;
  return createRailway({
    token: createRailwayToken("project", simulator.tokens.project),
    endpoint: simulator.url,
  });
}

test("a service that runs with an older password of its database is not deployed as it should be", async () => {
  await using world = await startTestWorld();
  const railway = clientOf(world);
  expect((await observeAppService(railway, inputs)).deployed).toBe(true);
  world.simulator.setVariableByHand("Postgres", "POSTGRES_PASSWORD", "r0tated");
  const observed = await observeAppService(railway, inputs);
  expect(observed).toMatchObject({ variables: { DATABASE_URL: oldText }, deployed: false });
  expect(JSON.stringify(observed)).not.toContain("r0tated");
});

test("while two deployments overlap the newer one is looked at, in whichever order they are listed", async () => {
  await using world = await startTestWorld({ pace: { overlapMs: [60_000, 60_000] } });
  world.simulator.setVariableByHand(service, "DATABASE_URL", newText, { deploy: true });
  await eventually(() => world.simulator.deployments(service)[1]?.status === "SUCCESS");
  const railway = clientOf(world);
  const newest = world.simulator.deployments(service)[1]?.id;
  for (const turn of [false, true]) {
    const findService: Railway["findService"] = async (...wanted) => {
      const found = await railway.findService(...wanted);
      expect(found.activeDeployments).toHaveLength(2);
      return turn ? { ...found, activeDeployments: found.activeDeployments.toReversed() } : found;
    };
    const observed = await observeAppService({ ...railway, findService }, inputs);
    expect(observed).toMatchObject({ deployed: true, deploymentId: newest });
  }
});

test("what Railway does not show of a deployment is not taken for a difference", async () => {
  await using world = await startTestWorld();
  const railway = clientOf(world);
  const masked = { ...railway, deploymentVariables: async () => new Map([["DATABASE_URL", null]]) };
  expect((await observeAppService(masked, inputs)).deployed).toBe(true);
});
