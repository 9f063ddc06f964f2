import { describe, expect, test } from "vitest";
import { isOver, judgeDeployment } from "../../components/railway/deployment-verdict.ts";
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
    ["REMOVED", "FAILED", "failed", "d2"],
    ["SUCCESS", "BUILDING", "ready", "d2"],
  ])("with status %s and a newer one in %s is %s by %s", (own, newer, kind, id) => {
    const verdict = judgeDeployment(deployment(2, own), [deployment(3, newer), deployment(2, own)]);
    expect(verdict).toMatchObject({ kind, deployment: { id } });
  });

  test("waits while no container of it runs, and fails when it was stopped", () => {
    expect(judgeDeployment(deployment(1, "SUCCESS", ["RESTARTING"]), []).kind).toBe("running");
    expect(judgeDeployment(deployment(1, "SUCCESS", ["CRASHED", "RUNNING"]), []).kind).toBe("ready");
    expect(judgeDeployment({ ...deployment(1, "SUCCESS"), stopped: true }, []).kind).toBe("failed");
  });

  test("calls it over only when nothing of it runs", () => {
    expect(isOver(deployment(1, "REMOVED"))).toBe(true);
    expect(isOver(deployment(1, "REMOVING"))).toBe(false);
    expect(isOver({ ...deployment(1, "SUCCESS", ["RUNNING"]), stopped: true })).toBe(false);
    expect(isOver({ ...deployment(1, "SUCCESS", ["STOPPED"]), stopped: true })).toBe(true);
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
    instances: instances.map((instance, index) => ({ id: String(index), status: instance })),
  };
}
