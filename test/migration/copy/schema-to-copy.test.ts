import type pg from "pg";
import { afterEach, beforeEach, expect, it } from "vitest";
import { readSchemaEarly, schemaToCopy } from "../../../components/migration/copy/schema-to-copy.ts";
import type { ExclusiveRun } from "../../../components/migration/exclusion/exclusive-run.ts";
import { connect, withConnection } from "../../../components/postgres/connection.ts";
import { createDatabase, type TestDatabase } from "../../world/postgres/databases.ts";
import { sharedServers } from "../../world/postgres/shared.ts";

let database: TestDatabase;
let snapshotSession: pg.Client;
let run: ExclusiveRun;

beforeEach(async () => {
  database = await createDatabase(sharedServers().source);
  const { connection } = database;
  await define("create table public.patient (id int primary key)");
  snapshotSession = await connect(connection, { purpose: "snapshot" });
  run = {
    world: { source: { connection } },
    inputs: { schemas: ["public"] },
    exclusion: { signal: new AbortController().signal },
  } as unknown as ExclusiveRun;
});

afterEach(async () => {
  await snapshotSession?.end();
  await database?.drop();
});

const define = (statement: string) =>
  withConnection(database.connection, { purpose: "test" }, (client) => client.query(statement));

async function pause() {
  await snapshotSession.query("begin isolation level repeatable read read only");
  const { rows } = await snapshotSession.query("select pg_export_snapshot() as snapshot");
  return { snapshotSession, snapshot: rows[0].snapshot as string };
}

it("uses what was read early where nothing was defined since", async () => {
  const early = await readSchemaEarly(run, 17);
  await define("insert into public.patient values (1)");
  expect(await schemaToCopy(run, early, await pause())).toBe(early.dump);
});

it("reads the schema anew where something was defined between", async () => {
  const early = await readSchemaEarly(run, 17);
  await define("alter table public.patient add column name text");
  const { entries } = await schemaToCopy(run, early, await pause());
  const [before, now] = [early.dump.entries, entries].map((list) => list.map(({ sql }) => sql).join("\n"));
  expect(before).not.toContain('"name" "text"');
  expect(now).toContain('"name" "text"');
});

it("takes nothing that was defined behind the snapshot for what is copied", async () => {
  const early = await readSchemaEarly(run, 17);
  const paused = await pause();
  await define("create function public.late() returns int language sql as 'select 1'");
  expect(await schemaToCopy(run, early, paused)).toBe(early.dump);
});
