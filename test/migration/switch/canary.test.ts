import { afterAll, beforeAll, expect, test } from "vitest";
import type { MigrationInputs } from "../../../components/migration/inputs.ts";
import type { DeploymentFault } from "../../world/railway/platform.ts";
import { type CutoverWorld, startCutoverWorld } from "../cutover-world.ts";

const canary = "@healthcare/public";
const others = ["@healthcare/api", "@healthcare/doctor", "@healthcare/admin"] as const;
const late = "@healthcare/admin";

let here: CutoverWorld;

beforeAll(async () => {
  here = await startCutoverWorld();
});
afterAll(() => here?.stop());

const limits = (deploymentTimeoutMs: number): Partial<MigrationInputs> => ({
  limits: { ...here.inputs.limits, deploymentTimeoutMs },
});

/** The others' deployments and stored variables: none of it may change. */
function stateOfOthers() {
  const { services, variables } = here.world.railway.inspect();
  const ids = services.filter(({ name }) => others.some((other) => other === name)).map(({ id }) => id);
  return {
    deployments: others.map((name) =>
      here.world.railway.deployments(name).map(({ id, status }) => `${id} ${status}`),
    ),
    variables: variables.filter(({ serviceId }) => ids.includes(serviceId ?? "")),
  };
}

test.for<[readonly DeploymentFault[], string]>([
  [["HEALTHCHECK"], "DEPLOYMENT_FAILED"],
  [["CRASH_AFTER_SUCCESS"], "DEPLOYMENT_FAILED"],
  [["SKIPPED"], "DEPLOYMENT_SKIPPED"],
  [["HANG_DEPLOYING"], "DEPLOYMENT_TIMEOUT"],
  [["SUPERSEDED", "BUILD"], "DEPLOYMENT_FAILED"],
])("a canary with %j is put back alone", async ([faults, code]) => {
  const { railway } = here.world;
  const before = stateOfOthers();
  const earlier = railway.mutations().length;
  railway.setPace({ crashAfterMs: 0, healthcheckTimeoutMs: 1_000 });
  for (const fault of faults) railway.failNext(canary, fault);
  const onLine = (line: string) => {
    if (line.startsWith("Abort")) railway.setPace({ healthcheckTimeoutMs: 15_000 });
  };
  const run = here.run({ inputs: limits(faults.includes("HANG_DEPLOYING") ? 15_000 : 60_000), onLine });
  await expect(run).rejects.toMatchObject({
    code: "CUTOVER_ABORTED",
    message: expect.stringContaining(code),
  });
  await railway.settle();
  expect(stateOfOthers()).toEqual(before);
  const effects = railway
    .mutations()
    .slice(earlier)
    .filter((name) => !["variableCollectionUpsert", "volumeInstanceBackupCreate"].includes(name));
  expect(effects.slice(0, 3)).toEqual(["variableUpsert", "serviceInstanceDeployV2", "variableUpsert"]);
  expect(here.databaseOf(canary)).toBe("postgres.railway.internal");
  expect((await here.journal())?.record.state).toBe("aborted");
  expect(await here.judge("source")).toMatchObject({ violations: [] });
});

test("a service that must write while it starts follows after the promotion, the others before it", async () => {
  const services = here.inputs.services.map((service) => ({
    ...service,
    startsReadOnly: service.name !== late,
  }));
  const { record } = await here.run({ inputs: { services } });
  const createdAt = (name: string) => here.world.railway.deployments(name).at(-1)?.createdAt ?? "";
  const { promotedAt } = record.promotion;
  expect(createdAt(late) > promotedAt).toBe(true);
  for (const name of [canary, ...others.filter((other) => other !== late)]) {
    expect(createdAt(name) < promotedAt, name).toBe(true);
  }
  expect(record.fence.services[late]).toMatchObject({ provenAt: expect.any(String) });
  for (const name of [canary, ...others])
    expect(here.databaseOf(name), name).toBe("pgvector.railway.internal");
  expect(await here.judge("target")).toMatchObject({ violations: [] });
});
