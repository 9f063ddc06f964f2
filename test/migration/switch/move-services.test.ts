import { describe, expect, test } from "vitest";
import { CutoverError } from "../../../components/errors.ts";
import {
  type MoveContext,
  moveServices,
  wavesOf,
} from "../../../components/migration/switch/move-services.ts";
import type { DeploymentFault } from "../../world/railway/platform.ts";
import { apps, canary, type MoveWorld, startMoveWorld } from "./move-world.ts";

const newText = "${{pgvector.DATABASE_URL}}";
const oldText = "${{Postgres.DATABASE_URL}}";

const run = (here: MoveWorld, changes: Partial<MoveContext> = {}) =>
  moveServices(here.context(changes), wavesOf(here.services, true));

/** A journal whose run dies at one of its saves, before or after the save is kept. */
function dyingAt(here: MoveWorld, fatal: number, moment: "before" | "after"): Partial<MoveContext> {
  const { save } = here.context();
  let saves = 0;
  return {
    save: async (name, record) => {
      const dies = saves++ === fatal;
      if (dies && moment === "before") throw new Error("killed");
      await save(name, record);
      if (dies) throw new Error("killed");
    },
  };
}

describe("moving services", () => {
  test("moves the canary, then the others, each once", async () => {
    await using here = await startMoveWorld();
    await run(here);
    for (const name of apps) {
      expect(here.deployed(name)).toBe(1);
      expect(here.journal.get(name)).toMatchObject({
        deploymentId: here.serving(name),
        provenAt: expect.any(String),
      });
    }
    const created = apps.map((name) => here.world.simulator.deployments(name).at(-1)?.createdAt ?? "");
    const provenAt = here.journal.get(canary)?.provenAt ?? "";
    expect(created.slice(1).every((at) => at >= provenAt)).toBe(true);
    await run(here);
    expect(apps.map(here.deployed)).toEqual([1, 1, 1]);
  });

  test("notes each step before it is taken, and what came of it", async () => {
    await using here = await startMoveWorld();
    const { save } = here.context();
    const notes: unknown[] = [];
    await run(here, {
      save: async (name, record) => {
        const { startedAt, askedAt, deploymentId, provenAt } = record;
        const isSet = here.variable(name) === newText;
        if (name === canary) {
          const deployed = here.deployed(name);
          notes.push({
            isSet,
            deployed,
            begun: startedAt !== null,
            asked: askedAt != null,
            deploymentId,
            provenAt,
          });
        }
        await save(name, record);
      },
    });
    const deploymentId = here.serving(canary);
    const proven = expect.any(String);
    expect(notes).toEqual([
      { isSet: false, deployed: 0, begun: true, asked: false, deploymentId: null, provenAt: null },
      { isSet: true, deployed: 0, begun: true, asked: true, deploymentId: null, provenAt: null },
      { isSet: true, deployed: 1, begun: true, asked: true, deploymentId, provenAt: null },
      { isSet: true, deployed: 1, begun: true, asked: true, deploymentId, provenAt: proven },
    ]);
  });

  test("a healthy service that never comes to the target is refused", async () => {
    await using here = await startMoveWorld();
    const save = async (...[name, record]: Parameters<MoveContext["save"]>) =>
      void here.journal.set(name, record);
    await expect(run(here, { save })).rejects.toMatchObject({ code: "SERVICE_NOT_SEEN_ON_TARGET" });
    expect(here.journal.get(canary)?.provenAt).toBe(null);
    expect(apps.map(here.deployed)).toEqual([1, 0, 0]);
  });

  // The canary is saved three times: begun, deployment, proven.
  test.for(
    [0, 1, 2].flatMap((save) => (["before", "after"] as const).map((moment) => [save, moment] as const)),
  )(
    "killed at save %i of the canary, %s it is kept, the next run deploys no second time",
    async ([save, moment]) => {
      await using here = await startMoveWorld();
      await expect(run(here, dyingAt(here, save, moment))).rejects.toThrow("killed");
      await run(here);
      expect(apps.map(here.deployed)).toEqual([1, 1, 1]);
      for (const name of apps) expect(here.journal.get(name)?.deploymentId).toBe(here.serving(name));
    },
  );

  test.for([1, 2, 3])(
    "a push takes our deployment's place and the run is killed at save %i: the journal ends with the one that serves",
    async (save) => {
      await using here = await startMoveWorld();
      here.world.simulator.failNext(canary, "SUPERSEDED");
      await expect(run(here, dyingAt(here, save, "after"))).rejects.toThrow("killed");
      await run(here);
      await here.world.simulator.settle();
      const deployments = here.world.simulator.deployments(canary);
      expect(deployments.map(({ reason, status }) => `${reason} ${status}`)).toEqual([
        "initial REMOVED",
        "api REMOVED",
        "push SUCCESS",
      ]);
      expect(here.journal.get(canary)).toMatchObject({
        deploymentId: deployments[2]?.id,
        provenAt: expect.any(String),
      });
    },
  );

  test.for<[DeploymentFault | "old variables", string]>([
    ["BUILD", "DEPLOYMENT_FAILED"],
    ["PRE_DEPLOY", "DEPLOYMENT_FAILED"],
    ["HEALTHCHECK", "DEPLOYMENT_FAILED"],
    ["CRASH_AFTER_SUCCESS", "DEPLOYMENT_FAILED"],
    ["SKIPPED", "DEPLOYMENT_SKIPPED"],
    ["NEEDS_APPROVAL", "DEPLOYMENT_NEEDS_APPROVAL"],
    ["HANG_BUILDING", "DEPLOYMENT_TIMEOUT"],
    ["HANG_DEPLOYING", "DEPLOYMENT_TIMEOUT"],
    ["old variables", "DEPLOYMENT_HAS_OLD_VARIABLES"],
  ])("a canary that fails by %s leaves the other services alone", async ([fault, code]) => {
    await using here = await startMoveWorld({ pace: { healthcheckTimeoutMs: 200, crashAfterMs: 0 } });
    const { simulator } = here.world;
    const changes: Partial<MoveContext> = fault.startsWith("HANG") ? { deploymentTimeoutMs: 2_000 } : {};
    if (fault === "old variables") {
      const { save } = here.context();
      let saves = 0;
      changes.save = async (name, record) => {
        await save(name, record);
        // Deployed, and not healthy yet.
        if (++saves === 2) simulator.setVariableByHand(canary, "DATABASE_URL", oldText, { deploy: true });
      };
    } else {
      simulator.failNext(canary, fault);
    }
    // Whoever is to look at its logs has to know whose they are.
    await expect(run(here, changes)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(canary),
    });
    for (const name of apps.slice(1)) {
      expect(simulator.deployments(name)).toHaveLength(1);
      expect(here.variable(name)).toBe(oldText);
      expect(here.journal.get(name)).toMatchObject({ startedAt: null, deploymentId: null, provenAt: null });
    }
    expect(here.journal.get(canary)).toMatchObject({ startedAt: expect.any(String), provenAt: null });
  });

  test("the first failure of a wave ends the waiting for the others", async () => {
    await using here = await startMoveWorld();
    here.world.simulator.failNext(apps[1], "BUILD");
    here.world.simulator.failNext(apps[2], "HANG_BUILDING");
    await expect(run(here, { deploymentTimeoutMs: 3_600_000 })).rejects.toMatchObject({
      code: "DEPLOYMENT_FAILED",
    });
  });
});

