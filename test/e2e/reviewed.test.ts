import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CliEngine } from "../world/engine/cli-engine.ts";
import { type EngineResult, pulumiVersion } from "../world/engine/engine.ts";
import { sentinelMarker } from "../world/postgres/source-fixture.ts";
import { type InterruptedWorld, startInterruptedWorld } from "./interrupted-world.ts";

/** What reviewers, pipelines and a second stack do with the real engine: saved plans, JSON, refresh, import. */
describe.skipIf(pulumiVersion() === undefined)("reviewed on the real engine", () => {
  let here: InterruptedWorld;
  let stack: CliEngine;
  let folder: string;
  let plan: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "cutover-plan-"));
    plan = join(folder, "plan.json");
    here = await startInterruptedWorld();
    stack = await here.openStack("reviewed", { phase: "adopt" });
    expectSuccess(await stack.up());
    await stack.setConfig({ phase: "cutover" });
  });
  afterAll(async () => {
    await here?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test("a preview as JSON tells the steps and holds no secret", async () => {
    const preview = await here.changingNothing(() => stack.operate(["preview", "--json"]));
    expectSuccess(preview);
    const { steps } = JSON.parse(preview.output.slice(preview.output.indexOf("{")));
    const operations = steps.map(({ op, urn }: { op: string; urn: string }) => [op, urn.split("::").at(-1)]);
    expect(operations).toContainEqual(["create", "migration"]);
    expect(operations).toContainEqual(["update", "@healthcare/api"]);
    expectClean(preview.output);
  });

  test("an up that is held to a saved plan does nothing once the configuration has changed", async () => {
    expectSuccess(await here.changingNothing(() => stack.operate(["preview", "--save-plan", plan])));
    expectClean(await readFile(plan, "utf8"));
    await stack.setConfig({ copy: { workers: 2 } });
    const refused = await here.changingNothing(() => upWithPlan());
    await stack.setConfig({ copy: undefined });
    expect(refused.exitCode).not.toBe(0);
    expect(refused.output).toContain("violates plan");
    await here.expectWritesOn("source");
  });

  test("the plan that was reviewed is carried out", async () => {
    expectSuccess(await upWithPlan());
    expect((await here.journal())?.record.state).toBe("finished");
    expect(here.deployments()).toEqual([2, 2, 2, 2]);
    await here.expectWritesOn("target");
  });

  test("a refresh that saves what it saw changes nothing, nor does the up after it", async () => {
    expectSuccess(await here.changingNothing(() => stack.refresh({ expectNoChanges: true })));
    expectSuccess(await here.changingNothing(() => stack.up({ expectNoChanges: true })));
  });

  test("a second stack takes over what is there, and moves nothing", async () => {
    const second = await here.openStack("second");
    expectSuccess(await here.changingNothing(() => second.up()));
    expectSuccess(await here.changingNothing(() => second.up({ expectNoChanges: true })));
    expect(await second.outputs()).toEqual(await stack.outputs());
    await here.expectNoSecrets(second);
  });

  test("pulumi import, which no dynamic resource has, changes nothing", async () => {
    const state = await stack.exportState();
    const type = "pulumi-nodejs:dynamic/railway:DataMigration";
    const refused = await here.changingNothing(() =>
      stack.operate(["import", type, "imported", "some-id", "--yes", "--generate-code=false"]),
    );
    expect(refused.exitCode).not.toBe(0);
    expect(refused.output).not.toContain("passphrase");
    expect(JSON.parse(await stack.exportState()).deployment.resources.length).toBe(
      JSON.parse(state).deployment.resources.length,
    );
    expectSuccess(await here.changingNothing(() => stack.up({ expectNoChanges: true })));
    await here.expectNoSecrets(stack);
  });

  const upWithPlan = () => stack.operate(["up", "--yes", "--skip-preview", "--plan", plan]);

  function expectClean(text: string): void {
    const { source, target, railway } = here.world;
    for (const secret of [
      source.password,
      target.password,
      ...Object.values(railway.tokens),
      sentinelMarker,
    ]) {
      expect(text).not.toContain(secret);
    }
  }
});

function expectSuccess({ exitCode, output }: EngineResult): void {
  expect(exitCode, output.slice(-4_000)).toBe(0);
}
