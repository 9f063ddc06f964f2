import type pg from "pg";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  pauseWrites,
  type WritePause,
  type WritePauseOptions,
} from "../../../components/migration/pause/write-pause.ts";
import { type ConnectionTarget, connect, withConnection } from "../../../components/postgres/connection.ts";
import { createDatabase, type TestDatabase } from "../../world/postgres/databases.ts";
import { sharedServers } from "../../world/postgres/shared.ts";
import { startSilencer } from "../../world/postgres/silencer.ts";

const servers = sharedServers();
let database: TestDatabase;
let app: pg.Client;
let watcher: pg.Client;
let lockSession: pg.Client;
let lines: string[];
let pauses: WritePause[];

beforeEach(async () => {
  database = await createDatabase(servers.source);
  [app, watcher, lockSession] = (await Promise.all(
    ["test", "test", "lock"].map((purpose) => connect(database.connection, { purpose })),
  )) as [pg.Client, pg.Client, pg.Client];
  await app.query("set application_name = 'clinic'");
  await watcher.query(
    "create table public.a (id int); create table public.b (id int); create table public.p (id int) partition by list (id); create table public.p1 partition of public.p for values in (1)",
  );
  lines = [];
  pauses = [];
});

afterEach(async () => {
  await Promise.all(pauses.map((pause) => pause.release()));
  await Promise.all([app, watcher, lockSession].map((client) => client.end().catch(() => {})));
  await database.drop();
});

async function pause(options: Partial<WritePauseOptions> = {}): Promise<WritePause> {
  const made = await pauseWrites({
    source: database.connection,
    lockSession,
    schemas: ["public"],
    lockTimeoutMs: 60_000,
    pauseLimitMs: 600_000,
    reporter: { step: (text) => lines.push(text), detail: (text) => lines.push(text) },
    isEngineAlive: async () => true,
    ...options,
  });
  pauses.push(made);
  return made;
}

/** The source, with something done on each new session first. */
function sessions(prepare: (client: pg.Client) => Promise<unknown>): ConnectionTarget {
  const { signal } = new AbortController();
  return {
    ...database.connection,
    admission: { signal, admit: async (client) => void (await prepare(client)) },
  };
}

/** The source, where a session that is to be ended goes on. */
function powerless(): ConnectionTarget {
  return sessions(async (client) => {
    const { query } = client;
    client.query = ((text: unknown, ...rest: unknown[]) =>
      String(text).includes("pg_terminate_backend")
        ? Promise.resolve({ rows: [] })
        : (query as (...all: unknown[]) => unknown).call(client, text, ...rest)) as typeof client.query;
  });
}

async function until(query: string): Promise<void> {
  for (;;) if ((await watcher.query(query)).rows[0].met) return;
}

const pending = (name: string) => `select exists (select from pg_stat_activity
  where datname = current_database() and application_name = '${name}' and wait_event_type = 'Lock') as met`;

const ourSessions = `select application_name as name from pg_stat_activity where datname = current_database()
  and application_name in ('pgvector_cutover:lock', 'pgvector_cutover:snapshot', 'pgvector_cutover:monitor')`;

/** Rows of a table as the pause's snapshot sees them. */
async function countUnder({ snapshot }: WritePause, table: string): Promise<number> {
  return withConnection(database.connection, { purpose: "test" }, async (client) => {
    await client.query("begin isolation level repeatable read");
    await client.query(`set transaction snapshot '${snapshot}'`);
    return (await client.query(`select count(*)::int as count from ${table}`)).rows[0].count;
  });
}

