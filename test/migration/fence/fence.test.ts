import type pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { sqlState } from "../../../components/errors.ts";
import { maintenanceDatabase } from "../../../components/migration/fence/maintenance.ts";
import { ensureJournal } from "../../../components/migration/journal/journal.ts";
import { connect, withConnection } from "../../../components/postgres/connection.ts";
import {
  admitRole,
  closeSourceFence,
  closeTargetFence,
  dropSourceSchema,
  inTransaction,
  isSealed,
  isWhole,
  limitSourceFence,
  loaderSetting,
  openSourceFence,
  readFence,
  removeFence,
  setSeal,
} from "../../../components/postgres/fence/fence.ts";
import { listTables } from "../../../components/postgres/relations.ts";
import { patienceMs } from "../../patience.ts";
import { createDatabase, type TestDatabase } from "../../world/postgres/databases.ts";
import { sharedServers } from "../../world/postgres/shared.ts";

const servers = sharedServers();
const schemas = ["public", "Clinic"];

const ddl = `
  create schema "Clinic";
  create schema llm_assistant;
  create table public.patient (id serial primary key, name text);
  create table public.visit (id int, patient int references public.patient on delete cascade);
  create table "Clinic"."Event" (id int, at date) partition by range (at);
  create table "Clinic"."Event_2025" partition of "Clinic"."Event" for values from ('2025-01-01') to ('2026-01-01');
  create view public.names as select id, name from public.patient;
  create materialized view public.counted as select count(*) from public.patient;
  create function public.touch() returns trigger language plpgsql as 'begin return null; end';
  create trigger app_trigger after insert on public.patient execute function public.touch();
  create policy own_rows on public.patient using (true);
  create table llm_assistant.chunk (id serial primary key, body text);
  insert into public.patient (name) values ('a'), ('b');
`;

/** Everything that would change the moved schemas, or that would open the way to it. */
const refusedWrites = {
  insert: "insert into public.patient (name) values ('c')",
  "insert through a view": "insert into public.names (id, name) values (10, 'c')",
  "update of no row": "update public.patient set name = 'c' where false",
  delete: "delete from public.patient",
  merge:
    "merge into public.patient p using (values (1)) v(id) on p.id = v.id when matched then update set name = 'c'",
  upsert: "insert into public.patient values (1, 'c') on conflict (id) do update set name = excluded.name",
  "write in a CTE": "with gone as (delete from public.patient returning id) select count(*) from gone",
  "cascade from a partition's root": `insert into "Clinic"."Event" values (1, '2025-05-05')`,
  "insert straight into a partition": `insert into "Clinic"."Event_2025" values (1, '2025-05-05')`,
  truncate: "truncate public.visit",
  "truncate of a partition": `truncate "Clinic"."Event_2025"`,
  "read-write transaction": "begin read write; insert into public.visit values (1, 1); commit",
  "create table": "create table public.fresh (id int)",
  "create table as": `create table "Clinic".fresh as select * from public.patient`,
  "select into": "select * into public.fresh from public.patient",
  "create index": "create index on public.patient (name)",
  "alter table": "alter table public.patient add column extra int",
  "alter sequence": "alter sequence public.patient_id_seq restart with 100",
  "drop table": "drop table public.visit",
  "drop schema": `drop schema "Clinic" cascade`,
  "drop function": "drop function public.touch() cascade",
  "create function": "create function public.other() returns int language sql as 'select 1'",
  "disable the fence's trigger": "alter table public.patient disable trigger pgvector_cutover_fence",
  "disable all triggers": "alter table public.patient disable trigger all",
  "refresh of a materialised view": "refresh materialized view public.counted",
  "rename of a table": "alter table public.patient rename to patients",
  comment: "comment on table public.patient is 'moved'",
} as const;

const passes = {
  read: "select * from public.patient",
  "read for update": "begin; select * from public.patient for update; commit",
  "write elsewhere": "insert into llm_assistant.chunk (body) values ('x')",
  "definition elsewhere": "create index on llm_assistant.chunk (body)",
  "table elsewhere": "create table llm_assistant.more (id int); drop table llm_assistant.more",
  "temporary table":
    "create temporary table scratch as select 1 as id; insert into scratch values (2); drop table scratch",
  "truncate elsewhere": "truncate llm_assistant.chunk",
} as const;

