import { describe, expect, test } from "vitest";
import type { RequestMoment } from "./api-server.ts";
import { eventually, schemaSdl, startTestWorld, type TestWorld } from "./test-world.ts";

const projects =
  "query Projects($first: Int, $after: String) { projects(first: $first, after: $after) { edges { node { id name } } pageInfo { hasNextPage endCursor } } }";
const upsert = "mutation Upsert($input: VariableUpsertInput!) { variableUpsert(input: $input) }";
const instances = `query Instances($id: String!, $first: Int, $after: String) {
  environment(id: $id) { serviceInstances(first: $first, after: $after) { edges { node { serviceName } } pageInfo { hasNextPage endCursor } } } }`;

test("a document that does not fit the schema is refused with Railway's words, as 400 or as 200", async () => {
  for (const validationStatus of [400, 200] as const) {
    await using world = await startTestWorld({ quirks: { validationStatus } });
    const unknownField = await world.send("{ projects { edges { node { nonsense } } } }");
    expect(unknownField.status).toBe(validationStatus);
    expect(unknownField.body.errors[0].message).toContain('Cannot query field "nonsense" on type "Project".');
    const badInput = await world.send(upsert, { input: { nonsense: 1 } });
    expect(badInput.status).toBe(validationStatus);
    expect(badInput.body.errors[0].message).toContain('Variable "$input"');
    const missingSelection = await world.send("{ projectToken }");
    expect(missingSelection.body.errors[0].extensions.code).toBe("GRAPHQL_VALIDATION_FAILED");
    expect(world.simulator.requests().every((request) => !request.executed)).toBe(true);
  }
});

test("a field of the schema that the simulator does not model is an error without a code, not an invention", async () => {
  const sdl = schemaSdl.replace("type Query {", "type Query { somethingNew: String!");
  await using world = await startTestWorld({ schemaSdl: sdl });
  const { body, status } = await world.send("{ somethingNew }");
  expect(status).toBe(200);
  expect(body.errors).toEqual([{ message: "Problem processing request", traceId: expect.any(String) }]);
});

test("each kind of token reaches what it may, and everything else is Not Authorized", async () => {
  await using world = await startTestWorld();
  const { tokens } = world.simulator;
  const production = world.environmentId;
  const staging = world.world.environments[1]?.id;
  const asProject = { headers: { "Project-Access-Token": tokens.project } };
  const message = async (...sent: Parameters<typeof world.send>) =>
    (await world.send(...sent)).body.errors?.[0]?.message;

  expect(
    await message(projects, {}, { headers: { authorization: `Bearer ${tokens.workspace}` } }),
  ).toBeUndefined();
  for (const headers of [
    {},
    { authorization: "Bearer dead" },
    { authorization: `Bearer ${tokens.project}` },
    { "Project-Access-Token": tokens.account },
    { "Project-Access-Token": tokens.project },
  ]) {
    expect(await message(projects, {}, { headers })).toBe("Not Authorized");
  }
  expect(await message("{ projectToken { projectId } }")).toBe("Project Token not found");
  const own = await world.send(
    "{ projectToken { projectId environmentId project { environments(first: 50) { edges { node { name } } } } } }",
    {},
    asProject,
  );
  expect(own.body.data.projectToken).toMatchObject({ projectId: world.projectId, environmentId: production });
  expect(own.body.data.projectToken.project.environments.edges).toEqual([{ node: { name: "production" } }]);
  expect(await message(instances, { id: production }, asProject)).toBeUndefined();
  expect(await message(instances, { id: staging }, asProject)).toBe("Not Authorized");
  expect(await message(instances, { id: staging })).toBeUndefined();
  const deletion = "mutation($id: String!) { volumeDelete(volumeId: $id) }";
  const volume = world.simulator.inspect().volumes[0]?.id;
  expect(await message(deletion, { id: volume }, asProject)).toBe("Not Authorized");
});

test("an unknown id is not found, an id of another kind is Not Authorized, both at HTTP 200 with a path", async () => {
  await using world = await startTestWorld();
  const document = "query($id: String!) { deployment(id: $id) { id } }";
  const unknown = await world.send(document, { id: "00000000-0000-4000-8000-000000000000" });
  expect(unknown.status).toBe(200);
  expect(unknown.body).toEqual({
    data: null,
    errors: [
      {
        message: "Deployment not found",
        path: ["deployment"],
        extensions: { code: "INTERNAL_SERVER_ERROR" },
      },
    ],
  });
  const ofAnotherKind = await world.send(document, { id: world.serviceId("Postgres") });
  expect(ofAnotherKind.body.errors[0].message).toBe("Not Authorized");
  const volumeForInstance = await world.send(
    "query($id: String!) { volumeInstanceBackupList(volumeInstanceId: $id) { id } }",
    { id: world.simulator.inspect().volumes[0]?.id },
  );
  expect(volumeForInstance.body.errors[0].message).toBe("Not Authorized");
});

