import { expect, test } from "vitest";
import type { DeploymentFault } from "./platform.ts";
import { eventually, startTestWorld, type TestWorld, testApp } from "./test-world.ts";

const api = "@healthcare/api";

async function deploy(world: TestWorld, service: string): Promise<string> {
  const data = await world.query(
    "mutation($e: String!, $s: String!) { serviceInstanceDeployV2(environmentId: $e, serviceId: $s) }",
    { e: world.environmentId, s: world.serviceId(service) },
  );
  return data.serviceInstanceDeployV2;
}

async function upsert(world: TestWorld, service: string, name: string, value: string, skipDeploys: boolean) {
  await world.query("mutation($input: VariableUpsertInput!) { variableUpsert(input: $input) }", {
    input: {
      projectId: world.projectId,
      environmentId: world.environmentId,
      serviceId: world.serviceId(service),
      name,
      value,
      skipDeploys,
    },
  });
}

async function readDeployment(world: TestWorld, id: string) {
  const data = await world.query(
    `query($id: String!) {
      deployment(id: $id) { status deploymentStopped instances { status } }
      deploymentEvents(id: $id, first: 50) { edges { node { step payload { error } } } } }`,
    { id },
  );
  const events = data.deploymentEvents.edges.map((edge: { node: object }) => edge.node);
  return { ...data.deployment, events };
}

function statuses(world: TestWorld, service: string): string[] {
  return world.simulator.deployments(service).map((deployment) => deployment.status);
}

async function given(world: TestWorld, service: string): Promise<Record<string, string>> {
  return (await fetch(`${world.simulator.serviceUrl(service)}/`)).json() as Promise<Record<string, string>>;
}

test("a deployment runs with the variables of its creation; the old one serves until it is up, then goes", async () => {
  await using world = await startTestWorld({ pace: { buildingMs: [300, 300] } });
  await upsert(world, api, "DATABASE_URL", "${{pgvector.DATABASE_URL}}", true);
  expect(statuses(world, api)).toEqual(["SUCCESS"]);
  expect((await given(world, api)).DATABASE_URL).toContain("postgres.railway.internal");

  const id = await deploy(world, api);
  world.simulator.setVariableByHand(api, "DATABASE_URL", "too late");
  await eventually(() => statuses(world, api)[1] === "BUILDING");
  expect(statuses(world, api)).toEqual(["SUCCESS", "BUILDING"]);
  expect((await given(world, api)).DATABASE_URL).toContain("postgres.railway.internal");

  await world.simulator.settle();
  expect(statuses(world, api)).toEqual(["REMOVED", "SUCCESS"]);
  const expected = "postgresql://u:secret@pgvector.railway.internal:5432/railway";
  expect((await given(world, api)).DATABASE_URL).toBe(expected);
  expect(await readDeployment(world, id)).toMatchObject({
    status: "SUCCESS",
    instances: [{ status: "RUNNING" }],
  });
  const { deploymentSnapshot } = await world.query(
    "query($id: String!) { deploymentSnapshot(deploymentId: $id) { variables } }",
    { id },
  );
  expect(deploymentSnapshot.variables).toMatchObject({ DATABASE_URL: expected, RAILWAY_SERVICE_NAME: api });
});

test("while they overlap both deployments run, and the new one serves", async () => {
  await using world = await startTestWorld({ pace: { overlapMs: [60_000, 60_000] } });
  await deploy(world, api);
  await eventually(() => statuses(world, api)[1] === "SUCCESS");
  expect(statuses(world, api)).toEqual(["SUCCESS", "SUCCESS"]);
  expect((await given(world, api)).DEPLOYMENT_ID).toBe(world.simulator.deployments(api)[1]?.id);
});

test.each<[DeploymentFault, string, string | undefined]>([
  ["BUILD", "FAILED", "BUILD_IMAGE"],
  ["PRE_DEPLOY", "FAILED", "PRE_DEPLOY_COMMAND"],
  ["HEALTHCHECK", "FAILED", "HEALTHCHECK"],
  ["SKIPPED", "SKIPPED", undefined],
  ["NEEDS_APPROVAL", "NEEDS_APPROVAL", undefined],
  ["HANG_INITIALIZING", "INITIALIZING", undefined],
  ["HANG_QUEUED", "QUEUED", undefined],
  ["HANG_WAITING", "WAITING", undefined],
  ["HANG_BUILDING", "BUILDING", undefined],
  ["HANG_DEPLOYING", "DEPLOYING", undefined],
])("%s leaves the deployment %s and the old one serving", async (fault, status, step) => {
  await using world = await startTestWorld({ pace: { healthcheckTimeoutMs: 100 } });
  world.simulator.failNext(api, fault);
  const id = await deploy(world, api);
  await world.simulator.settle();
  const deployment = await readDeployment(world, id);
  expect(deployment.status).toBe(status);
  const failure = deployment.events.find((event: { payload: object | null }) => event.payload !== null);
  expect(failure?.step).toBe(step);
  expect((await given(world, api)).DEPLOYMENT_ID).toBe(world.simulator.deployments(api)[0]?.id);

  await deploy(world, api);
  await world.simulator.settle();
  expect(statuses(world, api).at(-1)).toBe("SUCCESS");
});