async function attempt(client: pg.Client, statement: string): Promise<string> {
  try {
    await client.query(statement);
    return "accepted";
  } catch (error) {
    await client.query("rollback");
    return sqlState(error) ?? String(error);
  }
}

/** Takes the locks as the write pause does, and closes the fence in the same transaction. */
async function closeUnderLocks(client: pg.Client, yieldAfterMs: number | null = null): Promise<void> {
  const tables = await listTables(client, schemas);
  await inTransaction(client, async () => {
    await client.query(
      `lock table public.patient, public.visit, "Clinic"."Event" in share row exclusive mode`,
    );
    await closeSourceFence(client, { tables, schemas, migrationId: "m1", epoch: 3, yieldAfterMs });
  });
}

async function fencedSource(): Promise<TestDatabase> {
  const database = await createDatabase(servers.source);
  await withConnection(database.connection, { purpose: "test" }, async (client) => {
    await client.query(ddl);
    await closeUnderLocks(client);
  });
  return database;
}

describe("the source's fence", () => {
  let database: TestDatabase;
  let client: pg.Client;
  beforeAll(async () => {
    database = await fencedSource();
    client = await connect(database.connection, { purpose: "test" });
  });
  afterAll(async () => {
    await client?.end();
    await database?.drop();
  });

  const sessions = {
    "the superuser": "reset session_replication_role",
    "the superuser as a replica": "set session_replication_role = replica",
  };
  describe.each(Object.entries(sessions))("against %s", (_who, prepare) => {
    it.each(Object.entries(refusedWrites))("refuses %s", async (_what, statement) => {
      await client.query(prepare);
      expect(await attempt(client, statement)).toBe("25006");
    });
    it.each(Object.entries(passes))("lets pass: %s", async (_what, statement) => {
      await client.query(prepare);
      expect(await attempt(client, statement)).toBe("accepted");
    });
  });

  it.each([
    "drop trigger pgvector_cutover_fence on public.patient",
    "drop trigger app_trigger on public.patient",
    "drop policy own_rows on public.patient",
  ])("refuses a drop that belongs to a moved table: %s", async (statement) => {
    await client.query("begin");
    const outcome = await attempt(client, statement);
    await client.query("rollback");
    expect(outcome).toBe("25006");
  });

  it("refuses COPY and statements that were prepared before", async () => {
    expect(await attempt(client, "copy public.patient (name) from stdin")).toBe("25006");
    const other = await fencedLater();
    expect(other).toEqual({ before: "accepted", after: "25006" });
  });

  it("is seen whole, with its witness", async () => {
    expect(await readFence(client, schemas)).toEqual({
      unfenced: [],
      eventTriggers: true,
      witness: { migrationId: "m1", epoch: 3, yielded: false, yieldsAt: null },
    });
  });
});

