import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect, withConnection } from "../../../components/postgres/connection.ts";
import { hashTable, type TableDigest } from "../../../components/postgres/content/content-hash.ts";
import {
  type HashingThresholds,
  hashTables,
  planHashing,
  TableHashing,
} from "../../../components/postgres/content/hash-tables.ts";
import { listTables, type MovedTable } from "../../../components/postgres/relations.ts";
import { createDatabase, type TestDatabase } from "../../world/postgres/databases.ts";
import { sharedServers } from "../../world/postgres/shared.ts";

let database: TestDatabase;
let holder: pg.Client;
/** Outside of a transaction: within one, the activity of others stands still. */
let watcher: pg.Client;
let snapshot: string;
let tables: readonly MovedTable[];

beforeAll(async () => {
  database = await createDatabase(sharedServers().source);
  holder = await connect(database.connection, { purpose: "test" });
  watcher = await connect(database.connection, { purpose: "test" });
  await holder.query(`
    CREATE TABLE public.large (id int, body text);
    INSERT INTO public.large SELECT g, repeat(md5(g::text), g % 50) FROM generate_series(1, 3000) g;
    DELETE FROM public.large WHERE id % 7 = 0;
    CREATE TABLE public.empty (a int);
    CREATE TABLE public.plain (a int, b text); INSERT INTO public.plain VALUES (1, 'x'), (2, 'y');
    CREATE TABLE public.bare (); INSERT INTO public.bare DEFAULT VALUES;`);
  await holder.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
  await holder.query("SET LOCAL idle_in_transaction_session_timeout = 0");
  snapshot = (await holder.query("SELECT pg_export_snapshot() AS snapshot")).rows[0].snapshot;
  tables = await listTables(holder, ["public"]);
});

afterAll(async () => {
  await Promise.all([holder?.end(), watcher?.end()]);
  await database?.drop();
});

const open = () => connect(database.connection, { purpose: "hash-test", readOnly: true });

/** Every one of the shapes that statements have: pieces, one table alone, several tables. */
const thresholds: HashingThresholds = { piece: 65_536, small: 32_768, batch: 1024 * 1024, batchTables: 2 };

const sessionsLeft = async () => {
  const query = "SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name LIKE '%:hash-test'";
  return (await watcher.query(query)).rows[0].n;
};

describe("what the statements are about", () => {
  const sized = (name: string, sizeBytes: number, heapBlocks = 100) =>
    ({ schema: "public", name, sizeBytes, heapBlocks, columns: [] }) as unknown as MovedTable;
  const shown = (list: readonly MovedTable[], inPieces = true) =>
    planHashing(list, { piece: 100, small: 10, batch: 12, batchTables: 3 }, inPieces).map(({ parts }) =>
      parts.map(({ table, range }) =>
        range === undefined ? table.name : `${table.name} ${range.from}-${range.to ?? ""}`,
      ),
    );

  test("large tables come in pieces, small ones together, largest first", () => {
    const list = [
      sized("a", 1),
      sized("b", 40),
      sized("c", 320),
      sized("d", 7),
      sized("e", 5),
      sized("f", 0),
    ];
    expect(shown(list)).toEqual([["c 0-33"], ["c 33-66"], ["c 66-"], ["b"], ["d", "e"], ["a", "f"]]);
  });

  test("a table is whole without a common moment, or without addresses", () => {
    expect(shown([sized("a", 320)], false)).toEqual([["a"]]);
    expect(shown([sized("a", 320, 0)])).toEqual([["a"]]);
    expect(shown([sized("a", 320, 1)])).toEqual([["a"]]);
  });

  test("no statement has more tables than it may", () => {
    expect(shown(["a", "b", "c", "d"].map((name) => sized(name, 0)))).toEqual([["a", "b", "c"], ["d"]]);
  });
});

test("however the work is divided, the digests are those of the tables one by one", async () => {
  const expected: TableDigest[] = [];
  // The holder must keep no lock of a table.
  await withConnection(database.connection, { purpose: "test" }, async (client) => {
    for (const table of tables) expected.push(await hashTable(client, table));
  });
  expect(expected.map(({ rows }) => rows)).toEqual(["1", "0", "2572", "2"]);
  expect(planHashing(tables, thresholds, true).length).toBeGreaterThan(3);
  for (const workers of [1, 3]) {
    const seen: string[] = [];
    const onTable = ({ name }: { name: string }) => seen.push(name);
    const options = { connect: open, tables, thresholds, snapshot, workers, onTable };
    expect(await hashTables(options)).toEqual(expected);
    expect(seen.toSorted()).toEqual(["bare", "empty", "large", "plain"]);
  }
  expect(await hashTables({ connect: open, tables, workers: 2 })).toEqual(expected);
  await expect.poll(sessionsLeft).toBe(0);
});

