import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newEphemeralKey } from "../../components/backup/encryption.ts";
import { withConnection } from "../../components/postgres/connection.ts";
import { sentinelMarker } from "../world/postgres/source-fixture.ts";
import type { World } from "../world/world.ts";
import { type ProviderProcess, type RemoteProvider, startProviderProcess } from "./provider-process.ts";
import { inputsFor, secretsOf, startQuietWorld, transactionIds, untilWritersRest } from "./quiet-world.ts";

type Created = Awaited<ReturnType<RemoteProvider["create"]>>;

/** The operator's key. */
const operator = await newEphemeralKey();
let folder: string;
let world: World;
let process: ProviderProcess;
let migration: RemoteProvider;
let services: RemoteProvider;
let databases: RemoteProvider;
let made: Created;
let old: Created;
const name = "@healthcare/doctor";

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "final-backup-"));
  world = await startQuietWorld();
  process = await startProviderProcess(world.railway, {
    environment: { RAILWAY_REMOVAL_TOKEN: world.railway.tokens.account },
  });
  migration = await process.provider("data-migration");
  services = await process.provider("app-service-variables");
  databases = await process.provider("postgres-service");
  old = await databases.create(inputsFor(world).source);
  await leaveAnOrphan();
  made = await migration.create(inputsFor(world).migration);
  await untilWritersRest(world);
});

afterAll(async () => {
  await process?.stop();
  await world?.stop();
  await rm(folder, { recursive: true, force: true });
});

describe("DataMigration, once it is promoted", () => {
  test("tells what it did, without a secret or a row", () => {
    expect(made.properties).toMatchObject({ migrationId: made.id, verdict: "green", drift: [] });
    expect(made.properties.tables).toBeGreaterThan(30);
    const text = JSON.stringify(made.properties) + process.printed();
    for (const secret of secretsOf(world)) expect(text).not.toContain(secret);
    expect(text).not.toContain(sentinelMarker);
  });

  test("a lost state gets the same outputs back from the journal, and nothing is moved again", async () => {
    const mutations = world.railway.mutations().length;
    const ids = await transactionIds(world);
    expect(await migration.create(inputsFor(world).migration)).toEqual(made);
    expect(world.railway.mutations().length).toBe(mutations);
    expect(await transactionIds(world)).toEqual(ids);
  });

  test("a second stack with other schemas is refused", async () => {
    const inputs = { ...inputsFor(world).migration, schemas: ["public"] };
    await expect(migration.create(inputs)).rejects.toThrow(/names public from Postgres/);
  });

  test("needs no look at anything to say that nothing is to do", async () => {
    const requests = world.railway.requests().length;
    const inputs = inputsFor(world).migration;
    const changed = { ...inputs, limits: { ...inputs.limits, writePauseMs: 5_000 } };
    expect(await migration.diff(made.id, made.properties, inputs)).toBe(false);
    expect(await migration.diff(made.id, made.properties, changed)).toBe(false);
    expect(await migration.check(inputs, inputs)).toEqual([]);
    expect(world.railway.requests().length).toBe(requests);
  });

  test("source, target and schemas cannot be changed any more", async () => {
    const inputs = inputsFor(world).migration;
    const changed = { ...inputs, source: "pgvector", target: "Postgres", schemas: ["public"] };
    const failures = await migration.check(inputs, changed);
    expect(failures.map(({ property }) => property)).toEqual(["source", "target", "schemas"]);
  });

  test("reads no drift where there is none, and names what there is", async () => {
    expect(await migration.read(made.id, made.properties)).toEqual(made.properties);
    await onTarget(`ALTER TABLE llm_assistant.llm_docs_versions ADD COLUMN by_hand int`);
    const read = await migration.read(made.id, made.properties);
    expect(read.drift).toContainEqual(expect.stringContaining("llm_assistant.llm_docs_versions"));
    expect(await migration.diff(made.id, read, inputsFor(world).migration)).toBe(true);
    await expect(migration.update(made.id, read, inputsFor(world).migration)).rejects.toThrow(
      /llm_docs_versions.*Data is never repaired/,
    );
    await onTarget(`ALTER TABLE llm_assistant.llm_docs_versions DROP COLUMN by_hand`);
  });

  test("is forgotten, not undone", async () => {
    const requests = world.railway.requests().length;
    const ids = await transactionIds(world);
    await migration.delete(made.id, made.properties);
    expect(world.railway.requests().length).toBe(requests);
    expect(await transactionIds(world)).toEqual(ids);
  });
});