describe("a source's fence whose run has died", () => {
  let database: TestDatabase;
  let client: pg.Client;
  beforeEach(async () => {
    database = await createDatabase(servers.source);
    client = await connect(database.connection, { purpose: "test" });
    await client.query(ddl);
  });
  afterEach(async () => {
    await client?.end();
    await database?.drop();
  });

  const write = "insert into public.patient (name) values ('late')";
  /** The end of the fence's time, without waiting for it. */
  const timeIsUp = async () => {
    const { rows } = await client.query(
      "select pg_get_functiondef(oid) as text from pg_proc where pronamespace = 'pgvector_cutover'::regnamespace",
    );
    for (const { text } of rows) {
      await client.query(text.replace(/clock_timestamp\(\) >= '[^']+'/, "clock_timestamp() >= '2000-01-01'"));
    }
  };

  it("lets writers pass again by itself when its time is over, and is not whole from then on", async () => {
    await closeUnderLocks(client, 600_000);
    expect(await attempt(client, write)).toBe("25006");
    expect(isWhole(await readFence(client, schemas))).toBe(true);
    expect(await limitSourceFence(client, schemas, 1)).toBe(false);
    await expect.poll(() => attempt(client, write)).toBe("accepted");
    expect(await attempt(client, "alter table public.patient add column extra int")).toBe("accepted");
    expect(isWhole(await readFence(client, schemas))).toBe(false);
  });

  it.each([
    ["a write", write],
    ["a write that was rolled back", `begin; ${write}; rollback`],
    ["a definition", "comment on table public.patient is 'late'"],
  ])("remembers that it let %s pass, whatever the clock says afterwards", async (_what, statement) => {
    await closeUnderLocks(client, 600_000);
    await timeIsUp();
    expect(isWhole(await readFence(client, schemas))).toBe(true);
    expect(await attempt(client, statement)).toBe("accepted");
    expect(isWhole(await readFence(client, schemas))).toBe(false);
    expect(await limitSourceFence(client, schemas, null)).toBe(true);
  });

  it("never lets anybody pass once it was made to last", async () => {
    await closeUnderLocks(client, 1);
    expect(await limitSourceFence(client, schemas, null)).toBe(false);
    expect(await attempt(client, write)).toBe("25006");
    expect(isWhole(await readFence(client, schemas))).toBe(true);
  });

  it("yields again in time when the switch behind it goes on, and still remembers", async () => {
    await closeUnderLocks(client, 600_000);
    expect(await limitSourceFence(client, schemas, null)).toBe(false);
    expect((await readFence(client, schemas)).witness?.yieldsAt).toBe(null);
    expect(await limitSourceFence(client, schemas, 600_000)).toBe(false);
    expect((await readFence(client, schemas)).witness?.yieldsAt).not.toBe(null);
    expect(await attempt(client, write)).toBe("25006");
    await timeIsUp();
    expect(await attempt(client, write)).toBe("accepted");
    expect(await limitSourceFence(client, schemas, 600_000)).toBe(true);
  });

  it("is opened with all that it remembers", async () => {
    await closeUnderLocks(client, 600_000);
    await openSourceFence(client, "m1");
    await openSourceFence(client, "m1");
    expect(await attempt(client, write)).toBe("accepted");
    expect(await removeFence(client)).toEqual([]);
    await dropSourceSchema(client);
    expect((await client.query("select to_regnamespace('pgvector_cutover') as schema")).rows).toEqual([
      { schema: null },
    ]);
  });
});

/** Prepares a statement in an open session, fences, and executes it again. */
async function fencedLater(): Promise<{ before: string; after: string }> {
  const database = await createDatabase(servers.source);
  const client = await connect(database.connection, { purpose: "test" });
  try {
    await client.query(ddl);
    await client.query("prepare add as insert into public.patient (name) values ('p')");
    const before = await attempt(client, "execute add");
    await withConnection(database.connection, { purpose: "lock" }, closeUnderLocks);
    return { before, after: await attempt(client, "execute add") };
  } finally {
    await client.end();
    await database.drop();
  }
}

describe("closing and opening", () => {
  it("refuses writers that waited for the locks, at the very commit", async () => {
    const database = await createDatabase(servers.source);
    const lock = await connect(database.connection, { purpose: "lock" });
    const writers = await Promise.all(
      Array.from({ length: 4 }, () => connect(database.connection, { purpose: "test" })),
    );
    try {
      await lock.query(ddl);
      const tables = await listTables(lock, schemas);
      await lock.query("begin");
      await lock.query(
        `lock table public.patient, public.visit, "Clinic"."Event" in share row exclusive mode`,
      );
      const [simple, prepared, replica, readWrite] = writers as [pg.Client, pg.Client, pg.Client, pg.Client];
      await replica.query("set session_replication_role = replica");
      await readWrite.query("begin transaction isolation level repeatable read, read write");
      await readWrite.query("select 1 from public.patient");
      const outcomes = [
        attempt(simple, refusedWrites.insert),
        prepared.query("insert into public.patient (name) values ($1)", ["x"]).then(
          () => "accepted",
          (error) => sqlState(error),
        ),
        attempt(replica, refusedWrites["insert straight into a partition"]),
        attempt(readWrite, refusedWrites["update of no row"]),
      ];
      await waitingForLocks(lock, 4);
      await closeSourceFence(lock, { tables, schemas, migrationId: "m1", epoch: 1, yieldAfterMs: null });
      await lock.query("commit");
      expect(await Promise.all(outcomes)).toEqual(["25006", "25006", "25006", "25006"]);
      expect((await lock.query("select count(*)::int as count from public.patient")).rows[0].count).toBe(2);
    } finally {
      await Promise.all([lock, ...writers].map((client) => client.end()));
      await database.drop();
    }
  });

  it("lets only the loader write to an unfinished copy, until it is closed again", async () => {
    const database = await createDatabase(servers.target);
    const [client, loader, other] = (await Promise.all(
      ["test", "test", "test"].map((purpose) => connect(database.connection, { purpose })),
    )) as [pg.Client, pg.Client, pg.Client];
    try {
      await client.query("create table public.patient (id int)");
      await ensureJournal(client);
      const fence = { tables: await listTables(client, ["public"]), schemas: ["public"] };
      await closeTargetFence(client, { ...fence, loaderToken: "t0ken" });
      await loader.query("select set_config($1, 't0ken', false)", [loaderSetting]);
      await other.query("select set_config($1, 'guess', false)", [loaderSetting]);
      await loader.query("insert into public.patient values (1); create index on public.patient (id)");
      await expect(other.query("insert into public.patient values (2)")).rejects.toMatchObject({
        code: "25006",
      });
      await expect(other.query("drop table public.patient")).rejects.toMatchObject({ code: "25006" });

      await closeTargetFence(client, fence);
      await expect(loader.query("insert into public.patient values (3)")).rejects.toMatchObject({
        code: "25006",
      });
      await expect(client.query("insert into public.patient values (4)")).rejects.toMatchObject({
        code: "25006",
      });
    } finally {
      await Promise.all([client, loader, other].map((session) => session.end()));
      await database.drop();
    }
  });

  it("lets an admitted role write by its name to an unfinished copy, and only to that", async () => {
    const database = await createDatabase(servers.target);
    const client = await connect(database.connection, { purpose: "test" });
    const member = `fence_hook_${process.pid}`;
    try {
      await client.query("create table public.patient (id int)");
      await client.query(
        `create role ${member} login password 'hook'; grant all on all tables in schema public to ${member}`,
      );
      await ensureJournal(client);
      const fence = { tables: await listTables(client, ["public"]), schemas: ["public"] };
      const account = { ...database.connection, user: member, password: "hook" };
      await withConnection(account, { purpose: "test" }, async (hook) => {
        const write = "insert into public.patient values (1)";
        await closeTargetFence(client, { ...fence, loaderToken: "t0ken" });
        expect(await attempt(hook, write)).toBe("25006");
        await admitRole(client, member);
        expect(await attempt(hook, write)).toBe("accepted");
        expect(await attempt(client, write)).toBe("25006");
        await admitRole(client, null);
        expect(await attempt(hook, write)).toBe("25006");
        await admitRole(client, member);
        await closeTargetFence(client, fence);
        expect(await attempt(hook, write)).toBe("25006");
        await admitRole(client, member);
        expect(await attempt(hook, write)).toBe("25006");
      });
    } finally {
      await client.query(`drop owned by ${member}; drop role ${member}`).catch(() => {});
      await client.end();
      await database.drop();
    }
  });

  it("opens for sessions that are open, and leaves nothing behind", async () => {
    const database = await fencedSource();
    const [client, reader, writer] = (await Promise.all(
      ["test", "test", "test"].map((purpose) => connect(database.connection, { purpose })),
    )) as [pg.Client, pg.Client, pg.Client];
    try {
      expect(await attempt(writer, refusedWrites.insert)).toBe("25006");
      // A reader that will not let go, such as a backup, must not keep writers out.
      await reader.query("begin; select * from public.patient");
      await openSourceFence(client, "m1");
      expect(await attempt(writer, refusedWrites.insert)).toBe("accepted");
      expect(await attempt(writer, refusedWrites["create table"])).toBe("accepted");
      expect(await removeFence(client)).toEqual([{ schema: "public", name: "patient" }]);
      await reader.query("commit");
      expect(await removeFence(client)).toEqual([]);
      await dropSourceSchema(client);
      await openSourceFence(client, "m1");
      const left = `select tgname as name from pg_trigger where tgname like 'pgvector%'
        union all select evtname from pg_event_trigger union all select nspname from pg_namespace where nspname like 'pgvector%'`;
      expect((await client.query(left)).rows).toEqual([]);
    } finally {
      await Promise.all([client, reader, writer].map((session) => session.end()));
      await database.drop();
    }
  });

  it("opens at once although a backup reads everything, and what stays then does not trouble the next fence", async () => {
    const database = await fencedSource();
    const [client, backup] = (await Promise.all(
      ["test", "test"].map((purpose) => connect(database.connection, { purpose })),
    )) as [pg.Client, pg.Client];
    try {
      // The former fence had let somebody pass: nothing of that may stick to the next one.
      await client.query("select nextval('pgvector_cutover.passed')");
      await backup.query(
        `begin; lock table pgvector_cutover.witness, public.patient in access share mode;
         select last_value from pgvector_cutover.passed`,
      );
      await openSourceFence(client, "m1");
      expect(await attempt(client, refusedWrites.insert)).toBe("accepted");
      expect(await readFence(client, schemas)).toMatchObject({ eventTriggers: false, witness: null });
      expect(await removeFence(client)).toEqual([{ schema: "public", name: "patient" }]);
      expect(await dropSourceSchema(client)).toBe(false);

      await closeUnderLocks(client);
      expect(await attempt(client, refusedWrites.insert)).toBe("25006");
      const fence = await readFence(client, schemas);
      expect(fence.witness).toEqual({ migrationId: "m1", epoch: 3, yielded: false, yieldsAt: null });
      expect(isWhole(fence)).toBe(true);

      await openSourceFence(client, "m1");
      await backup.query("commit");
      expect(await removeFence(client)).toEqual([]);
      expect(await dropSourceSchema(client)).toBe(true);
      expect((await client.query("select to_regnamespace('pgvector_cutover') as schema")).rows).toEqual([
        { schema: null },
      ]);
    } finally {
      await Promise.all([client, backup].map((session) => session.end()));
      await database.drop();
    }
  });

  it("drops nothing but its own: no standing witness, and nothing that somebody put beside it", async () => {
    const database = await fencedSource();
    const client = await connect(database.connection, { purpose: "test" });
    try {
      await expect(dropSourceSchema(client)).rejects.toMatchObject({ code: "JOURNAL_LOST" });
      await expect(closeUnderLocks(client)).rejects.toMatchObject({ code: "JOURNAL_LOST" });
      expect((await readFence(client, schemas)).witness).toMatchObject({ migrationId: "m1" });
      await openSourceFence(client, "m1");
      expect(await removeFence(client)).toEqual([]);
      await client.query("create table pgvector_cutover.theirs (id int)");
      expect(await dropSourceSchema(client)).toBe(true);
      const left = await client.query(
        "select relname as name from pg_class where relnamespace = 'pgvector_cutover'::regnamespace",
      );
      expect(left.rows).toEqual([{ name: "theirs" }]);
    } finally {
      await client.end();
      await database.drop();
    }
  });

  it("says so, and leaves it closed, when somebody holds the witness itself", async () => {
    const database = await fencedSource();
    const [client, other] = (await Promise.all(
      ["test", "test"].map((purpose) => connect(database.connection, { purpose })),
    )) as [pg.Client, pg.Client];
    try {
      await other.query("begin; update pgvector_cutover.witness set epoch = epoch");
      await expect(openSourceFence(client, "m1")).rejects.toMatchObject({ code: "SOURCE_NOT_OPENED" });
      expect(isWhole(await readFence(client, schemas))).toBe(true);
      await other.query("rollback");
      await openSourceFence(client, "m1");
      expect(await attempt(client, refusedWrites.insert)).toBe("accepted");
    } finally {
      await Promise.all([client, other].map((session) => session.end()));
      await database.drop();
    }
  });

  it("takes the free tables first, tries few of the held ones, and none that a backup holds", async () => {
    const database = await createDatabase(servers.source);
    const [client, backup] = (await Promise.all(
      ["test", "test"].map((purpose) => connect(database.connection, { purpose })),
    )) as [pg.Client, pg.Client];
    try {
      const names = Array.from({ length: 8 }, (_, index) => `public.t${index}`);
      await client.query(
        `create schema "Clinic"; ${names.map((name) => `create table ${name} ();`).join(" ")}`,
      );
      await inTransaction(client, async () =>
        closeSourceFence(client, {
          tables: await listTables(client, schemas),
          ...{ schemas, migrationId: "m1", epoch: 1, yieldAfterMs: null },
        }),
      );
      await openSourceFence(client, "m1");
      const held = names.slice(0, 6).map((name) => name.replace("public.", ""));
      await backup.query(`begin; lock table ${names.slice(0, 6).join(", ")} in access share mode`);
      const tried: string[] = [];
      const { query } = client;
      client.query = ((text: string, ...rest: unknown[]) => {
        const name = /drop trigger if exists \S+ on "public"\."(\w+)"/.exec(text)?.[1];
        if (name !== undefined) tried.push(name);
        return (query as (...all: unknown[]) => unknown).call(client, text, ...rest);
      }) as typeof client.query;
      const left = async () => (await removeFence(client)).map(({ name }) => name).toSorted();
      expect(await left()).toEqual(held);
      expect(tried.slice(0, 2)).toEqual(["t6", "t7"]);
      expect(tried.length).toBeLessThanOrEqual(5);

      const age =
        "select max(now() - xact_start) > interval '5.1 s' as old from pg_stat_activity where pid = $1";
      const { rows } = await backup.query("select pg_backend_pid() as pid");
      await expect.poll(async () => (await client.query(age, [rows[0].pid])).rows).toEqual([{ old: true }]);
      tried.length = 0;
      expect(await left()).toEqual(held);
      expect(tried).toEqual([]);

      const removing = removeFence(client, { withinMs: patienceMs });
      await backup.query("commit");
      expect(await removing).toEqual([]);
    } finally {
      await Promise.all([client, backup].map((session) => session.end()));
      await database.drop();
    }
  });

  it("waits longer where the application's own transactions last longer", async () => {
    const database = await fencedSource();
    const [client, reader, watcher] = (await Promise.all(
      ["test", "test", "test"].map((purpose) => connect(database.connection, { purpose })),
    )) as [pg.Client, pg.Client, pg.Client];
    let isOver = false;
    // One transaction follows the other; each that is waited for goes on for 0.3 s.
    const read = async () => {
      while (!isOver) {
        await reader.query("begin; select from public.patient");
        const begun = Date.now();
        while (Date.now() - begun < 500) {
          const { rows } = await watcher.query(
            "select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock') as waiting",
          );
          if (!rows[0].waiting) continue;
          await reader.query("select pg_sleep(0.3)");
          break;
        }
        await reader.query("commit");
      }
    };
    try {
      await openSourceFence(client, "m1");
      const reading = read();
      expect(await removeFence(client, { withinMs: 60_000 })).toEqual([]);
      isOver = true;
      await reading;
    } finally {
      isOver = true;
      await Promise.all([client, reader, watcher].map((session) => session.end()));
      await database.drop();
    }
  });

  it("leaves nothing when the session dies before its commit", async () => {
    const database = await createDatabase(servers.source);
    const client = await connect(database.connection, { purpose: "test" });
    try {
      await client.query(ddl);
      const lock = await connect(database.connection, { purpose: "lock" });
      const tables = await listTables(lock, schemas);
      await lock.query("begin");
      await closeSourceFence(lock, { tables, schemas, migrationId: "m1", epoch: 1, yieldAfterMs: null });
      const { rows } = await lock.query("select pg_backend_pid() as pid");
      await client.query("select pg_terminate_backend($1, 10000)", [rows[0].pid]);
      await lock.end().catch(() => {});
      expect(await attempt(client, refusedWrites.insert)).toBe("accepted");
      expect(await readFence(client, schemas)).toMatchObject({ eventTriggers: false, witness: null });
    } finally {
      await client.end();
      await database.drop();
    }
  });
});

describe("the target's fence", () => {
  it("opens with the row, for open sessions and sessions without rights, and an older snapshot stays out", async () => {
    const database = await createDatabase(servers.target);
    const client = await connect(database.connection, { purpose: "test" });
    const old = await connect(database.connection, { purpose: "test" });
    try {
      await client.query(ddl);
      await ensureJournal(client);
      await closeTargetFence(client, { tables: await listTables(client, schemas), schemas });
      await client.query(`
        create role ${role} ;
        grant all on schema llm_assistant to ${role}; grant all on all tables in schema llm_assistant to ${role};
        grant all on all tables in schema public to ${role}; grant all on all sequences in schema public to ${role};
        grant all on all sequences in schema llm_assistant to ${role}`);
      await client.query(`set role ${role}`);
      expect(await attempt(client, refusedWrites.insert)).toBe("25006");
      expect(await attempt(client, "insert into llm_assistant.chunk (body) values ('y')")).toBe("accepted");
      expect(await attempt(client, "create table llm_assistant.theirs (id int)")).toBe("accepted");
      await client.query("reset role");
      await old.query("begin isolation level repeatable read");
      await old.query("select 1 from public.patient");

      await client.query("update pgvector_cutover.fence set open = true");
      expect(await attempt(old, refusedWrites.insert)).toBe("25006");
      await client.query(`set role ${role}`);
      expect(await attempt(client, refusedWrites.insert)).toBe("accepted");
      await client.query("reset role");
      expect(await attempt(client, refusedWrites["create table"])).toBe("accepted");
      expect(await removeFence(client)).toEqual([]);
    } finally {
      await client.query(`reset role; drop owned by ${role}; drop role ${role}`).catch(() => {});
      await Promise.all([client.end(), old.end()]);
      await database.drop();
    }
  });
});

describe.runIf(servers.target.majorVersion >= 17)("event triggers that are switched off", () => {
  it.each([
    ["for the database", (name: string) => `alter database "${name}" set event_triggers = off`],
    ["for everybody", () => "set event_triggers = 'false'"],
    [
      "for a role in this database",
      (name: string) => `alter role postgres in database "${name}" set event_triggers to no`,
    ],
  ])("%s leave no fence whole", async (_where, statement) => {
    const database = await createDatabase(servers.target);
    const client = await connect(database.connection, { purpose: "test" });
    try {
      await client.query("create table public.patient (id int)");
      await ensureJournal(client);
      await closeTargetFence(client, { tables: await listTables(client, ["public"]), schemas: ["public"] });
      expect(isWhole(await readFence(client, ["public"]))).toBe(true);
      await client.query(statement(database.connection.database));
      expect(isWhole(await readFence(client, ["public"]))).toBe(false);
    } finally {
      await client.end();
      await database.drop();
    }
  });
});

const role = `fence_test_${process.pid}`;

describe("the seal", () => {
  it("refuses new sessions of the superuser, and is lifted again", async () => {
    const database = await createDatabase(servers.source);
    const { connection } = database;
    try {
      await withConnection(
        connection,
        { purpose: "test", database: maintenanceDatabase(connection) },
        async (outside) => {
          expect(await isSealed(outside, connection.database)).toBe(false);
          await setSeal(outside, connection.database, true);
          expect(await isSealed(outside, connection.database)).toBe(true);
          await expect(connect(connection, { purpose: "test" })).rejects.toMatchObject({
            code: "DATABASE_SEALED",
          });
          await setSeal(outside, connection.database, false);
          await (await connect(connection, { purpose: "test" })).end();
        },
      );
    } finally {
      await database.drop();
    }
  });
});

async function waitingForLocks(client: pg.Client, count: number): Promise<void> {
  for (;;) {
    const { rows } = await client.query(
      `select count(*)::int as waiting from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`,
    );
    if (rows[0].waiting >= count) return;
  }
}
