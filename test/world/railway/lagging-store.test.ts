import { afterEach, expect, test, vi } from "vitest";
import { buildInitialState } from "./initial-state.ts";
import { LaggingStore } from "./lagging-store.ts";
import { startTestWorld } from "./test-world.ts";

afterEach(() => void vi.useRealTimers());

test("a write is read after its lag, and writes are never seen out of order", () => {
  vi.useFakeTimers();
  const lags = [1_000, 200];
  const state = buildInitialState({
    workspaceId: "workspace",
    project: { id: "project", name: "before" },
    environments: [],
    services: [],
    ledgerFolder: "",
  });
  const store = new LaggingStore(state, () => lags.shift() ?? 0);
  const rename = (name: string) =>
    store.commit((live) => {
      live.project.name = name;
    });
  rename("first");
  rename("second");
  expect(store.live.project.name).toBe("second");
  vi.advanceTimersByTime(999);
  expect(store.view().project.name).toBe("before");
  vi.advanceTimersByTime(1);
  expect(store.view().project.name).toBe("second");
  expect(store.view(500).project.name).toBe("before");
});

test("over the API a write is invisible until its lag is over", async () => {
  await using world = await startTestWorld({ pace: { readLagMs: [60_000, 60_000] } });
  const place = {
    projectId: world.projectId,
    environmentId: world.environmentId,
    serviceId: world.serviceId("web"),
  };
  await world.query("mutation($input: VariableUpsertInput!) { variableUpsert(input: $input) }", {
    input: { ...place, name: "COLOUR", value: "green", skipDeploys: true },
  });
  const { serviceInstanceDeployV2: id } = await world.query(
    "mutation($e: String!, $s: String!) { serviceInstanceDeployV2(environmentId: $e, serviceId: $s) }",
    { e: place.environmentId, s: place.serviceId },
  );
  const { variables } = await world.query(
    "query($p: String!, $e: String!, $s: String) { variables(projectId: $p, environmentId: $e, serviceId: $s) }",
    { p: place.projectId, e: place.environmentId, s: place.serviceId },
  );
  expect(variables).toEqual({});
  await expect(world.query("query($id: String!) { deployment(id: $id) { id } }", { id })).rejects.toThrow(
    "Deployment not found",
  );
});

test("the lag of what is written from now on can be changed while it runs", async () => {
  await using world = await startTestWorld();
  const deploy = async () => {
    const { serviceInstanceDeployV2: id } = await world.query(
      "mutation($e: String!, $s: String!) { serviceInstanceDeployV2(environmentId: $e, serviceId: $s) }",
      { e: world.environmentId, s: world.serviceId("bystander-0") },
    );
    return world.query("query($id: String!) { deployment(id: $id) { id } }", { id });
  };
  await expect(deploy()).resolves.toBeDefined();
  world.simulator.setPace({ readLagMs: [60_000, 60_000] });
  await expect(deploy()).rejects.toThrow("Deployment not found");
});