describe("the pause", () => {
  it("stops writers, partitions included, lets readers go on, and lets writers go on when it is released", async () => {
    const paused = await pause();
    expect(paused.tables.map(({ name }) => name)).toEqual(["a", "b", "p", "p1"]);
    for (const table of ["a", "p1"]) {
      await app.query("set lock_timeout = '50ms'");
      await expect(app.query(`insert into public.${table} values (1)`)).rejects.toMatchObject({
        code: "55P03",
      });
    }
    await app.query("set lock_timeout = 0; select * from public.a for update; select * from public.p1");
    const waiting = app.query("insert into public.a values (1)");
    await until(pending("clinic"));
    await paused.release();
    await waiting;
    expect((await watcher.query(ourSessions)).rows).toEqual([]);
  });

  it("exports a snapshot that sees what committed while the locks were waited for", async () => {
    await app.query("begin; insert into public.a values (1)");
    const pausing = pause();
    await until(pending("pgvector_cutover:lock"));
    await app.query("insert into public.b values (1); commit");
    const paused = await pausing;
    expect([await countUnder(paused, "public.a"), await countUnder(paused, "public.b")]).toEqual([1, 1]);
  });

  it("locks a table, too, that appeared while the locks were waited for", async () => {
    await app.query("begin; insert into public.a values (1)");
    const pausing = pause();
    await until(pending("pgvector_cutover:lock"));
    await app.query("create table public.late (id int); insert into public.late values (7); commit");
    const paused = await pausing;
    expect(paused.tables.map(({ name }) => name)).toContain("late");
    expect(await countUnder(paused, "public.late")).toBe(1);
    await app.query("set lock_timeout = '50ms'");
    await expect(app.query("insert into public.late values (8)")).rejects.toMatchObject({ code: "55P03" });
  });

  it.each([
    ["a table that is dropped", "drop table public.b"],
    ["a table that is renamed", "alter table public.b rename to b2"],
    ["a view in the place of a table", "drop table public.b; create view public.b as select 1 as id"],
  ])("takes the locks again after %s while they are waited for", async (_what, change) => {
    await app.query(`begin; ${change}`);
    const pausing = pause();
    // Those that list the tables wait for its size.
    await until(pending("pgvector_cutover:monitor"));
    await app.query("commit");
    const { tables } = await pausing;
    expect(tables.map(({ name }) => name)).not.toContain("b");
    expect(lines).toContain("a table appeared or disappeared while the locks were taken; taking them again");
  });

  it("gives up in time, and names who it is, while somebody changes a table without an end", async () => {
    await app.query("begin; alter table public.a add column note text");
    await expect(pause({ lockTimeoutMs: 300 })).rejects.toMatchObject({
      code: "LOCKS_NOT_GRANTED",
      message: expect.stringContaining("(clinic)"),
    });
  });

  it("waits as long as it was told to, whatever the clock on the wall is set to", async () => {
    await app.query("begin; insert into public.a values (1)");
    const pausing = pause({ pauseLimitMs: 7_200_000 });
    await until(pending("pgvector_cutover:lock"));
    const clock = vi.spyOn(Date, "now").mockReturnValue(Date.now() + 3_600_000);
    try {
      await app.query("select pg_sleep(0.5)");
      await app.query("commit");
      await pausing;
    } finally {
      clock.mockRestore();
    }
  });

  it("locks a partition of a table that is not moved", async () => {
    await watcher.query(
      "create schema archive; create table archive.root (id int) partition by list (id); create table public.leaf partition of archive.root for values in (1)",
    );
    await pause();
    await app.query("set lock_timeout = '50ms'");
    for (const table of ["public.leaf", "archive.root"]) {
      await expect(app.query(`insert into ${table} values (1)`)).rejects.toMatchObject({ code: "55P03" });
    }
  });

  it("is released although a connection fell silent", async () => {
    const silencer = await startSilencer(servers.source.port);
    try {
      const { connection } = database;
      const paused = await pause({ source: { ...connection, port: silencer.port } });
      silencer.silence();
      await paused.release();
    } finally {
      silencer.close();
    }
  });

  it("does not queue before other sessions at its first try, and holds no lock between tries", async () => {
    await app.query("begin; insert into public.b values (1)");
    const other = await connect(database.connection, { purpose: "test" });
    try {
      const pausing = pause();
      await until(pending("pgvector_cutover:lock"));
      // Waits for `b` with `a` in its hands; once the try is over, writers of `a` go on.
      await other.query("insert into public.a values (1)");
      await app.query("commit");
      expect(await countUnder(await pausing, "public.a")).toBe(1);
    } finally {
      await other.end();
    }
  });

  it("ends sessions that hold it up once the grace period is over, and names them", async () => {
    await app.query("begin; insert into public.a values (1)");
    const ended = new Promise((resolve) => app.once("error", resolve));
    const pausing = pause();
    await expect.poll(() => lines.join("\n")).toContain("waiting for session");
    const passed = performance.now() + 30_000;
    const clock = vi.spyOn(performance, "now").mockImplementation(() => passed);
    const paused = await pausing.finally(() => clock.mockRestore());
    await ended;
    expect(await countUnder(paused, "public.a")).toBe(0);
    // Named by each try again, until it is gone.
    const told = lines.filter((line) => line.includes("(clinic"));
    expect(told.at(0)).toMatch(/^waiting for session \d+ \(clinic, idle in transaction/);
    expect(told.at(-1)).toMatch(/^ended session \d+ \(clinic\)/);
  });

  it("gives up at its deadline, names what is in the way, and releases everything", async () => {
    await app.query("begin; insert into public.a values (1)");
    await expect(pause({ source: powerless(), lockTimeoutMs: 2_000 })).rejects.toMatchObject({
      code: "LOCKS_NOT_GRANTED",
      message: expect.stringContaining("(clinic)"),
    });
    expect(lines.filter((line) => line.startsWith("ended session")).length).toBeLessThanOrEqual(1);
    await lockSession.end();
    await until(`select not exists (${ourSessions}) as met`);
    const other = await connect(database.connection, { purpose: "test" });
    await other.query("insert into public.b values (1)");
    await other.end();
    await app.query("rollback");
  });

  it("cancels a schema change behind which readers would queue", async () => {
    await pause();
    await expect(app.query("truncate public.a")).rejects.toMatchObject({ code: "57014" });
    await expect
      .poll(() => lines)
      .toContainEqual(expect.stringMatching(/^cancelled a schema change of session \d+ \(clinic\)/));
  });
});

describe("the dead man's switch", () => {
  it("frees the writers by the server alone when the beats stop", async () => {
    const soon = { deadManTimeoutMs: 5_000 };
    const paused = await pause(soon);
    paused.heartbeat.stop();
    await app.query("insert into public.a values (1)");
    await expect(paused.heartbeat.assertAlive()).rejects.toMatchObject({ code: "LOCKS_LOST" });
  });

  it("keeps the locks while the snapshot's session is slow to come", async () => {
    const slow = sessions(async (client) => {
      const { rows } = await client.query("select current_setting('application_name') as name");
      if (rows[0].name === "pgvector_cutover:snapshot") await client.query("select pg_sleep(10)");
    });
    const paused = await pause({ source: slow, deadManTimeoutMs: 8_000 });
    await paused.heartbeat.assertAlive();
  });

  it("keeps the snapshot for as long as it beats, and no longer", async () => {
    const shortly = sessions((client) => client.query("set idle_in_transaction_session_timeout = '8s'"));
    const paused = await pause({ source: shortly });
    await watcher.query("select pg_sleep(10)");
    expect(await countUnder(paused, "public.a")).toBe(0);
    paused.heartbeat.stop();
    await until(
      `select not exists (select from pg_stat_activity where datname = current_database()
        and application_name = 'pgvector_cutover:snapshot') as met`,
    );
  });

  it("stops beating, and says why, when the engine is gone", async () => {
    let isEngineAlive = true;
    const paused = await pause({ isEngineAlive: async () => isEngineAlive });
    isEngineAlive = false;
    await new Promise((resolve) => paused.heartbeat.signal.addEventListener("abort", resolve));
    expect(paused.heartbeat.signal.reason).toMatchObject({ code: "ENGINE_GONE" });
  });

  it("stops beating at the limit of the pause", async () => {
    // A slow way to the snapshot may have reached it before.
    const reached = pause({ pauseLimitMs: 1 }).then(({ heartbeat }) => heartbeat.assertAlive());
    await expect(reached).rejects.toMatchObject({ code: "WRITE_PAUSE_LIMIT" });
  });

  it("notices that the server ended the session that holds the locks", async () => {
    const paused = await pause();
    const { rows } = await watcher.query(
      "select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = current_database() and application_name = 'pgvector_cutover:lock'",
    );
    expect(rows).toHaveLength(1);
    await expect(paused.heartbeat.assertAlive()).rejects.toMatchObject({ code: "LOCKS_LOST" });
  });
});
