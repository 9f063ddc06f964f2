import { afterEach, describe, expect, test, vi } from "vitest";
import {
  applyVariables,
  deployWithVariables,
  proveDeployment,
  type ServiceSwitch,
  waitUntilAlone,
} from "../../../components/migration/switch/service-switch.ts";
import { createRailway, type Railway } from "../../../components/railway/railway.ts";
import { createRailwayToken } from "../../../components/railway/token.ts";
import type { Intercept } from "../../world/railway/api-server.ts";
import type { Pace } from "../../world/railway/pace.ts";
import type { DeploymentFault } from "../../world/railway/platform.ts";
import type { RequestFault } from "../../world/railway/request-faults.ts";
import { eventually, startTestWorld, type TestWorld } from "../../world/railway/test-world.ts";

const api = "@healthcare/api";
const oldText = "${{Postgres.DATABASE_URL}}";
const newText = "${{pgvector.DATABASE_URL}}";
const requestTimeoutMs = 500;
const lasting = Number.POSITIVE_INFINITY;

/** One service of a simulated Railway, and its switch to the other database. */
interface Here extends AsyncDisposable {
  readonly world: TestWorld;
  readonly railway: Railway;
  readonly move: ServiceSwitch;
  readonly lines: string[];
  /** The ids that the journal would have been told. */
  readonly noted: string[];
  /** The whole switch of the service; the id of the deployment that serves in the end. */
  run(changes?: Partial<ServiceSwitch>, ongoing?: string | null): Promise<string>;
  /** Status of each deployment, the oldest first. */
  statuses(): string[];
  /** The host that a deployment was given. */
  hostOf(id: string): string;
  executed(operation: string): number;
}

