import { describe, expect, test } from "vitest";
import { isOver, judgeDeployment, judgeSteadiness } from "../../components/railway/deployment-verdict.ts";
import type { Deployment } from "../../components/railway/deployments.ts";

describe("the verdict about a deployment", () => {
  test.each([
    ["SUCCESS", "ready"],
    ["SLEEPING", "ready"],
    ["FAILED", "failed"],
    ["CRASHED", "failed"],
    ["REMOVED", "failed"],
    ["SKIPPED", "skipped"],
    ["NEEDS_APPROVAL", "needs-approval"],
    ["BUILDING", "running"],
    ["WAITING", "running"],
    ["A_STATUS_OF_NEXT_YEAR", "running"],
  ])("with status %s is %s", (status, kind) => {
    expect(judgeDeployment(deployment(2, status), [deployment(1, "SUCCESS")]).kind).toBe(kind);
  });

  test.each([
    ["REMOVED", "SUCCESS", "ready", "d3"],
    ["BUILDING", "SUCCESS", "ready", "d3"],
    ["FAILED", "SLEEPING", "ready", "d3"],
    ["REMOVED", "BUILDING", "running", "d3"],
    ["REMOVED", "FAILED", "failed", "d3"],
    ["REMOVED", "NEEDS_APPROVAL", "needs-approval", "d3"],
    ["REMOVED", "SKIPPED", "failed", "d2"],
    ["CRASHED", "FAILED", "failed", "d2"],
    ["SUCCESS", "BUILDING", "ready", "d2"],
  ])("with status %s and a newer one in %s is %s by %s", (own, newer, kind, id) => {
    const verdict = judgeDeployment(deployment(2, own), [deployment(3, newer), deployment(2, own)]);
    expect(verdict).toMatchObject({ kind, deployment: { id } });
  });

  test("waits while no container of it runs, and fails when it was stopped", () => {
    expect(judgeDeployment(deployment(1, "SUCCESS", ["RESTARTING"]), []).kind).toBe("running");
    expect(judgeDeployment(deployment(1, "SUCCESS", ["CRASHED", "RUNNING"]), []).kind).toBe("ready");
    expect(judgeDeployment({ ...deployment(1, "SUCCESS"), stopped: true }, []).kind).toBe("failed");
    expect(judgeDeployment({ ...deployment(1, "BUILDING"), stopped: true }, []).kind).toBe("failed");
  });

  test.each([
    ["SKIPPED", "skipped"],
    ["NEEDS_APPROVAL", "needs-approval"],
  ])("calls one that never started %s, although nothing of it runs", (status, kind) => {
    expect(judgeDeployment({ ...deployment(1, status), stopped: true }, []).kind).toBe(kind);
  });

  test("calls it over only when nothing of it runs", () => {
    expect(isOver(deployment(1, "REMOVED"))).toBe(true);
    expect(isOver(deployment(1, "REMOVING"))).toBe(false);
    expect(isOver({ ...deployment(1, "SUCCESS", ["RUNNING"]), stopped: true })).toBe(false);
    expect(isOver({ ...deployment(1, "SUCCESS", ["STOPPED"]), stopped: true })).toBe(true);
  });
});

describe("a deployment that was healthy", () => {
  const healthy = deployment(2, "SUCCESS", ["RUNNING"]);

  test.each<[string, Deployment, string]>([
    ["runs", healthy, "steady"],
    ["sleeps", deployment(2, "SLEEPING", ["STOPPED"]), "steady"],
    ["has one more replica", deployment(2, "SUCCESS", ["RUNNING", "RUNNING"]), "steady"],
    ["tells nothing of its containers", deployment(2, "SUCCESS"), "steady"],
    ["has crashed", deployment(2, "CRASHED", ["CRASHED"]), "failed"],
    ["starts its container again", deployment(2, "SUCCESS", ["RESTARTING"]), "failed"],
    ["has lost one replica", deployment(2, "SUCCESS", ["RUNNING", "CRASHED"]), "failed"],
    ["has no container that runs", deployment(2, "SUCCESS", ["INITIALIZING"]), "failed"],
    ["was stopped", { ...healthy, stopped: true }, "failed"],
    ["was removed", deployment(2, "REMOVED"), "failed"],
    ["has failed", deployment(2, "FAILED"), "failed"],
    ["has a status of next year", deployment(2, "A_STATUS_OF_NEXT_YEAR"), "undecided"],
  ])("%s", (_what, own, kind) => {
    expect(judgeSteadiness(healthy, own, [own, deployment(1, "SUCCESS", ["RUNNING"])]).kind).toBe(kind);
  });

  test("had lost a container before, which is no news", () => {
    const once = deployment(2, "SUCCESS", ["CRASHED", "RUNNING"]);
    expect(judgeSteadiness(once, once, []).kind).toBe("steady");
  });

  test.each([
    ["SUCCESS", "SUCCESS", "superseded"],
    ["REMOVED", "SUCCESS", "superseded"],
    ["CRASHED", "SLEEPING", "superseded"],
    ["SUCCESS", "BUILDING", "steady"],
    ["SUCCESS", "FAILED", "steady"],
    ["REMOVING", "BUILDING", "undecided"],
    ["CRASHED", "BUILDING", "failed"],
    ["REMOVED", "FAILED", "failed"],
  ])("with status %s and a newer one in %s is %s", (status, newer, kind) => {
    const own = deployment(2, status);
    const steadiness = judgeSteadiness(healthy, own, [own, deployment(3, newer), deployment(1, "SUCCESS")]);
    expect(steadiness.kind).toBe(kind);
    if (steadiness.kind === "superseded") expect(steadiness.deployment.id).toBe("d3");
  });
});

function deployment(number: number, status: string, instances: string[] = []): Deployment {
  return {
    id: `d${number}`,
    status,
    createdAt: new Date(number * 1000),
    statusUpdatedAt: null,
    serviceId: "s",
    environmentId: "e",
    stopped: false,
    canRollBack: false,
    instances: instances.map((instance, index) => ({ id: String(index), status: instance })),
  };
}
