import { setTimeout } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type ConnectionTarget, connect, withConnection } from "../../components/postgres/connection.ts";
import { createDatabase, type TestDatabase } from "../world/postgres/databases.ts";
import { sharedServers } from "../world/postgres/shared.ts";
import { ask, copyAll } from "./load/fixture.ts";

const servers = sharedServers();
let databases: TestDatabase[];

beforeAll(async () => {
  databases = await Promise.all([createDatabase(servers.source), createDatabase(servers.target)]);
});
afterAll(() => Promise.all(databases.map((database) => database.drop())));

test.each(["source", "target"] as const)("the %s ends what a lost machine leaves there", async (side) => {
  await withConnection(servers[side].connection(), { purpose: "test" }, async (client) => {
    const { rows } = await client.query(
      `select name, setting from pg_settings
        where name in ('idle_in_transaction_session_timeout', 'tcp_keepalives_idle', 'tcp_keepalives_interval',
                       'tcp_keepalives_count', 'tcp_user_timeout') order by name`,
    );
    expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual({
      idle_in_transaction_session_timeout: "60000",
      tcp_keepalives_count: "4",
      tcp_keepalives_idle: "10",
      tcp_keepalives_interval: "5",
      tcp_user_timeout: "120000",
    });
  });
});

test("a statement is sent when the one before it was answered, whoever asked for it, and a failure holds nobody up", async () => {
  const sent = vi.spyOn(pg.Client.prototype, "query");
  const connection = servers.source.connection();
  const holder = await connect(connection, { purpose: "test" });
  await holder.query("select pg_advisory_lock(20261127)");
  await withConnection(connection, { purpose: "test" }, async (client) => {
    sent.mockClear();
    const work = client.query("select pg_advisory_lock(20261127), 1 as number");
    const failing = client.query("select 1 / 0");
    const beat = client.query("select 2 as number");
    await setTimeout(50);
    expect(sent).toHaveBeenCalledTimes(1);
    sent.mockClear();
    await holder.end();
    await expect(failing).rejects.toMatchObject({ code: "22012" });
    expect([(await work).rows[0].number, (await beat).rows[0].number]).toEqual([1, 2]);
    expect(sent).toHaveBeenCalledTimes(2);
  });
  sent.mockRestore();
});

test("a copy has no session that waits in a transaction for the others", async () => {
  const [source, target] = databases.map(({ connection }) => connection) as [
    ConnectionTarget,
    ConnectionTarget,
  ];
  // Each row of `slow`, the index, the check of the key and the materialised view take longer than a session may wait.
  await ask(
    source,
    `create function public.slowly(i int) returns int immutable language plpgsql as 'begin return i; end';
     create table public.quick (id int primary key);
     create table public.slow (id int check (public.slowly(id) > 0), quick int references public.quick);
     create materialized view public.seen as select public.slowly(id) from public.slow;
     create index on public.slow (public.slowly(id));
     insert into public.quick values (1); insert into public.slow values (1, 1);
     refresh materialized view public.seen;
     create or replace function public.slowly(i int) returns int immutable language plpgsql
       as 'begin if pg_backend_pid() > 0 then perform pg_sleep(1.2); end if; return i; end'`,
  );
  const { signal } = new AbortController();
  const impatient = (connection: ConnectionTarget): ConnectionTarget => ({
    ...connection,
    admission: {
      signal,
      admit: async (client) => void (await client.query("set idle_in_transaction_session_timeout = '600ms'")),
    },
  });
  const report = await copyAll(source, target, {
    ...{ source: impatient(source), target: impatient(target), schemas: ["public"], workers: 2 },
  });
  expect(report).toMatchObject({ rows: 2, materializedViews: 1 });
});