async function start(
  options: { pace?: Partial<Pace>; intercept?: Intercept; settleTimeoutMs?: number } = {},
): Promise<Here> {
  const world = await startTestWorld(options);
  const railway = createRailway({
    token: createRailwayToken("project", world.simulator.tokens.project),
    endpoint: world.simulator.url,
    pollIntervalMs: 20,
    settleTimeoutMs: options.settleTimeoutMs ?? 1_500,
    limits: { retryDelayMs: 5, attempts: 3, requestTimeoutMs },
  });
  const scope = await railway.resolveEnvironment({ project: "clinic", environment: "production" });
  const lines: string[] = [];
  const noted: string[] = [];
  const move: ServiceSwitch = {
    scope,
    serviceId: world.serviceId(api),
    name: api,
    desired: new Map([["DATABASE_URL", { text: newText, host: "pgvector.railway.internal" }]]),
    healthCheckUrl: `${world.simulator.serviceUrl(api)}/health`,
    deploymentTimeoutMs: 15_000,
    reporter: { step: () => {}, detail: (line) => void lines.push(line) },
  };
  const deployments = () => world.simulator.deployments(api);
  const replaced = deployments().map(({ id }) => id);
  return {
    world,
    railway,
    move,
    lines,
    noted,
    async run(changes = {}, ongoing = null) {
      const wanted = { ...move, ...changes };
      await applyVariables(railway, wanted);
      const id = await deployWithVariables(railway, wanted, ongoing, {
        onDeploying: async (told) => void noted.push(told),
      });
      await waitUntilAlone(railway, wanted, id, replaced);
      await proveDeployment(railway, wanted, id);
      return id;
    },
    statuses: () => deployments().map(({ status }) => status),
    hostOf: (id) =>
      new URL(deployments().find((one) => one.id === id)?.variables.DATABASE_URL ?? "none:").hostname,
    executed: (operation) => world.simulator.mutations().filter((name) => name === operation).length,
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
}

/** Runs once, at the moment that the named mutation was carried out and before it is answered. */
function afterMutation(operation: string, act: () => unknown): Intercept {
  let done = false;
  return async ({ rootFields, stage }) => {
    if (!done && stage === "after" && rootFields.includes(operation)) {
      done = true;
      await act();
    }
    return "go-on";
  };
}

async function expectMoved(here: Here, id: string): Promise<void> {
  expect(here.hostOf(id)).toBe("pgvector.railway.internal");
  expect(here.statuses().at(-1)).toBe("SUCCESS");
  expect(here.noted.at(-1)).toBe(id);
  await here.world.simulator.settle();
  expect(here.statuses().filter((status) => status === "SUCCESS")).toHaveLength(1);
}

describe("a fault of one request", () => {
  const passing: ReadonlyArray<Pick<RequestFault, "mode" | "delayMs">> = [
    { mode: "429" },
    { mode: "429-html" },
    { mode: "500" },
    { mode: "html-403" },
    { mode: "problem-processing" },
    { mode: "in-band-rate-limit" },
    { mode: "reset-after-apply" },
    { mode: "timeout-before-apply" },
    { mode: "timeout-before-apply", delayMs: 100 },
    { mode: "timeout-after-apply" },
    { mode: "timeout-after-apply", delayMs: requestTimeoutMs + 200 },
    { mode: "slow-apply", delayMs: requestTimeoutMs + 300 },
  ];

  test.for(passing)("moves the service once, whichever mutation meets it: %o", async (fault) => {
    await using here = await start();
    for (const operation of ["variableUpsert", "serviceInstanceDeployV2"]) {
      here.world.simulator.failRequests({ ...fault, operation, times: 1 });
    }
    await expectMoved(here, await here.run());
    expect(here.executed("variableUpsert")).toBe(1);
    expect(here.executed("serviceInstanceDeployV2")).toBe(1);
  });
});

describe("an outage that lasts", () => {
  test.for<[RequestFault["mode"], string]>([
    ["429", "RAILWAY_RATE_LIMITED"],
    ["html-403", "RAILWAY_RATE_LIMITED"],
    ["in-band-rate-limit", "RAILWAY_RATE_LIMITED"],
    ["500", "RAILWAY_MUTATION_UNCERTAIN"],
    ["problem-processing", "RAILWAY_MUTATION_UNCERTAIN"],
    ["timeout-before-apply", "RAILWAY_MUTATION_UNCERTAIN"],
    ["not-authorized", "RAILWAY_NOT_AUTHORIZED"],
  ])("of the deployment's mutation ends, with %s as %s, and deploys nothing", async ([mode, code]) => {
    await using here = await start();
    here.world.simulator.failRequests({ operation: "serviceInstanceDeployV2", mode, times: lasting });
    await expect(here.run()).rejects.toMatchObject({
      code,
      message: expect.stringContaining("ServiceDeploy"),
    });
    expect(here.statuses()).toEqual(["SUCCESS"]);
    expect(here.noted).toEqual([]);
  });

  test.for<[RequestFault["mode"], string]>([
    ["500", "RAILWAY_UNREACHABLE"],
    ["timeout-before-apply", "RAILWAY_UNREACHABLE"],
    ["429-html", "RAILWAY_RATE_LIMITED"],
    ["problem-processing", "RAILWAY_REQUEST_FAILED"],
  ])("of everything ends, with %s as %s", async ([mode, code]) => {
    await using here = await start();
    here.world.simulator.failRequests({ mode, times: lasting });
    await expect(here.run()).rejects.toMatchObject({ code });
    expect(here.world.simulator.mutations()).toEqual([]);
  });

  test("of everything, lifted while the deployment is under way, costs nothing but time", async () => {
    await using here = await start({ pace: { buildingMs: [300, 300] } });
    const { simulator } = here.world;
    const detail = (line: string) => {
      if (!line.includes("deployment building")) return;
      simulator.failRequests({ mode: "500", times: lasting });
      void simulator.settle().then(() => simulator.clearRequestFaults());
    };
    await expectMoved(here, await here.run({ reporter: { step: () => {}, detail } }));
    expect(here.executed("serviceInstanceDeployV2")).toBe(1);
  });
});

describe("reads that lag by seconds", () => {
  const lag: Partial<Pace> = { readLagMs: [1_200, 1_800], renderLagMs: 800 };
  const settleTimeoutMs = 6_000;

  test("make it neither deploy twice nor prove the wrong deployment", async () => {
    await using here = await start({ pace: lag, settleTimeoutMs });
    await expectMoved(here, await here.run());
    expect(here.statuses()).toEqual(["REMOVED", "SUCCESS"]);
  });

  test("do not hide a deployment that an interrupted run noted", async () => {
    await using here = await start({ settleTimeoutMs });
    await applyVariables(here.railway, here.move);
    here.world.simulator.setPace(lag);
    const ongoing = await deployUnseen(here.world);
    expect(await here.run({}, ongoing)).toBe(ongoing);
    expect(here.executed("serviceInstanceDeployV2")).toBe(1);
  });

  test("do not hide one that it had no time to note", async () => {
    await using here = await start({ settleTimeoutMs });
    await applyVariables(here.railway, here.move);
    here.world.simulator.setPace(lag);
    const unnoted = await deployUnseen(here.world);
    expect(await here.run({ mayHaveDeployed: true })).toBe(unnoted);
    expect(here.executed("serviceInstanceDeployV2")).toBe(1);
  });

  test("do not make it take a push of just before for its own deployment", async () => {
    await using here = await start({ settleTimeoutMs });
    here.world.simulator.setPace({ readLagMs: [1_000, 1_000] });
    await applyVariables(here.railway, here.move);
    // Healthy before ours is seen, and given the old database.
    here.world.simulator.setVariableByHand(api, "DATABASE_URL", oldText, { deploy: true });
    here.world.simulator.setVariableByHand(api, "DATABASE_URL", newText);
    await here.world.simulator.settle();
    const id = await here.run();
    await expectMoved(here, id);
    expect(here.world.simulator.deployments(api).map(({ reason }) => reason)).toEqual([
      "initial",
      "dashboard",
      "api",
    ]);
  });
});

/** As an interrupted run leaves it: asked for, and not seen in any read. */
async function deployUnseen(world: TestWorld): Promise<string> {
  const data = await world.query(
    "mutation($e: String!, $s: String!) { serviceInstanceDeployV2(environmentId: $e, serviceId: $s) }",
    { e: world.environmentId, s: world.serviceId(api) },
  );
  return data.serviceInstanceDeployV2;
}

describe("somebody else's deployment", () => {
  test("that takes the place of ours is proven like ours", async () => {
    await using here = await start();
    here.world.simulator.failNext(api, "SUPERSEDED");
    const id = await here.run();
    const [, own, pushed] = here.world.simulator.deployments(api).map((one) => one.id);
    expect(id).toBe(pushed);
    expect(here.noted).toEqual([own, pushed]);
    expect(here.lines.join()).toContain(`somebody else's deployment ${pushed} took the place of ${own}`);
    await expectMoved(here, id);
  });

  test("that takes the place of ours and fails is the reason, with its step", async () => {
    await using here = await start();
    here.world.simulator.failNext(api, "SUPERSEDED");
    here.world.simulator.failNext(api, "BUILD");
    const failed = here.run();
    await expect(failed).rejects.toMatchObject({ code: "DEPLOYMENT_FAILED" });
    const pushed = here.world.simulator.deployments(api).at(-1)?.id;
    await expect(failed).rejects.toThrow(`${pushed} (it superseded`);
    await expect(failed).rejects.toThrow("in the step BUILD_IMAGE");
    expect(here.statuses()).toEqual(["SUCCESS", "REMOVED", "FAILED"]);
  });

  test("that fails while ours goes on is nothing to us", async () => {
    await using here = await start();
    here.world.simulator.failNext(api, "SUPERSEDED_AFTER_SUCCESS");
    here.world.simulator.failNext(api, "PRE_DEPLOY");
    const id = await here.run();
    await here.world.simulator.settle();
    expect(here.world.simulator.deployments(api)[1]?.id).toBe(id);
    expect(here.statuses()).toEqual(["REMOVED", "SUCCESS", "FAILED"]);
  });

  test("that was given the old database, because somebody changed the variable back, is refused", async () => {
    let world: TestWorld | undefined;
    const interfere = () =>
      world?.simulator.setVariableByHand(api, "DATABASE_URL", oldText, { deploy: true });
    await using here = await start({ intercept: afterMutation("serviceInstanceDeployV2", interfere) });
    world = here.world;
    await expect(here.run()).rejects.toMatchObject({ code: "DEPLOYMENT_HAS_OLD_VARIABLES" });
    expect(here.executed("serviceInstanceDeployV2")).toBe(1);
  });

  test("of before our variables were set gives way to ours, still under way or not", async () => {
    await using here = await start({ pace: { buildingMs: [400, 400], overlapMs: [300, 300] } });
    here.world.simulator.pushDeployment(api);
    const id = await here.run();
    await expectMoved(here, id);
    expect(here.statuses()).toEqual(["REMOVED", "REMOVED", "SUCCESS"]);
  });

  test("of before ours is waited for until it is gone, although nobody noted it", async () => {
    await using here = await start();
    here.world.simulator.pushDeployment(api);
    await here.world.simulator.settle();
    here.world.simulator.setPace({ overlapMs: [400, 400] });
    await here.run();
    expect(here.statuses()).toEqual(["REMOVED", "REMOVED", "SUCCESS"]);
  });
});

describe("a deployment that does not get healthy", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  test.for<[DeploymentFault, string, string]>([
    ["BUILD", "DEPLOYMENT_FAILED", "in the step BUILD_IMAGE"],
    ["PRE_DEPLOY", "DEPLOYMENT_FAILED", "in the step PRE_DEPLOY_COMMAND"],
    ["HEALTHCHECK", "DEPLOYMENT_FAILED", "in the step HEALTHCHECK"],
    ["SKIPPED", "DEPLOYMENT_SKIPPED", "was skipped"],
    ["NEEDS_APPROVAL", "DEPLOYMENT_NEEDS_APPROVAL", "approval"],
  ])("%s ends as %s", async ([fault, code, text]) => {
    await using here = await start({ pace: { healthcheckTimeoutMs: 100 } });
    here.world.simulator.failNext(api, fault);
    await expect(here.run()).rejects.toMatchObject({ code, message: expect.stringContaining(text) });
    expect(here.statuses()[0]).toBe("SUCCESS");
    expect(here.executed("serviceInstanceDeployV2")).toBe(1);
  });

  test.for(["INITIALIZING", "QUEUED", "WAITING", "BUILDING", "DEPLOYING"] as const)(
    "hangs in %s and is given up; the next run asks for another one, whether or not it was noted",
    async (status) => {
      await using here = await start();
      here.world.simulator.failNext(api, `HANG_${status}`);
      await expect(here.run({ deploymentTimeoutMs: 2_000 })).rejects.toMatchObject({
        code: "DEPLOYMENT_TIMEOUT",
        message: expect.stringContaining(status),
      });
      const [hanging = null] = here.noted;
      const now = Date.now.bind(Date);
      vi.spyOn(Date, "now").mockImplementation(() => now() + here.move.deploymentTimeoutMs);
      await expectMoved(here, await here.run({ mayHaveDeployed: true }, hanging));
      here.world.simulator.failNext(api, `HANG_${status}`);
      here.world.simulator.pushDeployment(api);
      await expectMoved(here, await here.run());
    },
  );

  test("crashes after it was healthy: found by its own health check, without waiting for it to recover", async () => {
    await using here = await start({ pace: { crashAfterMs: 0, overlapMs: [300, 300] } });
    here.world.simulator.failNext(api, "CRASH_AFTER_SUCCESS");
    await expect(here.run({ deploymentTimeoutMs: 100_000 })).rejects.toMatchObject({
      code: "DEPLOYMENT_FAILED",
      message: expect.stringMatching(/@healthcare\/api is CRASHED|ended as CRASHED/),
    });
  });
});

