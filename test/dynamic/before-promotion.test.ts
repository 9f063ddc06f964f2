import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { unknownValue } from "../../components/dynamic/codec.ts";
import { excludeOtherRuns } from "../../components/migration/exclusion/exclusion.ts";
import type { World } from "../world/world.ts";
import { expectPassivity } from "./passivity.ts";
import { type ProviderProcess, type RemoteProvider, startProviderProcess } from "./provider-process.ts";
import { inputsFor, secretsOf, startQuietWorld } from "./quiet-world.ts";

let world: World;
let process: ProviderProcess;

beforeAll(async () => {
  world = await startQuietWorld();
  process = await startProviderProcess(world.railway);
});

afterAll(async () => {
  await process?.stop();
  await world?.stop();
});

// Adopting and observing change nothing anywhere, whatever comes of it.
expectPassivity(() => ({ world, process }));

describe("PostgresService", () => {
  let provider: RemoteProvider;

  beforeAll(async () => {
    provider = await process.provider("postgres-service");
  });

  test("adopts both by name and pins them by id, without a secret", async () => {
    const { source, target } = inputsFor(world);
    const [old, next] = [await provider.create(source), await provider.create(target)];
    expect(old.id).toBe(serviceId("Postgres"));
    expect(old.properties).toMatchObject({
      serviceId: old.id,
      observed: { serverMajor: world.source.majorVersion, tls: true, vectorVersion: null },
      retirement: { state: "running", evidence: [] },
    });
    expect(next.id).toBe(serviceId("pgvector"));
    expect(next.properties).toMatchObject({
      observed: {
        image: "pgvector/pgvector:pg17",
        serverMajor: world.target.majorVersion,
        tls: false,
        vectorVersion: world.target.hasPgvector ? expect.any(String) : null,
      },
    });
    for (const { properties } of [old, next]) expectNoSecret(properties);
    expect(await provider.diff(old.id, old.properties, source)).toBe(false);
    expect(await provider.diff(next.id, next.properties, target)).toBe(false);
    expect(await provider.read(old.id, old.properties)).toEqual(old.properties);
  });

  test("is forgotten, not deleted", async () => {
    const { target } = inputsFor(world);
    const { id, properties } = await provider.create(target);
    const requests = world.railway.requests().length;
    await provider.delete(id, properties);
    expect(world.railway.requests().length).toBe(requests);
    // What the process prints comes through a pipe, beside its answer.
    await expect.poll(process.printed).toContain("pgvector is forgotten by Pulumi");
  });

  test("is not retired by a stack that has never adopted it, nor before a cutover", async () => {
    const finalBackup = { to: "own", place: "kept by the test", restoredAt: "2026-01-01T00:00:00Z" };
    const { source } = inputsFor(world, { legacyPostgres: "stop", removal: { finalBackup } });
    await expect(provider.create(source)).rejects.toThrow(/not in this stack's state yet/);
    const kept = inputsFor(world).source;
    const { id, properties } = await provider.create(kept);
    const refused = await provider.check(await provider.normalise(kept), source);
    expect(refused).toEqual([
      { property: "lifecycle", reason: expect.stringContaining("the journal does not say") },
    ]);
    expect(await provider.diff(id, properties, source)).toBe(true);
    await expect(provider.update(id, properties, source)).rejects.toThrow(/Refused to stop/);
  });

  test("another image than was adopted is drift", async () => {
    const { target } = inputsFor(world);
    const { id, properties } = await provider.create(target);
    const seen = {
      ...properties,
      observed: { ...(properties.observed as object), image: "pgvector/pgvector:pg18" },
    };
    expect(await provider.diff(id, seen, target)).toBe(true);
  });
});

test("phase: adopt is checked against the journal, again and again", async () => {
  const provider = await process.provider("postgres-service");
  const { target } = inputsFor(world, { phase: "adopt" });
  expect(await provider.check(await provider.normalise(target), target)).toEqual([]);
});

test("a preview of the cutover while a run is at work says so, and makes no plan", async () => {
  const migration = await process.provider("data-migration");
  const run = await excludeOtherRuns({
    source: world.source.connection(),
    target: world.target.connection(),
  });
  try {
    expect(await migration.check({}, inputsFor(world).migration)).toEqual([]);
    await expect.poll(process.printed).toContain("A run of the cutover is at work");
    expect(process.printed()).not.toContain("What moves");
  } finally {
    await run.release();
  }
});

describe("AppServiceVariables", () => {
  let provider: RemoteProvider;
  const name = "@healthcare/admin";
  const observing = () => inputsFor(world, { phase: "adopt" }).service(name);

  beforeAll(async () => {
    provider = await process.provider("app-service-variables");
  });

  test("observes a service on the old database", async () => {
    const { id, properties } = await provider.create(observing());
    expect(id).toBe(serviceId(name));
    expect(properties).toMatchObject({
      observed: { variables: { DATABASE_URL: "${{Postgres.DATABASE_URL}}" }, deployed: true },
    });
    expectNoSecret(properties);
    expect(await provider.diff(id, properties, observing())).toBe(false);
  });

  test("refuses the new database before the migration is promoted", async () => {
    await expect(provider.create(inputsFor(world).service(name))).rejects.toThrow(
      /journal says that Postgres accepts the application's writes/,
    );
  });

  test("reports a variable that somebody set by hand, without its value", async () => {
    const { id, properties } = await provider.create(observing());
    const literal = "postgresql://admin:by-hand-secret@elsewhere.example/railway";
    world.railway.setVariableByHand(name, "DATABASE_URL", literal);
    const read = await provider.read(id, properties);
    world.railway.setVariableByHand(name, "DATABASE_URL", "${{Postgres.DATABASE_URL}}");
    expect(read.observed).toMatchObject({ variables: { DATABASE_URL: "(literal)" } });
    expect(JSON.stringify(read)).not.toContain("by-hand-secret");
    expect(await provider.diff(id, read, observing())).toBe(true);
    expect(await provider.diff(id, await provider.read(id, read), observing())).toBe(false);
  });

  test("answers diff from what it is given, and says that it changes what is not known yet", async () => {
    const { id, properties } = await provider.create(observing());
    const requests = world.railway.requests().length;
    expect(await provider.diff(id, properties, { ...observing(), variables: unknownValue })).toBe(true);
    expect(await provider.diff(id, properties, inputsFor(world).service(name))).toBe(true);
    expect(world.railway.requests().length).toBe(requests);
  });

  test("is forgotten, not deleted", async () => {
    const { id, properties } = await provider.create(observing());
    const requests = world.railway.requests().length;
    await provider.delete(id, properties);
    expect(world.railway.requests().length).toBe(requests);
  });
});

function serviceId(name: string): string | undefined {
  return world.railway.inspect().services.find((service) => service.name === name)?.id;
}

function expectNoSecret(properties: object): void {
  const text = JSON.stringify(properties);
  for (const secret of secretsOf(world)) expect(text).not.toContain(secret);
  expect(text).not.toMatch(/postgres(ql)?:\/\//);
}
