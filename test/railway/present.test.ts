import { describe, expect, test } from "vitest";
import { CutoverError } from "../../components/errors.ts";
import { readConsumers } from "../../components/migration/drift/consumers.ts";
import { surveyPassword } from "../../components/migration/rotation/survey.ts";
import { readClientVariables } from "../../components/migration/target-tls/client-variables.ts";
import { lookIntoEnvironments, lookIntoServices } from "../../components/railway/present.ts";
import { createRailway, type EnvironmentScope, type Railway } from "../../components/railway/railway.ts";
import { createRailwayToken, type RailwayTokenKind } from "../../components/railway/token.ts";
import { startTestWorld, type TestWorld } from "../world/railway/test-world.ts";

const kinds: readonly RailwayTokenKind[] = ["project", "workspace", "account"];
const deleted = "web";

async function start(kind: RailwayTokenKind) {
  const world = await startTestWorld();
  const railway = createRailway({
    token: createRailwayToken(kind, world.simulator.tokens[kind]),
    endpoint: world.simulator.url,
    pollIntervalMs: 20,
    settleTimeoutMs: 500,
    limits: { retryDelayMs: 5, attempts: 3 },
  });
  const scope = await railway.resolveEnvironment({ project: "clinic", environment: "production" });
  return { world, railway, scope, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

/** The same client, for which somebody deletes the service when its variables are about to be read. */
function deletingAtRead(world: TestWorld, railway: Railway): Railway {
  let isThere = true;
  const before = (serviceId: string | null) => {
    if (!isThere || serviceId !== world.serviceId(deleted)) return;
    isThere = false;
    world.simulator.deleteServiceByHand(deleted);
  };
  return {
    ...railway,
    rawVariables(scope, serviceId) {
      before(serviceId);
      return railway.rawVariables(scope, serviceId);
    },
    serviceVariables(scope, serviceId) {
      before(serviceId);
      return railway.serviceVariables(scope, serviceId);
    },
  };
}

describe.each(kinds)("with a token of the kind %s, a service that is deleted", (kind) => {
  test("is known to be gone", async () => {
    await using here = await start(kind);
    const { world, railway, scope } = here;
    const id = world.serviceId(deleted);
    expect(await railway.readService(scope, id)).toMatchObject({ id });
    world.simulator.deleteServiceByHand(deleted);
    expect(await railway.readService(scope, id)).toBeUndefined();
  });

  test("is left out of the variables of many", async () => {
    await using here = await start(kind);
    const { world, railway, scope } = here;
    const ids = [world.serviceId("Postgres"), world.serviceId(deleted)];
    world.simulator.deleteServiceByHand(deleted);
    const read = await railway.rawVariablesOf(scope, ids);
    expect([...read.keys()]).toEqual([world.serviceId("Postgres")]);
  });

  test("between the list and its variables is in the way of no look at all services", async () => {
    const looks: ReadonlyArray<
      (railway: Railway, scope: EnvironmentScope, world: TestWorld) => Promise<unknown>
    > = [
      async (railway, scope, world) => {
        const services = await railway.listServices(scope);
        const authors = { editor: async () => null, deployer: async () => null };
        const look = { railway, scope, authors, addresses: {} };
        const inputs = { source: "Postgres", services: [], accept: [] };
        return readConsumers(look, services, inputs, world.serviceId("Postgres"));
      },
      async (railway, scope) =>
        readClientVariables(railway, scope, await railway.findService(scope, "pgvector")),
      (railway, scope, world) => surveyPassword(railway, scope, world.serviceId("pgvector"), ["secret"]),
    ];
    for (const look of looks) {
      await using here = await start(kind);
      const { world, railway, scope } = here;
      await look(deletingAtRead(world, railway), scope, world);
      const left = await railway.listServices(scope);
      expect(left.map(({ name }) => name)).not.toContain(deleted);
    }
  });
});

test("a look that is refused while everything is still there fails", async () => {
  await using here = await start("project");
  const { railway, scope } = here;
  const services = await railway.listServices(scope);
  let looks = 0;
  const refused = async () => {
    looks += 1;
    throw new CutoverError({ code: "RAILWAY_NOT_AUTHORIZED", message: "refused", remedy: "none" });
  };
  await expect(lookIntoServices(railway, scope, services, refused)).rejects.toThrow("refused");
  expect(looks).toBe(1);
});

test("an environment that is deleted is left out, where the token sees them all", async () => {
  await using here = await start("account");
  const { railway, scope } = here;
  const { projectEnvironments = [] } = await railway.environmentFacts(scope);
  const staging = projectEnvironments.filter(({ environmentName }) => environmentName === "staging");
  const look = async (present: readonly EnvironmentScope[]) => {
    if (present.length > 1)
      throw new CutoverError({ code: "RAILWAY_NOT_FOUND", message: "Environment not found", remedy: "none" });
    return present.map(({ environmentName }) => environmentName);
  };
  const seeing = (seen: readonly EnvironmentScope[] | undefined): Railway => ({
    ...railway,
    environmentFacts: async () => ({ canAccess: true, unmergedChangesCount: 0, projectEnvironments: seen }),
  });
  const both = [scope, ...staging];
  expect(await lookIntoEnvironments(seeing([scope]), scope, both, look)).toEqual(["production"]);
  for (const seen of [both, undefined]) {
    await expect(lookIntoEnvironments(seeing(seen), scope, both, look)).rejects.toThrow("not found");
  }
});