test("pages are short unless asked, never above 500, and lead through the whole list", async () => {
  await using world = await startTestWorld();
  const page = async (variables: object) =>
    (await world.send(instances, { id: world.environmentId, ...variables })).body.data.environment
      .serviceInstances;
  const first = await page({});
  expect(first.edges).toHaveLength(10);
  expect(first.pageInfo.hasNextPage).toBe(true);
  const second = await page({ after: first.pageInfo.endCursor });
  expect(second.pageInfo.hasNextPage).toBe(false);
  const names = [...first.edges, ...second.edges].map((edge) => edge.node.serviceName);
  expect(names.toSorted()).toEqual(world.world.services.map((service) => service.name).toSorted());
  expect((await page({ first: 500 })).edges).toHaveLength(world.world.services.length);
});

test("whoever does not say who it is gets the edge's HTML", async () => {
  await using world = await startTestWorld();
  const bearer = { authorization: `Bearer ${world.simulator.tokens.account}` };
  for (const options of [{ search: "" }, { headers: { ...bearer, "user-agent": "" } }]) {
    const answer = await world.send(projects, {}, options);
    expect(answer.status).toBe(403);
    expect(answer.body).toContain("<!DOCTYPE html>");
  }
});

test("the rate limit answers 429 with Retry-After, and tells what is left before", async () => {
  await using world = await startTestWorld({ rateLimit: { perHour: 2, perSecond: 50 } });
  const first = await world.send(projects);
  expect(first.headers.get("x-ratelimit-limit")).toBe("2");
  expect(first.headers.get("x-ratelimit-remaining")).toBe("1");
  await world.send(projects);
  const refused = await world.send(projects);
  expect(refused.status).toBe(429);
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(1_000);
  expect(refused.body).toEqual({ data: null });
  const withOtherToken = await world.send(
    projects,
    {},
    {
      headers: { authorization: `Bearer ${world.simulator.tokens.workspace}` },
    },
  );
  expect(withOtherToken.status).toBe(200);
});

test("planned faults hit the named operation, as often as planned", async () => {
  await using world = await startTestWorld();
  const { simulator } = world;
  const seen = async (mode: Parameters<typeof simulator.failRequests>[0]["mode"]) => {
    simulator.failRequests({ operation: "projects", mode, times: 1 });
    expect((await world.send(instances, { id: world.environmentId })).status).toBe(200);
    const answer = await world.send(projects);
    expect((await world.send(projects)).body.data.projects).toBeDefined();
    return answer;
  };
  expect(await seen("429")).toMatchObject({ status: 429, body: { data: null } });
  expect((await seen("429-html")).body).toContain("<html>");
  expect(await seen("500")).toMatchObject({ status: 500, body: expect.stringContaining("upstream") });
  expect(await seen("html-403")).toMatchObject({ status: 403 });
  expect((await seen("problem-processing")).body.errors[0]).toHaveProperty("traceId");
  expect((await seen("in-band-rate-limit")).body.errors[0].extensions.code).toBe("RATE_LIMITED");
  expect((await seen("not-authorized")).body.errors[0].message).toBe("Not Authorized");
});

test("a connection that is cut after the mutation was applied leaves its effect", async () => {
  await using world = await startTestWorld();
  const { simulator } = world;
  simulator.failRequests({ operation: "variableUpsert", mode: "reset-after-apply", times: 1 });
  const input = {
    projectId: world.projectId,
    environmentId: world.environmentId,
    serviceId: world.serviceId("web"),
    name: "COLOUR",
    value: "green",
    skipDeploys: true,
  };
  await expect(world.send(upsert, { input })).rejects.toThrow();
  expect(simulator.inspect().variables).toContainEqual(
    expect.objectContaining({ name: "COLOUR", value: "green" }),
  );
  expect(simulator.mutations()).toEqual(["variableUpsert"]);
});