describe("AppServiceVariables, once the migration is promoted", () => {
  test("only verify what the migration has done", async () => {
    const mutations = world.railway.mutations().length;
    const { properties } = await services.create(inputsFor(world).service(name));
    expect(properties.observed).toMatchObject({
      variables: {
        DATABASE_URL: "${{pgvector.DATABASE_URL}}",
        LLM_DATABASE_URL: "${{pgvector.DATABASE_URL}}",
      },
      deployed: true,
    });
    expect(world.railway.mutations().length).toBe(mutations);
  });

  test("refuse to go back to the old database, without asking anybody", async () => {
    const { id, properties } = await services.create(inputsFor(world).service(name));
    const requests = world.railway.requests().length;
    const back = inputsFor(world, { phase: "adopt" }).service(name);
    await expect(services.diff(id, properties, back)).rejects.toThrow(/point it back at the old one/);
    await expect.poll(process.printed).toContain("point it back at the old one");
    expect(process.printed(), "a refusal is no crash").not.toMatch(/^ +at /m);
    expect(world.railway.requests().length).toBe(requests);
    await expect(services.create(back)).rejects.toThrow(/pgvector accepts the application's writes/);
  });

  test.each([
    { how: "and not deployed: without a deployment", deploy: false, deployments: 0 },
    { how: "and deployed: with one deployment", deploy: true, deployments: 1 },
  ])("put a variable right that was changed by hand $how", async ({ deploy, deployments }) => {
    const { id, properties } = await services.create(inputsFor(world).service(name));
    world.railway.setVariableByHand(name, "LLM_DATABASE_URL", "${{Postgres.DATABASE_URL}}", { deploy });
    await world.railway.settle();
    const before = world.railway.deployments(name).length;
    const read = await services.read(id, properties);
    expect(await services.diff(id, read, inputsFor(world).service(name))).toBe(true);
    const updated = await services.update(id, read, inputsFor(world).service(name));
    expect(updated.observed).toMatchObject({
      variables: { LLM_DATABASE_URL: "${{pgvector.DATABASE_URL}}" },
      deployed: true,
    });
    expect(world.railway.deployments(name).length).toBe(before + deployments);
  });
});

describe("drift, on the resource that it belongs to", () => {
  const railway = () => world.railway;

  async function refresh() {
    const { id, properties } = await services.create(inputsFor(world).service(name));
    const target = await databases.create(inputsFor(world).target);
    const read = async () => ({
      service: await services.read(id, properties),
      source: await databases.read(old.id, old.properties),
      target: await databases.read(target.id, target.properties),
      migration: await migration.read(made.id, made.properties),
    });
    return { id, target, before: { service: properties, target: target.properties }, read };
  }

  test("is nowhere where there is none", async () => {
    const { before, read } = await refresh();
    const seen = await read();
    expect(seen).toEqual({ ...before, source: old.properties, migration: made.properties });
  });

  test("is a line of each: what, by whom; printed as well", async () => {
    const { id, target, read } = await refresh();
    railway().setVariableByHand(name, "DATABASE_URL", "${{Postgres.DATABASE_URL}}");
    railway().setVariableByHand("metrics", "DATASOURCE", "${{Postgres.DATABASE_URL}}");
    railway().stageEdit();
    await railway().openTcpProxy("pgvector");
    await onTarget(`ALTER TABLE public."WriterProgress" ADD COLUMN by_hand int`);
    const seen = await read();
    expect(seen.service.drift).toEqual([
      expect.stringMatching(/^SERVICE_NOT_DEPLOYED /),
      expect.stringMatching(/^SERVICE_REFERENCE_CHANGED DATABASE_URL: was .*pgvector.*\(Ana Lopez at /),
    ]);
    expect(seen.source.drift).toEqual([expect.stringMatching(/^OLD_DATABASE_NAMED metrics DATASOURCE/)]);
    expect(seen.target.drift).toEqual([expect.stringMatching(/^TCP_PROXY_OPENED pgvector/)]);
    expect(seen.migration.drift).toEqual([
      expect.stringMatching(/^APP_STRUCTURE_CHANGED column public\."WriterProgress"\.by_hand/),
      expect.stringMatching(/^STAGED_EDIT production/),
    ]);
    const inputs = inputsFor(world);
    expect(await services.diff(id, seen.service, inputs.service(name))).toBe(true);
    expect(await databases.diff(old.id, seen.source, inputs.source)).toBe(true);
    expect(await databases.diff(target.id, seen.target, inputs.target)).toBe(true);
    const kept = await databases.update(old.id, seen.source, inputs.source);
    expect(kept.drift).toEqual(seen.source.drift);
    await expect.poll(process.printed).toContain("drift on source: OLD_DATABASE_NAMED metrics");
    const mended = await services.update(id, seen.service, inputs.service(name));
    expect(mended).not.toHaveProperty("drift");
    expect(await services.diff(id, mended, inputs.service(name))).toBe(false);

    await onTarget(`ALTER TABLE public."WriterProgress" DROP COLUMN by_hand`);
    const staged = await migration.read(made.id, made.properties);
    // What somebody staged holds no update up.
    expect(await migration.update(made.id, staged, inputs.migration)).toMatchObject({
      drift: [expect.stringMatching(/^STAGED_EDIT /)],
    });
    railway().setVariableByHand("metrics", "DATASOURCE", "");
    railway().discardStagedEdits();
    expect(await databases.update(old.id, kept, inputs.source)).not.toHaveProperty("drift");
  });

  test("a service that is gone or renamed stays in the state, and is told", async () => {
    const { id, properties } = await services.create(inputsFor(world).service(name));
    railway().renameService(name, "renamed");
    const read = await services.read(id, properties);
    railway().renameService("renamed", name);
    expect(read.drift).toEqual([
      expect.stringMatching(/^SERVICE_RENAMED @healthcare\/doctor: .*is called renamed/),
    ]);
  });

  test("is not told from what could not be looked at", async () => {
    const { id, properties } = await services.create(inputsFor(world).service(name));
    const times = Number.POSITIVE_INFINITY;
    railway().failRequests({ operation: "CutoverDeploymentSnapshot", mode: "not-authorized", times });
    await expect(services.read(id, properties)).rejects.toThrow(/DRIFT_NOT_SEEN|could be looked at/);
    railway().clearRequestFaults();
  });
});

test("phase: adopt is refused, although a state from that time would fit it", async () => {
  const { target } = inputsFor(world, { phase: "adopt" });
  expect(await databases.check(await databases.normalise(target), target)).toEqual([
    { property: "phase", reason: expect.stringMatching(/NOT_THE_PRIMARY.*pgvector accepts.*Remedy: \S/) },
  ]);
});

describe("the old database, once the migration is promoted", () => {
  const removal = () => ({
    confirmServiceId: old.id,
    finalBackup: { to: "path", folder, recipients: [operator.recipient] },
  });
  let stopped: Record<string, unknown>;

  test("is stopped with its volume kept, and stays so", async () => {
    const { source } = inputsFor(world, { legacyPostgres: "stop", removal: removal() });
    expect(await databases.check(await databases.normalise(inputsFor(world).source), source)).toEqual([]);
    stopped = await databases.update(old.id, old.properties, source);
    expect(stopped.retirement).toMatchObject({ state: "stopped" });
    expect(await readdir(folder)).toEqual([expect.stringMatching(/^Postgres-.*\.dump\.age$/)]);
    expect(world.railway.mutations()).not.toContain("volumeDelete");
    expect(await databases.read(old.id, stopped)).toEqual(stopped);
    expect(await databases.diff(old.id, stopped, source)).toBe(false);
    await expect(databases.update(old.id, stopped, inputsFor(world).source)).rejects.toThrow(
      /legacyPostgres: keep cannot undo that/,
    );
  });

  test("the migration needs it no longer", async () => {
    expect(await migration.create(inputsFor(world).migration)).toEqual(made);
    expect((await migration.read(made.id, made.properties)).drift).toEqual([]);
  });

  test("is not removed while somebody names it", async () => {
    world.railway.setVariableByHand("metrics", "DATASOURCE", "${{Postgres.DATABASE_URL}}");
    const { source } = inputsFor(world, { legacyPostgres: "remove", removal: removal() });
    await expect(databases.update(old.id, stopped, source)).rejects.toThrow(/metrics .*DATASOURCE names/);
    expect(world.railway.mutations()).not.toContain("volumeDelete");
    world.railway.setVariableByHand("metrics", "DATASOURCE", "");
  });

  test("is retired from the same point by a stack that lost its state, and forgotten without a trace", async () => {
    const { source } = inputsFor(world, { legacyPostgres: "stop", removal: removal() });
    const adopted = await databases.create(source);
    expect(adopted.id).toBe(old.id);
    expect(adopted.properties.retirement).toEqual(stopped.retirement);
    const requests = world.railway.requests().length;
    await databases.delete(old.id, adopted.properties);
    expect(world.railway.requests().length).toBe(requests);
  });

  test("is removed with its volume first, and its evidence stays", async () => {
    const { source } = inputsFor(world, { legacyPostgres: "remove", removal: removal() });
    const removed = await databases.update(old.id, stopped, source);
    expect(removed.retirement).toMatchObject({ state: "removed" });
    expect(world.railway.mutations().slice(-2)).toEqual(["volumeDelete", "serviceDelete"]);
    expect(await databases.read(old.id, removed)).toEqual(removed);
    expect(await readdir(folder)).toHaveLength(1);
    expect(await databases.diff(old.id, removed, source)).toBe(false);
    expect(await migration.create(inputsFor(world).migration)).toEqual(made);
  });
});

/** A process whose engine is gone puts everything back; what it leaves must not be in the way of the next run. */
async function leaveAnOrphan(): Promise<void> {
  const orphan = await startProviderProcess(world.railway, { engineIsGone: true });
  try {
    const provider = await orphan.provider("data-migration");
    await expect(provider.create(inputsFor(world).migration)).rejects.toThrow(
      /everything is back on the source/,
    );
    // The trial of the token's right to write, which sets nothing, and the volume backups.
    expect(new Set(world.railway.mutations())).toEqual(
      new Set(["variableCollectionUpsert", "volumeInstanceBackupCreate"]),
    );
  } finally {
    await orphan.stop();
  }
}

function onTarget(statement: string): Promise<unknown> {
  return withConnection(world.target.connection(), { purpose: "world" }, (client) => client.query(statement));
}