describe("an old deployment that lingers in the overlap", () => {
  test("is waited for", async () => {
    await using here = await start({ pace: { overlapMs: [700, 700] } });
    await here.run();
    expect(here.statuses()).toEqual(["REMOVED", "SUCCESS"]);
  });

  test("is not waited for for ever", async () => {
    await using here = await start({ pace: { overlapMs: [60_000, 60_000] } });
    const old = here.world.simulator.deployments(api)[0]?.id;
    await expect(here.run({ deploymentTimeoutMs: 1_500 })).rejects.toMatchObject({
      code: "DEPLOYMENT_NOT_REMOVED",
      message: expect.stringContaining(old ?? ""),
    });
  });
});

test("a password of the target that was changed between two attempts reaches the service", async () => {
  await using here = await start();
  const first = await here.run();
  here.world.simulator.setVariableByHand("pgvector", "POSTGRES_PASSWORD", "r0tated");
  const second = await here.run({}, first);
  expect(second).not.toBe(first);
  await expectMoved(here, second);
  expect(here.world.simulator.deployments(api).at(-1)?.variables.DATABASE_URL).toContain("r0tated");
  expect(await here.run({}, second)).toBe(second);
  expect(here.lines.join()).not.toContain("r0tated");
  await eventually(() => here.statuses().join() === "REMOVED,REMOVED,SUCCESS");
});
