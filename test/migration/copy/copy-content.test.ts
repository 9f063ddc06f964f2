import { afterAll, beforeAll, expect, it } from "vitest";
import { findChangedTables } from "../../../components/migration/copy/copy-content.ts";
import type { FenceRecord } from "../../../components/migration/journal/record.ts";
import { connect, withConnection } from "../../../components/postgres/connection.ts";
import { hashTables } from "../../../components/postgres/content/hash-tables.ts";
import { listTables } from "../../../components/postgres/relations.ts";
import { createDatabase, type TestDatabase } from "../../world/postgres/databases.ts";
import { startServer } from "../../world/postgres/server.ts";
import { sharedServers } from "../../world/postgres/shared.ts";
import { switchingRecord } from "../records.ts";

const schemas = ["public"];
let database: TestDatabase;
let fence: FenceRecord;

beforeAll(async () => {
  database = await createDatabase(sharedServers().target);
  await withConnection(database.connection, { purpose: "test" }, async (client) => {
    await client.query(`
      create table public.patient (id int); insert into public.patient values (1), (2);
      create unlogged table public.cache (id int); insert into public.cache values (1);`);
    const tables = await hashTables({
      connect: () => connect(database.connection, { purpose: "test", readOnly: true }),
      tables: await listTables(client, schemas),
      workers: 1,
    });
    fence = {
      ...switchingRecord().fence,
      tables: tables.map(({ schema, name, rows, hash }) => {
        const content = { rows, hash };
        return { schema, name, source: content, target: content };
      }),
    };
  });
});
afterAll(() => database?.drop());

const changedAfter = (statement: string, unloggedOnly = false) =>
  withConnection(database.connection, { purpose: "test" }, async (client) => {
    await client.query(statement);
    return findChangedTables(client, database.connection, schemas, fence, { unloggedOnly });
  });

it("finds nothing while the copy is as it was", async () => {
  expect(await changedAfter("select 1")).toEqual([]);
});

it("tells a table that was written from one that a crash has emptied", async () => {
  expect(await changedAfter("insert into public.cache values (2)")).toEqual([
    { name: "public.cache", isLost: false },
  ]);
  expect(await changedAfter("truncate public.cache; update public.patient set id = 3 where id = 1")).toEqual([
    { name: "public.cache", isLost: true },
    { name: "public.patient", isLost: false },
  ]);
  expect(await changedAfter("truncate public.patient", true)).toEqual([
    { name: "public.cache", isLost: true },
  ]);
});

it("sees what a real crash of the target does, and nothing after an orderly restart", async () => {
  const server = await startServer({ role: "target" });
  try {
    const connection = server.connection();
    const look = () =>
      withConnection(connection, { purpose: "test" }, (client) =>
        findChangedTables(client, connection, schemas, fenced, { unloggedOnly: true }),
      );
    const digests = await withConnection(connection, { purpose: "test" }, async (client) => {
      await client.query(`
        create table public.patient (id int); insert into public.patient values (1);
        create unlogged table public.cache (id int, body text); insert into public.cache values (1, 'kept'), (2, null);
        create unlogged table public.hooked (id int); insert into public.hooked values (1);
        create unlogged table public.empty (id int);
        create table public.part (id int) partition by list (id);
        create unlogged table public.part_1 partition of public.part for values in (1); insert into public.part values (1);
        checkpoint`);
      return hashTables({
        connect: () => connect(connection, { purpose: "test", readOnly: true }),
        tables: (await listTables(client, schemas)).filter(({ kind }) => kind === "table"),
        workers: 1,
      });
    });
    const fenced: FenceRecord = {
      ...switchingRecord().fence,
      tables: digests.map(({ schema, name, rows, hash }) => {
        const content = { rows, hash };
        return { schema, name, source: content, target: name === "hooked" ? null : content };
      }),
    };
    await server.stop("fast");
    await server.start();
    expect(await look()).toEqual([]);
    await server.stop("immediate");
    await server.start();
    expect(await look()).toEqual([
      { name: "public.cache", isLost: true },
      { name: "public.part_1", isLost: true },
    ]);
  } finally {
    await server.dispose();
  }
});
