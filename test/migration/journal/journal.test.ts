import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  beginMigration,
  ensureJournal,
  type JournalEntry,
  readEvents,
  readJournal,
  takeOver,
  transition,
} from "../../../components/migration/journal/journal.ts";
import { connect, withConnection } from "../../../components/postgres/connection.ts";
import { createDatabase, type TestDatabase } from "../../world/postgres/databases.ts";
import { sharedServers } from "../../world/postgres/shared.ts";
import { abortingRecord, loadingRecord, switchingRecord } from "../records.ts";

let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await createDatabase(sharedServers().target);
  client = await connect(database.connection, { purpose: "test" });
});
afterAll(async () => {
  await client?.end();
  await database?.drop();
});
beforeEach(async () => {
  await client.query("drop schema if exists pgvector_cutover cascade");
});

const read = async () => (await readJournal(client)) as JournalEntry;

it("is nothing where there is none, and reading it creates nothing", async () => {
  await withConnection(database.connection, { purpose: "observe", readOnly: true }, async (observer) => {
    expect(await readJournal(observer)).toBeUndefined();
  });
  await ensureJournal(client);
  await ensureJournal(client);
  expect(await readJournal(client)).toBeUndefined();
});

it("is closed to everybody but its owner", async () => {
  await ensureJournal(client);
  const { rows } = await client.query(
    "select has_schema_privilege('public', 'pgvector_cutover', 'usage') as usage, has_table_privilege('public', 'pgvector_cutover.migration', 'select') as read",
  );
  expect(rows).toEqual([{ usage: false, read: false }]);
});

describe("compare-and-set", () => {
  beforeEach(() => ensureJournal(client));

  it("moves on from the state it was in, and keeps what happened", async () => {
    const owner = await beginMigration(client, "m1", loadingRecord());
    await transition(client, owner, "loading", switchingRecord(), "fenced");
    expect(await read()).toMatchObject({ id: "m1", epoch: 1, record: switchingRecord() });
    expect((await readEvents(client, "m1")).map(({ state, text }) => [state, text])).toEqual([
      ["loading", "begun"],
      ["switching", "fenced"],
    ]);
  });

  it("refuses a state that is over, and leaves no trace", async () => {
    const owner = await beginMigration(client, "m1", loadingRecord());
    await transition(client, owner, "loading", abortingRecord(), "failed");
    await expect(transition(client, owner, "loading", switchingRecord(), "late")).rejects.toMatchObject({
      code: "JOURNAL_LOST",
    });
    expect((await read()).record.state).toBe("aborting");
    expect(await readEvents(client, "m1")).toHaveLength(2);
  });

  it("refuses whoever was taken over from, at once and for good", async () => {
    const orphan = await beginMigration(client, "m1", loadingRecord());
    const owner = await takeOver(client, await read());
    expect(owner).toEqual(await read());
    expect(owner).toMatchObject({ id: "m1", epoch: 2 });
    await expect(transition(client, orphan, "loading", switchingRecord(), "orphan")).rejects.toMatchObject({
      code: "JOURNAL_LOST",
    });
    await transition(client, owner, "loading", switchingRecord(), "owner");
  });

  it("is taken over by one of two that saw the same epoch", async () => {
    await beginMigration(client, "m1", loadingRecord());
    const seen = await read();
    const outcomes = await Promise.allSettled([takeOver(client, seen), takeOver(client, seen)]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  });

  it("lets a concurrent takeover win over a transition that waited for it", async () => {
    const orphan = await beginMigration(client, "m1", loadingRecord());
    await withConnection(database.connection, { purpose: "test" }, async (other) => {
      const entry = await read();
      await other.query("begin");
      await takeOver(other, entry);
      const late = transition(client, orphan, "loading", switchingRecord(), "late");
      const refused = expect(late).rejects.toMatchObject({ code: "JOURNAL_LOST" });
      await other.query("commit");
      await refused;
    });
  });

  it("holds one live migration only, beside any number of aborted ones", async () => {
    const first = await beginMigration(client, "m1", loadingRecord());
    await expect(beginMigration(client, "m2", loadingRecord())).rejects.toMatchObject({ code: "23505" });
    await transition(client, first, "loading", abortingRecord(), "failed");
    await transition(client, first, "aborting", { ...abortingRecord(), state: "aborted" }, "failed");
    await beginMigration(client, "m2", loadingRecord());
    expect(await read()).toMatchObject({ id: "m2", record: { state: "loading" } });
  });
});

it("reads a record whose notes of who ran it are another version's", async () => {
  await ensureJournal(client);
  await beginMigration(client, "m1", loadingRecord());
  await client.query(
    `update pgvector_cutover.migration set record = jsonb_set(record, '{context}', record->'context' || '{"runs": [{"who": "?"}], "preflight": 1}')`,
  );
  const { context } = (await read()).record;
  expect([context.runs, context.preflight]).toEqual([undefined, undefined]);
});

it("refuses to guess at a record that it does not know", async () => {
  await ensureJournal(client);
  await beginMigration(client, "m1", loadingRecord());
  await client.query(`update pgvector_cutover.migration set record = record || '{"state": "paused"}'`);
  await expect(readJournal(client)).rejects.toMatchObject({ code: "JOURNAL_UNREADABLE" });
});
