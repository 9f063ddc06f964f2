import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { machineObstacle } from "../machine/machine.ts";
import { eventually, startTestWorld, type TestWorld } from "./test-world.ts";

const fields = "id status networkIsolation idleTimeoutMinutes";

async function create({ query, environmentId }: TestWorld, input: object = {}) {
  const { sandboxCreate } = await query(
    `mutation ($input: SandboxCreateInput!) { sandboxCreate(input: $input) { ${fields} } }`,
    { input: { environmentId, ...input } },
  );
  return sandboxCreate;
}

async function running(world: TestWorld, input: object = {}): Promise<string> {
  const { id } = await create(world, input);
  await eventually(async () => (await look(world, id))?.status === "RUNNING");
  return id;
}

async function look({ query, environmentId }: TestWorld, id: string) {
  const document = `query ($environmentId: String!, $id: String!) { sandbox(environmentId: $environmentId, id: $id) { ${fields} } }`;
  return (await query(document, { environmentId, id })).sandbox;
}

async function exec({ query, environmentId }: TestWorld, id: string, command: string, timeoutSec?: number) {
  const document = `mutation ($command: String!, $environmentId: String!, $id: String!, $timeoutSec: Int) {
    sandboxExec(command: $command, environmentId: $environmentId, id: $id, timeoutSec: $timeoutSec) {
      exitCode stdout stderr timedOut truncated } }`;
  return (await query(document, { environmentId, id, command, timeoutSec })).sandboxExec;
}

describe.skipIf(machineObstacle() !== undefined)("a simulated sandbox", () => {
  test("is isolated unless it was asked for in the private network, and comes up after its creation", async () => {
    await using world = await startTestWorld();
    expect(await create(world)).toMatchObject({
      status: "CREATING",
      networkIsolation: "ISOLATED",
      idleTimeoutMinutes: 30,
    });
    const outside = await running(world);
    const inside = await running(world, { networkIsolation: "PRIVATE" });
    const name = "getent hosts postgres.railway.internal";
    expect((await exec(world, outside, name)).exitCode).toBe(2);
    expect((await exec(world, inside, name)).exitCode).toBe(0);
  });

  test("sees its variables, references resolved when it was made, and nothing of this machine's", async () => {
    await using world = await startTestWorld();
    const id = await running(world, {
      variables: { URL: "${{Postgres.DATABASE_URL}}", EMPTY: "${{Nobody.X}}" },
    });
    const { stdout } = await exec(world, id, "printenv URL EMPTY; printenv VITEST || echo none");
    expect(stdout).toBe("postgresql://u:secret@postgres.railway.internal:5432/railway\n\nnone\n");
  });

  test("cuts output short, ends a command at its time limit, and leaves one that the gateway gave up running", async () => {
    await using world = await startTestWorld({ pace: { execOutputLimit: 5, execGatewayMs: 600 } });
    const id = await running(world);
    expect(await exec(world, id, "echo 123456")).toMatchObject({
      stdout: "12345",
      truncated: true,
      exitCode: 0,
    });
    const document =
      'mutation ($e: String!, $id: String!) { sandboxExec(environmentId: $e, id: $id, command: "sleep 9", timeoutSec: 0) { timedOut } }';
    expect(await world.query(document, { e: world.environmentId, id })).toMatchObject({
      sandboxExec: { timedOut: true },
    });
    await expect(exec(world, id, 'sleep 1; touch "$HOME/done"')).rejects.toThrow(
      "Problem processing request",
    );
    await eventually(async () => (await exec(world, id, 'test -e "$HOME/done"')).exitCode === 0);
  });

  test("ends for idleness although a job runs in it, unless somebody talks to it or sends a heartbeat", async () => {
    await using world = await startTestWorld({ pace: { sandboxMinuteMs: 2_000 } });
    const [left, kept] = await Promise.all([
      running(world, { idleTimeoutMinutes: 1 }),
      running(world, { idleTimeoutMinutes: 1 }),
    ]);
    await exec(world, left, "setsid --fork sleep 60 > /dev/null 2>&1");
    const heartbeat =
      "mutation ($e: String!, $id: String!) { sandboxHeartbeat(environmentId: $e, id: $id) { id } }";
    const beat = (id: string) => world.query(heartbeat, { e: world.environmentId, id });
    await eventually(async () => {
      await beat(kept);
      await delay(150);
      return (await look(world, left)) === null;
    });
    expect(await look(world, kept)).toMatchObject({ status: "RUNNING" });
    expect(await beat(left)).toEqual({ sandboxHeartbeat: null });
    await expect(exec(world, left, "true")).rejects.toThrow("Sandbox not found");
  });

  test("is refused beyond the plan's limits, in another environment of a project token, and where the feature is off", async () => {
    await using world = await startTestWorld();
    await expect(create(world, { idleTimeoutMinutes: 121 })).rejects.toThrow("must be between 1 and 120");
    await expect(create(world, { networkIsolation: "NONE" })).rejects.toThrow("NONE");
    const input = { environmentId: world.world.environments[1]?.id };
    const { body } = await world.send(
      "mutation ($input: SandboxCreateInput!) { sandboxCreate(input: $input) { id } }",
      { input },
      { headers: { "project-access-token": world.simulator.tokens.project } },
    );
    expect(body.errors[0].message).toBe("Not Authorized");
    await using without = await startTestWorld({ quirks: { sandboxesRefused: "Sandboxes are not enabled" } });
    await expect(create(without)).rejects.toThrow("Sandboxes are not enabled");
  });
});
