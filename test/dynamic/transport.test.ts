import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { World } from "../world/world.ts";
import { expectPassivity } from "./passivity.ts";
import { type ProviderProcess, startProviderProcess } from "./provider-process.ts";
import { inputsFor, secretsOf, startQuietWorld } from "./quiet-world.ts";

let world: World;
let process: ProviderProcess;

beforeAll(async () => {
  world = await startQuietWorld({ tls: true });
  process = await startProviderProcess(world.railway);
});

afterAll(async () => {
  await process?.stop();
  await world?.stop();
});

expectPassivity(() => ({ world, process }));

const service = "@healthcare/api";
const unpinned = { transport: { source: { via: "tls" }, target: { via: "tls" } } };
const other = Array(32).fill("AB").join(":");
const renewed = {
  transport: { source: { via: "tls", fingerprint: other }, target: { via: "tls", fingerprint: other } },
};
/** How a state looks that was written before `public` was replaced. */
const former = { source: { via: "public" }, target: { via: "public" }, plaintextReason: null };

/** The line to paste for each of the two, as it is printed. */
const lines = () =>
  (["source", "target"] as const).map(
    (side) => `${side}: { via: tls, fingerprint: "${world[side].fingerprint}" }`,
  );

describe("phase: adopt, before anybody has looked at the certificates", () => {
  test("both databases and the services are adopted, and the lines to paste are shown", async () => {
    const databases = await process.provider("postgres-service");
    const services = await process.provider("app-service-variables");
    const inputs = inputsFor(world, { phase: "adopt", ...unpinned });
    for (const side of ["source", "target"] as const) {
      expect(await databases.check({}, inputs[side])).toEqual([]);
      expect(await databases.check(await databases.normalise(inputs[side]), inputs[side])).toEqual([]);
      const { properties } = await databases.create(inputs[side]);
      expect(properties).toMatchObject({ observed: { serverMajor: null, vectorVersion: null, tls: true } });
    }
    const { properties } = await services.create(inputs.service(service));
    expect(properties).toMatchObject({
      observed: { variables: { DATABASE_URL: "${{Postgres.DATABASE_URL}}" } },
    });
    for (const line of [...lines(), `${service}: the journal was not asked`])
      await expect.poll(process.printed).toContain(line);
    for (const secret of secretsOf(world)) expect(process.printed()).not.toContain(secret);
  });

  test("the pins are one change more, and everything is looked at then", async () => {
    const databases = await process.provider("postgres-service");
    const before = inputsFor(world, { phase: "adopt", ...unpinned }).source;
    const after = inputsFor(world, { phase: "adopt" }).source;
    const { id, properties } = await databases.create(before);
    expect(await databases.diff(id, properties, before)).toBe(false);
    expect(await databases.diff(id, properties, after)).toBe(true);
    const updated = await databases.update(id, properties, after);
    expect(updated).toMatchObject({ observed: { serverMajor: world.source.majorVersion, tls: true } });
    expect(await databases.diff(id, updated, after)).toBe(false);
  });
});

describe("phase: cutover without a pin", () => {
  test("is blocked in the preview, with both certificates", async () => {
    const migration = await process.provider("data-migration");
    const failures = await migration.check({}, inputsFor(world, unpinned).migration);
    expect(failures.filter(({ reason }) => reason.includes("CERTIFICATE_NOT_PINNED"))).toMatchObject(
      lines().map((line) => ({ reason: expect.stringContaining(line) })),
    );
  });

  test("adopts nothing", async () => {
    const databases = await process.provider("postgres-service");
    await expect(databases.create(inputsFor(world, unpinned).source)).rejects.toThrow(
      "CERTIFICATE_NOT_PINNED",
    );
  });
});

describe.each([
  ["a state of the time before certificates were pinned", former, "CERTIFICATE_NOT_PINNED"],
  ["a state with the certificate that the server had before", renewed.transport, "CERTIFICATE_CHANGED"],
] as const)("%s", (_name, transport, code) => {
  test("a database: a refresh refuses to log in, an up brings it up to date", async () => {
    const databases = await process.provider("postgres-service");
    const wanted = inputsFor(world).source;
    const { id, properties } = await databases.create(wanted);
    const old = { ...properties, transport };
    await expect(databases.read(id, old)).rejects.toThrow(code);
    expect(await databases.diff(id, old, wanted)).toBe(true);
    const updated = await databases.update(id, old, wanted);
    expect(updated).toEqual(properties);
    expect(await databases.read(id, updated)).toEqual(updated);
  });

  test("a service: the same", async () => {
    const services = await process.provider("app-service-variables");
    const wanted = inputsFor(world, { phase: "adopt" }).service(service);
    const { id, properties } = await services.create(wanted);
    const old = { ...properties, transport };
    expect(await services.diff(id, old, wanted)).toBe(true);
    expect(await services.update(id, old, wanted)).toEqual(properties);
  });

  test("the migration: the new way is noted, and nothing is looked at for it", async () => {
    const migration = await process.provider("data-migration");
    const wanted = inputsFor(world).migration;
    const evidence = {
      ...{ migrationId: "592ecf8c-3493-4a97-b016-a6ae5a0f89de", verdict: "green" },
      ...{ promotedAt: "2026-11-24T02:00:40.000Z", writePauseMs: 1, tables: 1, rows: 1, copiedBytes: 1 },
      ...{ sourceServiceId: "old", targetServiceId: "new", deployments: {}, drift: [] },
    };
    const requests = world.railway.requests().length;
    const old = { ...wanted, ...evidence, transport };
    expect(await migration.diff(evidence.migrationId, old, wanted)).toBe(true);
    const updated = await migration.update(evidence.migrationId, old, wanted);
    expect(updated).toMatchObject({ ...evidence, transport: wanted.transport });
    expect(await migration.diff(evidence.migrationId, updated, wanted)).toBe(false);
    expect(world.railway.requests().length).toBe(requests);
  });
});
