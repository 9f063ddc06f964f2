import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CliEngine, RunningUp } from "../world/engine/cli-engine.ts";
import { isAlive } from "../world/engine/cli-processes.ts";
import { type EngineResult, pulumiVersion } from "../world/engine/engine.ts";
import { eventually } from "../world/railway/test-world.ts";
import { type InterruptedWorld, startInterruptedWorld } from "./interrupted-world.ts";

/** What people, terminals and machines do to `pulumi up` in mid-cutover, and to its state afterwards. */
describe.skipIf(pulumiVersion() === undefined)("interrupted on the real engine", () => {
  let here: InterruptedWorld;
  let stack: CliEngine;

  describe("while it copies", () => {
    let adopted: string;
    let outputs: Record<string, unknown>;

    beforeAll(async () => {
      here = await startInterruptedWorld();
      stack = await here.openStack("copying", { phase: "adopt" });
      expectSuccess(await stack.up());
      adopted = await stack.exportState();
      await stack.setConfig({ phase: "cutover" });
    });
    afterAll(() => here?.stop());

    test("the engine is killed: its orphan puts everything back and ends", async () => {
      const copy = await here.holdCopy();
      const up = await stack.startUp();
      await meanwhile(up, copy.reached());
      const provider = await up.providerPid();
      up.signalGroup("SIGKILL");
      expect((await up.ended).exitCode).toBe(128 + 9);
      await eventually(async () => (await here.journal())?.record.state === "aborted");
      await eventually(async () => !(await isAlive(provider)));
      await copy.release();
      expect(await here.history()).toContain("ENGINE_GONE");
      await here.expectWritesOn("source");
    });

    test("Pulumi's own lock stands in the way of the next up until pulumi cancel", async () => {
      const refused = await here.changingNothing(() => stack.up());
      expect(refused.exitCode).not.toBe(0);
      expect(refused.output).toContain("pulumi cancel");
      expect((await stack.run(["cancel", "--yes"])).exitCode).toBe(0);
    });

    test("Ctrl-C twice ends it at once; writers go on, and a preview tells what up will do", async () => {
      const copy = await here.holdCopy();
      const up = await stack.startUp();
      await meanwhile(up, copy.reached());
      const provider = await up.providerPid();
      await interrupt(up, "cancelling");
      await interrupt(up, "terminating");
      expect((await up.ended).exitCode).toBe(exitCodes.terminated);
      expect(await isAlive(provider)).toBe(false);
      await copy.release();
      expect((await here.journal())?.record.state).toBe("loading");
      await here.expectWritesOn("source");
      const preview = await here.changingNothing(() => stack.preview());
      expectSuccess(preview);
      expect(preview.output).toContain(
        "was interrupted (loading): up puts everything back and starts afresh",
      );
    });

    test("Ctrl-C once lets it come to its end, and starts nothing else", async () => {
      const up = await stack.startUp();
      await meanwhile(up, up.printed("schema read by pg_dump"));
      await interrupt(up, "cancelling");
      const { exitCode, output, steps } = await up.ended;
      expect(exitCode).toBe(exitCodes.cancelled);
      expect(output).toContain("Recover: an earlier run ended while it copied");
      expect(steps.at(-1)).toMatchObject({ operation: "create", name: "migration" });
      expect(namesIn(await stack.exportState())).toContain("migration");
      expect((await here.journal())?.record.state).toBe("finished");
      await here.expectWritesOn("target");
    });

    test("the next up does the rest, and the one after that nothing", async () => {
      expectSuccess(await here.changingNothing(() => stack.up()));
      expectSuccess(await here.changingNothing(() => stack.up({ expectNoChanges: true })));
      outputs = await stack.outputs();
      expect(outputs).toMatchObject({ activeDatabase: { service: "pgvector" } });
    });

    test("a stack that has lost its state gets the same outputs, and moves nothing", async () => {
      const other = await here.openStack("lost");
      expectSuccess(await here.changingNothing(() => other.up()));
      expect(await other.outputs()).toEqual(outputs);
      await here.expectNoSecrets(other);
    });

    test("back in phase adopt it is refused", async () => {
      await stack.setConfig({ phase: "adopt" });
      const refused = await here.changingNothing(() => stack.up());
      expect(refused.exitCode).toBe(1);
      expect(refused.output).toContain("NOT_THE_PRIMARY");
    });

    test("with the state from before the cutover it is refused too", async () => {
      await importState(stack, adopted);
      const refused = await here.changingNothing(() => stack.up());
      expect(refused.exitCode).toBe(1);
      expect(refused.output).toContain("NOT_THE_PRIMARY");
      await stack.setConfig({ phase: "cutover" });
    });

    test("that state and phase cutover lead to the same outputs", async () => {
      const preview = await here.changingNothing(() => stack.preview());
      expectSuccess(preview);
      expect(preview.output).toContain("is finished already: up records it and moves nothing");
      expectSuccess(await here.changingNothing(() => stack.up()));
      expect(await stack.outputs()).toEqual(outputs);
    });

    test("renamed, the migration is found under its new name; the old one is only forgotten", async () => {
      await stack.run(["state", "rename", urnOf("copying", "migration"), "former", "--yes"]);
      await stack.run(["state", "unprotect", urnOf("copying", "former"), "--yes"]);
      const up = await here.changingNothing(() => stack.up());
      expectSuccess(up);
      expect(up.steps).toContainEqual(expect.objectContaining({ operation: "create", name: "migration" }));
      expect(up.steps).toContainEqual(expect.objectContaining({ operation: "delete", name: "former" }));
      expect(await stack.outputs()).toEqual(outputs);
    });

    test("replaced, it is found again, and nothing is restored a second time", async () => {
      const replacing = ["up", "--yes", "--skip-preview", "--replace", urnOf("copying", "migration")];
      const isProtected = await here.changingNothing(() => stack.operate(replacing));
      expect(isProtected.exitCode).toBe(1);
      await stack.run(["state", "unprotect", urnOf("copying", "migration"), "--yes"]);
      const up = await here.changingNothing(() => stack.operate(replacing));
      expectSuccess(up);
      expect(up.steps).toContainEqual(expect.objectContaining({ operation: "replace", name: "migration" }));
      expect(await stack.outputs()).toEqual(outputs);
      await here.expectWritesOn("target");
      await here.expectNoSecrets(stack);
    });
  });

  describe("while it switches", () => {
    beforeAll(async () => {
      here = await startInterruptedWorld();
      stack = await here.openStack("switching");
      here.canary.close();
    });
    afterAll(() => here?.stop());

    test("Ctrl-C twice leaves both databases fenced, and a preview tells what up will do", async () => {
      const up = await heldInSwitch();
      await interrupt(up, "cancelling");
      await interrupt(up, "terminating");
      expect((await up.ended).exitCode).toBe(exitCodes.terminated);
      expect((await here.journal())?.record.state).toBe("switching");
      await here.expectNothingLost();
      const preview = await here.changingNothing(() => stack.preview());
      expectSuccess(preview);
      expect(preview.output).toContain("was interrupted (switching): up goes on where it stopped");
    });

    test("the next up goes on; another stack meanwhile is refused and changes nothing", async () => {
      const up = await heldInSwitch();
      const other = await here.openStack("other");
      const refused = await here.changingNothing(() => other.up());
      expect(refused.exitCode).toBe(1);
      expect(refused.output).toContain("ANOTHER_RUN_ACTIVE");
      const preview = await here.changingNothing(() => other.preview());
      expectSuccess(preview);
      expect(preview.output).toContain("A run of the cutover is at work: up is refused until it has ended");
      await here.expectNothingLost();

      process.kill(await up.providerPid(), "SIGKILL");
      expect((await up.ended).exitCode).toBe(1);
      expect((await here.journal())?.record.state).toBe("switching");
      await here.expectNothingLost();
    });

    test("a killed provider needs nothing but up; Ctrl-C once lets that come to its end", async () => {
      const up = await heldInSwitch();
      await interrupt(up, "cancelling");
      here.canary.open();
      const { exitCode, output } = await up.ended;
      expect(exitCode).toBe(exitCodes.cancelled);
      expect(output).toContain("Go on: the fence of this migration is unbroken");
      expect((await here.journal())?.record.state).toBe("finished");
      await here.expectWritesOn("target");
      expect(here.deployments()).toEqual([2, 2, 2, 2]);
    });

    test("the next up does the rest; what Pulumi thinks is pending can be cleared", async () => {
      expectSuccess(await here.changingNothing(() => stack.up()));
      expect(pendingIn(await stack.exportState())).toBe(1);
      const clearing = ["refresh", "--yes", "--skip-preview", "--clear-pending-creates"];
      expectSuccess(await here.changingNothing(() => stack.operate(clearing)));
      expect(pendingIn(await stack.exportState())).toBe(0);
      expectSuccess(await here.changingNothing(() => stack.up({ expectNoChanges: true })));
      await here.expectWritesOn("target");
      await here.expectNoSecrets(stack);
    });
  });

  describe("when the engine is killed behind the fence", () => {
    beforeAll(async () => {
      here = await startInterruptedWorld();
      stack = await here.openStack("orphaned");
      here.canary.close();
    });
    afterAll(() => here?.stop());

    test("its orphan goes on to the end; every other up is refused meanwhile", async () => {
      const up = await heldInSwitch();
      const provider = await up.providerPid();
      up.signalGroup("SIGKILL");
      await up.ended;
      expect((await here.changingNothing(() => stack.up())).output).toContain("pulumi cancel");
      expect((await stack.run(["cancel", "--yes"])).exitCode).toBe(0);
      const refused = await here.changingNothing(() => stack.up());
      expect(refused.exitCode).toBe(1);
      expect(refused.output).toContain("ANOTHER_RUN_ACTIVE");
      await here.expectNothingLost();

      here.canary.open();
      await eventually(async () => (await here.journal())?.record.state === "finished");
      await eventually(async () => !(await isAlive(provider)));
      await here.expectWritesOn("target");
    });

    test("the next up records what the orphan did", async () => {
      expectSuccess(await here.changingNothing(() => stack.up()));
      expect(here.deployments()).toEqual([2, 2, 2, 2]);
      expectSuccess(await here.changingNothing(() => stack.up({ expectNoChanges: true })));
      await here.expectWritesOn("target");
      await here.expectNoSecrets(stack);
    });
  });

  /** An `up` that waits for the canary, with both databases fenced. */
  async function heldInSwitch(): Promise<RunningUp> {
    const knock = here.canary.knock();
    const up = await stack.startUp();
    await meanwhile(up, knock);
    expect((await here.journal())?.record.state).toBe("switching");
    return up;
  }
});