test("sessions may come one after the other, and the result is there for everybody who asks", async () => {
  const hashing = new TableHashing({ connect: open, tables, thresholds, snapshot });
  hashing.addWorker();
  hashing.addWorker();
  const digests = await hashing.finish(2);
  expect(digests).toHaveLength(4);
  hashing.addWorker();
  expect(await hashing.finish(2)).toEqual(digests);
  await hashing.stop();
  await expect.poll(sessionsLeft).toBe(0);
});

test("a session for which there was no room leaves its work to others, unless there are none", async () => {
  const full = async () => Promise.reject(new Error("too many clients"));
  let refusals = 2;
  const connect = () => (refusals-- > 0 ? full() : open());
  const hashing = new TableHashing({ connect, tables, thresholds, snapshot });
  hashing.addWorker();
  hashing.addWorker();
  expect(await hashing.finish(1)).toHaveLength(4);
  const shut = new TableHashing({ connect: full, tables, thresholds, snapshot });
  shut.addWorker();
  await expect(shut.finish(1)).rejects.toThrow("too many clients");
});

test.each([
  ["among others", "plain"],
  ["in pieces", "large"],
])("a table %s that is not as declared is left out once, the others are hashed", async (_how, name) => {
  const changed = tables.map((table) =>
    table.name === name
      ? { ...table, columns: table.columns.map((column) => ({ ...column, name: `${column.name}_` })) }
      : table,
  );
  const left: string[] = [];
  const options = { connect: open, tables: changed, thresholds, snapshot, workers: 2 };
  const digests = await hashTables({ ...options, onMismatch: (table) => left.push(table.name) });
  expect(left).toEqual([name]);
  expect(digests.map((digest) => digest.name)).toEqual(
    tables.map((table) => table.name).filter((each) => each !== name),
  );
  await expect(hashTables(options)).rejects.toMatchObject({ code: "42703" });
  await expect.poll(sessionsLeft).toBe(0);
});

describe("what is under way", () => {
  /** A statement on it waits until the returned function is called. */
  const hold = async () => {
    const locker = await connect(database.connection, { purpose: "test" });
    await locker.query("BEGIN; LOCK TABLE public.plain");
    return () => locker.end();
  };
  const waits = async () => {
    const query =
      "SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name LIKE '%:hash-test' AND wait_event_type = 'Lock'";
    await expect.poll(async () => (await watcher.query(query)).rows[0].n).toBe(1);
  };

  test("ends with the signal, for its reason", async () => {
    const release = await hold();
    const control = new AbortController();
    const hashing = hashTables({
      connect: open,
      tables,
      thresholds,
      snapshot,
      workers: 2,
      signal: control.signal,
    });
    await waits();
    control.abort(new Error("enough"));
    await expect(hashing).rejects.toThrow("enough");
    await release();
    await expect.poll(sessionsLeft).toBe(0);
  });

  test("does not begin behind the signal", async () => {
    const signal = AbortSignal.abort(new Error("too late"));
    const hashing = hashTables({ connect: open, tables, thresholds, snapshot, workers: 2, signal });
    await expect(hashing).rejects.toThrow("too late");
  });

  test("ends when nobody wants it any more", async () => {
    const release = await hold();
    const hashing = new TableHashing({ connect: open, tables, thresholds, snapshot });
    hashing.addWorker();
    await waits();
    await hashing.stop();
    await expect(hashing.finish(1)).rejects.toThrow("stopped");
    await release();
    await expect.poll(sessionsLeft).toBe(0);
  });

  test("fails when its session is ended, and begins nothing more", async () => {
    const release = await hold();
    const hashing = hashTables({ connect: open, tables, thresholds, snapshot, workers: 1 });
    const failed = expect(hashing).rejects.toMatchObject({ code: "57P01" });
    await waits();
    await watcher.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%:hash-test'",
    );
    await failed;
    await release();
  });
});