test("an app that never answers 200 fails its health check and is ended", async () => {
  await using world = await startTestWorld({ pace: { healthcheckTimeoutMs: 150 } });
  world.simulator.setVariableByHand("web", "BROKEN", "yes", { deploy: true });
  await world.simulator.settle();
  expect(statuses(world, "web")).toEqual(["SUCCESS", "FAILED"]);
});

test("without a health check path a broken app is a SUCCESS", async () => {
  const unchecked = { ...testApp("unchecked", { BROKEN: "yes" }), healthcheckPath: null };
  await using world = await startTestWorld({ extraServices: [unchecked] });
  await deploy(world, "unchecked");
  await world.simulator.settle();
  expect(statuses(world, "unchecked")).toEqual(["REMOVED", "SUCCESS"]);
});

test("a crash after SUCCESS leaves nothing serving; a restart brings the same deployment back", async () => {
  await using world = await startTestWorld();
  world.simulator.failNext("web", "CRASH_AFTER_SUCCESS");
  const id = await deploy(world, "web");
  await world.simulator.settle();
  expect(statuses(world, "web")).toEqual(["REMOVED", "CRASHED"]);
  expect((await fetch(`${world.simulator.serviceUrl("web")}/`)).status).toBe(502);
  await world.query("mutation($id: String!) { deploymentRestart(id: $id) }", { id });
  await world.simulator.settle();
  expect(statuses(world, "web")).toEqual(["REMOVED", "SUCCESS"]);
  expect((await given(world, "web")).DEPLOYMENT_ID).toBe(id);
});

test("a process that ends by itself is started again, until it does so too often", async () => {
  await using world = await startTestWorld();
  const crash = async () => {
    await eventually(async () => (await fetch(world.simulator.serviceUrl("web"))).status === 200);
    await fetch(world.simulator.serviceUrl("web"), { method: "POST" });
  };
  await crash();
  await eventually(async () => (await fetch(world.simulator.serviceUrl("web"))).status === 200);
  expect(statuses(world, "web")).toEqual(["SUCCESS"]);
  for (const _ of [2, 3, 4]) await crash();
  await eventually(() => statuses(world, "web")[0] === "CRASHED");
});

test("a newer deployment supersedes one in progress", async () => {
  await using world = await startTestWorld();
  const first = await deploy(world, api);
  const second = world.simulator.pushDeployment(api);
  await world.simulator.settle();
  expect(await readDeployment(world, first)).toMatchObject({ status: "REMOVED" });
  expect(await readDeployment(world, second)).toMatchObject({ status: "SUCCESS" });
});

test.each<[DeploymentFault, string[]]>([
  ["SUPERSEDED", ["REMOVED", "REMOVED", "SUCCESS"]],
  ["SUPERSEDED_AFTER_SUCCESS", ["REMOVED", "REMOVED", "SUCCESS"]],
])("%s: somebody's push takes the place of the deployment", async (fault, expected) => {
  await using world = await startTestWorld();
  world.simulator.failNext(api, fault);
  const id = await deploy(world, api);
  await world.simulator.settle();
  expect(statuses(world, api)).toEqual(expected);
  expect(world.simulator.deployments(api).map(({ reason }) => reason)).toEqual(["initial", "api", "push"]);
  const events = (await readDeployment(world, id)).events.map(({ step }: { step: string }) => step);
  expect(events.includes("HEALTHCHECK")).toBe(fault === "SUPERSEDED_AFTER_SUCCESS");
});

