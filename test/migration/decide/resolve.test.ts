import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  resolveDatabases,
  resolveServices,
  resolveWorld,
} from "../../../components/migration/decide/resolve.ts";
import type { MigrationInputs } from "../../../components/migration/inputs.ts";
import { createRailway, type Railway } from "../../../components/railway/railway.ts";
import { createRailwayToken } from "../../../components/railway/token.ts";
import { sharedServers } from "../../world/postgres/shared.ts";
import { startTestWorld, type TestWorld, testApp } from "../../world/railway/test-world.ts";

const api = "@healthcare/api";
let world: TestWorld;
let railway: Railway;
let inputs: MigrationInputs;

beforeEach(async () => {
  world = await startTestWorld({ extraServices: [testApp("successor")] });
  railway = createRailway({
    token: createRailwayToken("project", world.simulator.tokens.project),
    endpoint: world.simulator.url,
  });
  const servers = sharedServers();
  inputs = {
    project: "clinic",
    environment: "production",
    source: "Postgres",
    target: "pgvector",
    services: [api, "web"].map((name) => ({
      name,
      variables: ["DATABASE_URL"],
      healthCheckUrl: null,
      wave: 0,
      startsReadOnly: true,
    })),
    transport: {
      source: { via: "tunnel", port: servers.source.port },
      target: { via: "tunnel", port: servers.target.port },
    },
  } as unknown as MigrationInputs;
});
afterEach(() => world[Symbol.asyncDispose]());

const noted = () => ({
  [api]: { serviceId: world.serviceId(api) },
  web: { serviceId: world.serviceId("web") },
});

async function servicesNow(): Promise<string[]> {
  const { scope } = await resolveDatabases(railway, inputs);
  const services = await resolveServices(railway, scope, inputs, noted());
  return services.map(({ service }) => `${service.name} ${service.id === world.serviceId(service.name)}`);
}

describe("a service that was renamed while a migration is unfinished", () => {
  test("hides nothing of the two databases", async () => {
    const before = await resolveDatabases(railway, inputs);
    world.simulator.renameService(api, "renamed");
    expect(await resolveDatabases(railway, inputs)).toEqual(before);
    expect(before).toMatchObject({
      source: { reference: "${{Postgres.DATABASE_URL}}", privateHost: "postgres.railway.internal" },
      target: { reference: "${{pgvector.DATABASE_URL}}", privateHost: "pgvector.railway.internal" },
    });
    await expect(resolveWorld(railway, inputs, {})).rejects.toMatchObject({ code: "SERVICE_NOT_FOUND" });
  });

  test("is found by the id that the journal noted, under the name it had then", async () => {
    world.simulator.renameService(api, "renamed");
    expect(await servicesNow()).toEqual([`${api} true`, "web true"]);
  });

  test("is not taken for another one that bears its name by now", async () => {
    world.simulator.renameService(api, "renamed");
    world.simulator.renameService("successor", api);
    expect(await servicesNow()).toEqual([`${api} true`, "web true"]);
  });

  test("keeps the journal's name when the configuration has the new one, or the id", async () => {
    world.simulator.renameService(api, "renamed");
    for (const name of ["renamed", world.serviceId(api)]) {
      inputs = {
        ...inputs,
        services: inputs.services.map((one) => (one.name === "web" ? one : { ...one, name })),
      };
      expect(await servicesNow()).toEqual([`${api} true`, "web true"]);
    }
  });

  test("that is gone altogether is told as not found", async () => {
    const { scope } = await resolveDatabases(railway, inputs);
    await expect(
      resolveServices(railway, scope, inputs, { [api]: { serviceId: randomUUID() } }),
    ).rejects.toMatchObject({ code: "SERVICE_NOT_FOUND" });
  });
});

test("without a journal services are found by name", async () => {
  const { services } = await resolveWorld(railway, inputs, {});
  expect(services.map(({ service }) => service.name)).toEqual([api, "web"]);
});