/** Pulumi's exit codes for an operation that a first, or a second, Ctrl-C has ended. */
const exitCodes = { cancelled: 1, terminated: 8 };

async function interrupt(up: RunningUp, answer: "cancelling" | "terminating"): Promise<void> {
  up.signalGroup("SIGINT");
  await up.printed(`^C received; ${answer}`);
}

/** Waits for an event that can only happen while the operation is under way. */
async function meanwhile(up: RunningUp, event: Promise<void>): Promise<void> {
  const tooEarly = up.ended.then(({ exitCode, output }) => {
    throw new Error(`up ended too early, with exit code ${exitCode}:\n${output.slice(-4_000)}`);
  });
  await Promise.race([event, tooEarly]);
}

function expectSuccess({ exitCode, output }: EngineResult): void {
  expect(exitCode, output.slice(-4_000)).toBe(0);
}

async function importState(stack: CliEngine, state: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "cutover-state-"));
  const file = join(folder, "state.json");
  await writeFile(file, state, { mode: 0o600 });
  expect((await stack.run(["stack", "import", "--file", file])).exitCode).toBe(0);
  await rm(folder, { recursive: true });
}

function urnOf(stack: string, migration: string): string {
  return `urn:pulumi:${stack}::railway-pgvector-cutover::pulumi-nodejs:dynamic/railway:DataMigration::${migration}`;
}

function namesIn(state: string): string[] {
  return JSON.parse(state).deployment.resources.map(({ urn }: { urn: string }) => urn.split("::").at(-1));
}

function pendingIn(state: string): number {
  return JSON.parse(state).deployment.pending_operations?.length ?? 0;
}