describe("the end of the write pause", () => {
  const limit = new CutoverError({ code: "WRITE_PAUSE_LIMIT", message: "It is over.", remedy: "None." });

  test("ends the switch while a deployment hangs, and is the reason", async () => {
    await using here = await startMoveWorld();
    const over = new AbortController();
    here.world.simulator.failNext(canary, "HANG_BUILDING");
    const detail = (line: string) => line.includes("deployment building") && over.abort(limit);
    const reporter = { step: () => {}, detail };
    const changes = { signal: over.signal, reporter, deploymentTimeoutMs: 3_600_000 };
    await expect(run(here, changes)).rejects.toBe(limit);
  });

  test("ends it while Railway does not answer at all", async () => {
    const over = new AbortController();
    let silent = false;
    await using here = await startMoveWorld({
      requestTimeoutMs: 3_600_000,
      intercept: async ({ kind, rootFields, stage }) => {
        silent ||= stage === "after" && rootFields.includes("serviceInstanceDeployV2");
        if (!silent || kind !== "query" || stage !== "before") return "go-on";
        over.abort(limit);
        return new Promise(() => {});
      },
    });
    await expect(run(here, { signal: over.signal })).rejects.toBe(limit);
    expect(here.variable(canary)).toBe(newText);
  });

  test("lets nothing more be sent, but for the answer of what was sent", async () => {
    const over = new AbortController();
    await using here = await startMoveWorld({
      intercept: async ({ rootFields, stage }) => {
        if (stage === "before" && rootFields.includes("variableUpsert")) over.abort(limit);
        return "go-on";
      },
    });
    await expect(run(here, { signal: over.signal })).rejects.toBe(limit);
    expect(here.world.simulator.mutations()).toEqual(["variableUpsert"]);
  });
});