test.each<[DeploymentFault, string[], string]>([
  ["SUPERSEDED", ["SUCCESS", "REMOVED", "FAILED"], "initial"],
  ["SUPERSEDED_AFTER_SUCCESS", ["REMOVED", "SUCCESS", "FAILED"], "api"],
])("%s by a push that fails leaves what served before", async (fault, expected, serving) => {
  await using world = await startTestWorld();
  world.simulator.failNext(api, fault);
  world.simulator.failNext(api, "BUILD");
  await deploy(world, api);
  await world.simulator.settle();
  expect(statuses(world, api)).toEqual(expected);
  const id = world.simulator.deployments(api).find(({ reason }) => reason === serving)?.id;
  expect((await given(world, api)).DEPLOYMENT_ID).toBe(id);
});

test("the pace can be changed while it runs: an overlap that lasts", async () => {
  await using world = await startTestWorld();
  world.simulator.setPace({ overlapMs: [60_000, 60_000] });
  await deploy(world, api);
  await eventually(() => statuses(world, api)[1] === "SUCCESS");
  expect(statuses(world, api)).toEqual(["SUCCESS", "SUCCESS"]);
});

test("an upsert deploys the service and all that refer to it, unless deploys are skipped", async () => {
  await using world = await startTestWorld();
  await upsert(world, "pgvector", "COLOUR", "green", true);
  await upsert(world, "Postgres", "POSTGRES_PASSWORD", "new", false);
  await world.simulator.settle();
  expect(statuses(world, "pgvector")).toHaveLength(1);
  expect(statuses(world, "web")).toHaveLength(1);
  expect(statuses(world, "Postgres")).toEqual(["REMOVED", "SUCCESS"]);
  expect(statuses(world, api)).toEqual(["REMOVED", "SUCCESS"]);
  expect(world.serverCalls).toEqual(["stop Postgres", "start Postgres"]);
});

test.each([true, false])("variableDelete, which cannot skip deploys, deploys: %s", async (deploys) => {
  await using world = await startTestWorld({ quirks: { variableDeleteDeploys: deploys } });
  await world.query("mutation($input: VariableDeleteInput!) { variableDelete(input: $input) }", {
    input: {
      projectId: world.projectId,
      environmentId: world.environmentId,
      serviceId: world.serviceId(api),
      name: "DATABASE_URL",
    },
  });
  await world.simulator.settle();
  expect(statuses(world, api)).toHaveLength(deploys ? 2 : 1);
  expect(world.simulator.inspect().variables.filter((one) => one.serviceId === world.serviceId(api))).toEqual(
    [],
  );
});

test("DeployV2 may answer an id that is no deployment's; the list has the true one first", async () => {
  await using world = await startTestWorld({ quirks: { deployAnswersForeignId: true } });
  const id = await deploy(world, api);
  await expect(readDeployment(world, id)).rejects.toThrow("Deployment not found");
  const { deployments } = await world.query(
    "query($input: DeploymentListInput!) { deployments(input: $input) { edges { node { id } } } }",
    { input: { environmentId: world.environmentId, serviceId: world.serviceId(api) } },
  );
  const ids = world.simulator.deployments(api).map((deployment) => deployment.id);
  expect(deployments.edges.map((edge: { node: { id: string } }) => edge.node.id)).toEqual(ids.toReversed());
});

test("stopping a database's deployment stops its server and keeps everything else", async () => {
  await using world = await startTestWorld();
  const id = world.simulator.deployments("Postgres")[0]?.id;
  await world.query("mutation($id: String!) { deploymentStop(id: $id) }", { id });
  await world.simulator.settle();
  expect(world.serverCalls).toEqual(["stop Postgres"]);
  expect(await readDeployment(world, id ?? "")).toMatchObject({
    deploymentStopped: true,
    instances: [{ status: "STOPPED" }],
  });
  await world.query("mutation($id: String!) { deploymentRestart(id: $id) }", { id });
  await world.simulator.settle();
  expect(world.serverCalls.at(-1)).toBe("start Postgres");
  expect(await readDeployment(world, id ?? "")).toMatchObject({ deploymentStopped: false });
});

test("stop ends every process, also of deployments that are still under way", async () => {
  const world = await startTestWorld({ pace: { overlapMs: [60_000, 60_000] } });
  await deploy(world, api);
  await eventually(() => statuses(world, api)[1] === "SUCCESS");
  await deploy(world, "web");
  const pids = (await Promise.all([given(world, api), given(world, "web")])).map(({ pid }) => Number(pid));
  for (const pid of pids) expect(process.kill(pid, 0)).toBe(true);
  await world.simulator.stop();
  await world[Symbol.asyncDispose]();
  for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow("ESRCH");
});
