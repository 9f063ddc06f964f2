import { expect, test } from "vitest";
import { startTestWorld, type TestWorld, testApp } from "./test-world.ts";

async function read(world: TestWorld, service: string | null, unrendered: boolean) {
  const data = await world.query(
    `query($p: String!, $e: String!, $s: String, $u: Boolean) { variables(projectId: $p, environmentId: $e, serviceId: $s, unrendered: $u) }`,
    {
      p: world.projectId,
      e: world.environmentId,
      s: service === null ? null : world.serviceId(service),
      u: unrendered,
    },
  );
  return data.variables as Record<string, string | null>;
}

async function readForDeployment(world: TestWorld, service: string) {
  const data = await world.query(
    `query($p: String!, $e: String!, $s: String!) { variablesForServiceDeployment(projectId: $p, environmentId: $e, serviceId: $s) }`,
    { p: world.projectId, e: world.environmentId, s: world.serviceId(service) },
  );
  return data.variablesForServiceDeployment as Record<string, string | null>;
}

test("raw text comes back verbatim, rendered text with nested references resolved", async () => {
  await using world = await startTestWorld();
  expect(await read(world, "@healthcare/api", true)).toEqual({ DATABASE_URL: "${{Postgres.DATABASE_URL}}" });
  expect(await read(world, "@healthcare/api", false)).toEqual({
    DATABASE_URL: "postgresql://u:secret@postgres.railway.internal:5432/railway",
  });
});

test("every form of reference resolves, or renders empty, and none hangs", async () => {
  const cases: ReadonlyArray<readonly [raw: string, rendered: string]> = [
    ["${{ pgvector.POSTGRES_PASSWORD }}", "secret"],
    ['${{"@healthcare/api".DATABASE_URL}}', "postgresql://u:secret@postgres.railway.internal:5432/railway"],
    ["${{@healthcare/api.DATABASE_URL}}", ""],
    ["<${{shared.REGION}}>", "<eu-west>"],
    ["${{COLOUR}}", "green"],
    ["postgresql://${{Nobody.HOST}}:${{Nobody.PORT}}/", "postgresql://:/"],
    ["${{Postgres.NOTHING}}", ""],
    ["${{postgres.DATABASE_URL}}", ""],
    ["a${{PROBE}}b", "ab"],
    ["${{TURN}}!", "?!"],
  ];
  const variables = { PROBE: "", COLOUR: "green", TURN: "${{BACK}}?", BACK: "${{PROBE}}" };
  await using world = await startTestWorld({
    world: { sharedVariables: { REGION: "eu-west" } },
    extraServices: [testApp("probe", variables)],
  });
  for (const [raw, rendered] of cases) {
    world.simulator.setVariableByHand("probe", "PROBE", raw);
    expect([raw, (await read(world, "probe", false)).PROBE]).toEqual([raw, rendered]);
  }
});

test("a deployment's variables have Railway's own over the user's", async () => {
  await using world = await startTestWorld();
  world.simulator.setVariableByHand("Postgres", "RAILWAY_PRIVATE_DOMAIN", "elsewhere");
  const variables = await readForDeployment(world, "Postgres");
  expect(variables).toMatchObject({
    RAILWAY_PRIVATE_DOMAIN: "postgres.railway.internal",
    RAILWAY_TCP_PROXY_DOMAIN: "127.0.0.1",
    RAILWAY_TCP_PROXY_PORT: "5401",
    RAILWAY_SERVICE_NAME: "Postgres",
  });
  expect(await read(world, "Postgres", false)).not.toHaveProperty("RAILWAY_SERVICE_NAME");
});

test("shared variables are read without a service", async () => {
  await using world = await startTestWorld({ world: { sharedVariables: { REGION: "eu-west" } } });
  expect(await read(world, null, true)).toEqual({ REGION: "eu-west" });
});

test("a sealed variable is a key without a value for readers, and whole for the container", async () => {
  await using world = await startTestWorld();
  world.simulator.sealVariable("@healthcare/api", "DATABASE_URL");
  expect(await read(world, "@healthcare/api", true)).toEqual({ DATABASE_URL: null });
  expect(await readForDeployment(world, "@healthcare/api")).toMatchObject({ DATABASE_URL: null });
  const id = world.simulator.pushDeployment("@healthcare/api");
  await world.simulator.settle();
  const given = await (await fetch(`${world.simulator.serviceUrl("@healthcare/api")}/`)).text();
  expect(given).toContain("postgres.railway.internal");
  const data = await world.query(
    "query($id: String!) { deploymentSnapshot(deploymentId: $id) { variables } }",
    { id },
  );
  expect(data).toMatchObject({ deploymentSnapshot: { variables: { DATABASE_URL: null } } });
});

test("the environment lists variables with their references and seal, without values", async () => {
  await using world = await startTestWorld();
  world.simulator.sealVariable("Postgres", "POSTGRES_PASSWORD");
  const data = await world.send(
    `query($id: String!) { environment(id: $id) { variables(first: 100) { edges { node { name serviceId isSealed references } } } } }`,
    { id: world.environmentId },
  );
  const nodes = data.body.data.environment.variables.edges.map((edge: { node: object }) => edge.node);
  expect(nodes).toContainEqual({
    name: "DATABASE_URL",
    serviceId: world.serviceId("@healthcare/api"),
    isSealed: false,
    references: ["Postgres.DATABASE_URL"],
  });
  expect(nodes).toContainEqual(expect.objectContaining({ name: "POSTGRES_PASSWORD", isSealed: true }));
  expect(JSON.stringify(nodes)).not.toContain("secret");
});

test("a rename keeps the private domain; references by the old name render empty unless they are rewritten", async () => {
  await using world = await startTestWorld();
  world.simulator.renameService("Postgres", "legacy");
  expect((await read(world, "@healthcare/api", false)).DATABASE_URL).toBe("");
  world.simulator.renameService("legacy", "Postgres");
  world.simulator.renameService("Postgres", "old", { rewriteReferences: true });
  expect(await read(world, "@healthcare/api", true)).toEqual({ DATABASE_URL: "${{old.DATABASE_URL}}" });
  expect((await read(world, "@healthcare/api", false)).DATABASE_URL).toContain("postgres.railway.internal");
});

test("rendered values can lag behind raw ones", async () => {
  await using world = await startTestWorld();
  await readForDeployment(world, "Postgres");
  world.simulator.setPace({ renderLagMs: 60_000 });
  world.simulator.setVariableByHand("@healthcare/api", "DATABASE_URL", "changed");
  expect((await read(world, "@healthcare/api", true)).DATABASE_URL).toBe("changed");
  expect((await read(world, "@healthcare/api", false)).DATABASE_URL).not.toBe("changed");
  world.simulator.setPace({ renderLagMs: 0 });
  expect((await read(world, "@healthcare/api", false)).DATABASE_URL).toBe("changed");
});
