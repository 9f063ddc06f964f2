import { expect, test } from "vitest";
import { withdrawDeployment } from "../../../components/migration/switch/withdraw-deployment.ts";
import { createRailway } from "../../../components/railway/railway.ts";
import { createRailwayToken } from "../../../components/railway/token.ts";
import type { DeploymentFault } from "../../world/railway/platform.ts";
import { startTestWorld, type TestWorld } from "../../world/railway/test-world.ts";

async function withdraw(world: TestWorld, deploymentId: string): Promise<string[]> {
  const lines: string[] = [];
  const railway = createRailway({
    token: createRailwayToken("project", world.simulator.tokens.project),
    endpoint: world.simulator.url,
    pollIntervalMs: 20,
    settleTimeoutMs: 200,
    limits: { retryDelayMs: 5, attempts: 2 },
  });
  const reporter = { step: () => {}, detail: (line: string) => void lines.push(line) };
  await withdrawDeployment({ railway, reporter }, "web", deploymentId);
  return lines;
}

const statuses = (world: TestWorld) => world.simulator.deployments("web").map(({ status }) => status);

test.each<DeploymentFault>(["NEEDS_APPROVAL", "HANG_QUEUED", "HANG_DEPLOYING"])(
  "what waits in vain (%s) is cancelled, and what serves is left alone",
  async (fault) => {
    await using world = await startTestWorld();
    world.simulator.failNext("web", fault);
    const pending = world.simulator.pushDeployment("web");
    await world.simulator.settle();
    expect(await withdraw(world, pending)).toEqual([]);
    expect(statuses(world)).toEqual(["SUCCESS", "REMOVED"]);
    expect(world.simulator.mutations()).toEqual(["deploymentCancel"]);
  },
);

test("what runs, or is over, is left as it is", async () => {
  await using world = await startTestWorld();
  world.simulator.failNext("web", "BUILD");
  const failed = world.simulator.pushDeployment("web");
  await world.simulator.settle();
  const [serving] = world.simulator.deployments("web");
  for (const id of [failed, serving?.id ?? ""]) expect(await withdraw(world, id)).toEqual([]);
  expect(statuses(world)).toEqual(["SUCCESS", "FAILED"]);
  expect(world.simulator.mutations()).toEqual([]);
});

test("what cannot be cancelled is told", async () => {
  await using world = await startTestWorld();
  world.simulator.failNext("web", "NEEDS_APPROVAL");
  const pending = world.simulator.pushDeployment("web");
  await world.simulator.settle();
  world.simulator.failRequests({
    operation: "deploymentCancel",
    mode: "not-authorized",
    times: Number.POSITIVE_INFINITY,
  });
  expect(await withdraw(world, pending)).toEqual([
    expect.stringMatching(
      new RegExp(`web: cancel its deployment ${pending} on Railway.*RAILWAY_NOT_AUTHORIZED`),
    ),
  ]);
});
