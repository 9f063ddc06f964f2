import { afterAll, beforeAll, expect, test } from "vitest";
import { beginMigration, ensureJournal } from "../../components/migration/journal/journal.ts";
import { withConnection } from "../../components/postgres/connection.ts";
import { abortingRecord, switchingRecord } from "../migration/records.ts";
import type { World } from "../world/world.ts";
import { type ProviderProcess, type RemoteProvider, startProviderProcess } from "./provider-process.ts";
import { inputsFor, startQuietWorld } from "./quiet-world.ts";

// What a preview says of a migration that was interrupted: what `up` would decide, without a change.
let world: World;
let process: ProviderProcess;
let migration: RemoteProvider;

beforeAll(async () => {
  world = await startQuietWorld();
  process = await startProviderProcess(world.railway);
  migration = await process.provider("data-migration");
  const { context } = switchingRecord();
  const idOf = (name: string) => world.railway.inspect().services.find((one) => one.name === name)?.id ?? "";
  await onTarget(async (client) => {
    await ensureJournal(client);
    const record = {
      ...abortingRecord(),
      context: {
        ...context,
        source: { ...context.source, serviceId: idOf("Postgres") },
        target: { ...context.target, serviceId: idOf("pgvector") },
        schemas: inputsFor(world).migration.schemas,
      },
    };
    await beginMigration(client, "m1", record);
  });
});

afterAll(async () => {
  await process?.stop();
  await world?.stop();
});

function onTarget<Result>(use: Parameters<typeof withConnection<Result>>[2]): Promise<Result> {
  return withConnection(world.target.connection(), { purpose: "world" }, use);
}

test("one line instead of the plan, and no failure", async () => {
  expect(await migration.check({}, inputsFor(world).migration)).toEqual([]);
  await expect
    .poll(process.printed)
    .toContain("Migration m1 was interrupted (aborting): up puts everything back and starts afresh");
  expect(process.printed()).not.toContain("What moves");
});

test("a failure where up is refused, with the code and its remedy", async () => {
  await onTarget((client) =>
    client.query("create table public.left_over (id int); update pgvector_cutover.fence set open = true"),
  );
  const failures = await migration.check({}, inputsFor(world).migration);
  await onTarget((client) =>
    client.query("drop table public.left_over; update pgvector_cutover.fence set open = false"),
  );
  expect(failures).toEqual([
    {
      property: "target",
      reason: expect.stringMatching(/^TARGET_FENCE_BROKEN: Refused: .* Nothing was changed\. Remedy: /),
    },
  ]);
  await expect.poll(process.printed).toContain("up is refused (TARGET_FENCE_BROKEN)");
});

test("no failure where the source is out of reach: the real run insists", async () => {
  await world.source.stop();
  const failures = await migration.check({}, inputsFor(world).migration);
  await world.source.start();
  expect(failures).toEqual([]);
  await expect.poll(process.printed).toContain("what up does depends on the source");
});