describe("a request without an answer", () => {
  const colour = (world: TestWorld) =>
    world.simulator.inspect().variables.find(({ name }) => name === "COLOUR")?.value;
  const change = (world: TestWorld, giveUpAfterMs: number) =>
    world.send(
      upsert,
      {
        input: {
          projectId: world.projectId,
          environmentId: world.environmentId,
          serviceId: world.serviceId("web"),
          name: "COLOUR",
          value: "green",
          skipDeploys: true,
        },
      },
      { signal: AbortSignal.timeout(giveUpAfterMs) },
    );
  const timedOut = expect.objectContaining({ name: "TimeoutError" });

  test("was applied, or was not; both times the connection stays silent", async () => {
    await using world = await startTestWorld();
    const plan = (mode: "timeout-before-apply" | "timeout-after-apply") =>
      world.simulator.failRequests({ operation: "variableUpsert", mode, times: 1 });
    plan("timeout-before-apply");
    await expect(change(world, 200)).rejects.toEqual(timedOut);
    expect(colour(world)).toBeUndefined();
    expect(world.simulator.mutations()).toEqual([]);
    plan("timeout-after-apply");
    await expect(change(world, 200)).rejects.toEqual(timedOut);
    expect(colour(world)).toBe("green");
    expect(world.simulator.mutations()).toEqual(["variableUpsert"]);
  });

  test("can get one late: 504 for what was not applied, its own for what was", async () => {
    await using world = await startTestWorld();
    const plan = (mode: "timeout-before-apply" | "timeout-after-apply") =>
      world.simulator.failRequests({ operation: "variableUpsert", mode, times: 1, delayMs: 60 });
    plan("timeout-before-apply");
    expect(await change(world, 20_000)).toMatchObject({ status: 504 });
    expect(colour(world)).toBeUndefined();
    plan("timeout-after-apply");
    expect((await change(world, 20_000)).body).toEqual({ data: { variableUpsert: true } });
  });

  test("can be applied when nobody waits for it any more", async () => {
    await using world = await startTestWorld();
    world.simulator.failRequests({
      operation: "variableUpsert",
      mode: "slow-apply",
      times: 1,
      delayMs: 400,
    });
    await expect(change(world, 100)).rejects.toEqual(timedOut);
    expect(colour(world)).toBeUndefined();
    await eventually(() => colour(world) === "green");
  });
});

test("an outage lasts until it is lifted, of everything or of one kind", async () => {
  await using world = await startTestWorld();
  const { simulator } = world;
  simulator.failRequests({ mode: "500", times: Number.POSITIVE_INFINITY });
  for (const _ of [1, 2, 3]) expect((await world.send(projects)).status).toBe(500);
  simulator.clearRequestFaults();
  expect((await world.send(projects)).status).toBe(200);
  simulator.failRequests({ kind: "mutation", mode: "html-403", times: Number.POSITIVE_INFINITY });
  expect((await world.send(projects)).status).toBe(200);
  const deploy =
    "mutation($e: String!, $s: String!) { serviceInstanceDeployV2(environmentId: $e, serviceId: $s) }";
  const where = { e: world.environmentId, s: world.serviceId("web") };
  expect((await world.send(deploy, where)).status).toBe(403);
});

describe("an interceptor", () => {
  const deploy =
    "mutation Go($e: String!, $s: String!) { serviceInstanceDeployV2(environmentId: $e, serviceId: $s) }";

  test.each([
    ["before", 1],
    ["after", 2],
  ] as const)("can cut a request off %s it is applied", async (stage, deployments) => {
    const seen: RequestMoment[] = [];
    await using world = await startTestWorld({
      intercept: async (moment) => {
        seen.push(moment);
        return moment.stage === stage ? "drop" : "go-on";
      },
    });
    const where = { e: world.environmentId, s: world.serviceId("web") };
    await expect(world.send(deploy, where)).rejects.toThrow("fetch failed");
    expect(world.simulator.deployments("web")).toHaveLength(deployments);
    expect(seen.at(-1)).toEqual({
      stage,
      kind: "mutation",
      operationName: "Go",
      rootFields: ["serviceInstanceDeployV2"],
    });
    expect(world.simulator.requests().map(({ executed }) => executed)).toEqual([stage === "after"]);
  });

  test("can hold a request until it says go on", async () => {
    const held = Promise.withResolvers<void>();
    await using world = await startTestWorld({
      intercept: async ({ kind, stage }) => {
        if (kind === "mutation" && stage === "before") await held.promise;
        return "go-on";
      },
    });
    const where = { e: world.environmentId, s: world.serviceId("web") };
    const sent = world.send(deploy, where);
    expect((await world.send(projects)).status).toBe(200);
    expect(world.simulator.deployments("web")).toHaveLength(1);
    held.resolve();
    expect((await sent).status).toBe(200);
    expect(world.simulator.deployments("web")).toHaveLength(2);
  });
});

test("requests are recorded by name and fields, without what they carried", async () => {
  await using world = await startTestWorld();
  await world.send(projects, { first: 3 });
  expect(world.simulator.requests()).toEqual([
    {
      at: expect.any(String),
      operationName: "Projects",
      kind: "query",
      rootFields: ["projects"],
      caller: "account",
      executed: true,
    },
  ]);
});
