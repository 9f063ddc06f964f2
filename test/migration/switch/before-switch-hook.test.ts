import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { ensureJournal } from "../../../components/migration/journal/journal.ts";
import { runBeforeSwitchHook } from "../../../components/migration/switch/before-switch-hook.ts";
import { hashCatalogue } from "../../../components/postgres/catalogue/catalogue.ts";
import { connect, withConnection } from "../../../components/postgres/connection.ts";
import { closeTargetFence } from "../../../components/postgres/fence/fence.ts";
import { fingerprintProtected } from "../../../components/postgres/fingerprint/fingerprint.ts";
import { listTables } from "../../../components/postgres/relations.ts";
import { richDdl, richSchemas } from "../../postgres/catalogue/catalogue-ddl.ts";
import { startImpostor } from "../../postgres/impostor.ts";
import { createDatabase, type TestDatabase } from "../../world/postgres/databases.ts";
import { sharedServers } from "../../world/postgres/shared.ts";

const { target: server } = sharedServers();
const program = fileURLToPath(new URL("hook-program.ts", import.meta.url));

let template: TestDatabase;
let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  template = await createDatabase(server);
  await withConnection(template.connection, { purpose: "test" }, async (session) => {
    await ensureJournal(session);
    if (server.hasPgvector) await session.query("create extension vector schema public");
    await session.query(richDdl);
    await session.query(`
      create schema llm_assistant;
      create table llm_assistant.chunk (id serial primary key, embedding ${server.hasPgvector ? "public.vector(3)" : "real[]"});
      insert into llm_assistant.chunk (embedding) values ('${server.hasPgvector ? "[1,2,3]" : "{1,2,3}"}');
    `);
  });
});
afterAll(() => template?.drop());

beforeEach(async () => {
  database = await createDatabase(server, { template: template.connection.database });
  client = await connect(database.connection, { purpose: "test" });
});
afterEach(async () => {
  await client.end();
  await database.drop();
});

/** Runs statements as the hook's command would: with nothing but the DATABASE_URL that it is given. */
function hook(statements: string, { suffix = "", signal }: { suffix?: string; signal?: AbortSignal } = {}) {
  return runBeforeSwitchHook({
    command: `HOOK_SQL=${JSON.stringify(statements)} '${process.execPath}' '${program}'${suffix}`,
    target: database.connection,
    schemas: richSchemas,
    createdSchemas: richSchemas.filter((schema) => schema !== "public"),
    loaderToken: "only the loader knows",
    reporter: { step: () => {}, detail: () => {} },
    signal: signal ?? new AbortController().signal,
  });
}

const catalogue = () => hashCatalogue(client, richSchemas);
const guarded = () => fingerprintProtected(client, ["llm_assistant"]);
const rolesLeft = async () =>
  (await client.query("select rolname from pg_roles where rolname like 'pgvector_cutover_hook_%'")).rows;

describe("the hook before the switch", () => {
  it("changes the moved schemas and gives every owner and privilege back exactly", async () => {
    const before = await catalogue();
    await hook("select 1");
    expect(await catalogue()).toBe(before);
    await hook("create table public.hooked (id int); drop table public.hooked");
    expect(await catalogue()).toBe(before);
    expect(await rolesLeft()).toEqual([]);
  });

  it("leaves what it made, owned by us", async () => {
    await hook("create table public.hooked (id int); create view public.seen as select * from public.hooked");
    const { rows } = await client.query(
      "select relname as name, pg_get_userbyid(relowner) = current_user as ours from pg_class where relname in ('hooked', 'seen') order by 1",
    );
    expect(rows).toEqual([
      { name: "hooked", ours: true },
      { name: "seen", ours: true },
    ]);
  });

  it.each([
    "drop schema public cascade",
    "drop extension vector cascade",
    "drop type public.vector cascade",
    "drop schema llm_assistant cascade",
    "select * from llm_assistant.chunk",
    "insert into llm_assistant.chunk default values",
    "create table llm_assistant.mine (id int)",
    "select * from pgvector_cutover.migration",
    "create role more login",
    "copy (select 1) to program 'true'",
    "set role postgres",
    "create event trigger mine on ddl_command_end execute function public.nothing()",
  ])("cannot: %s", async (statement) => {
    const before = await guarded();
    await expect(hook(statement)).rejects.toMatchObject({ code: "BEFORE_SWITCH_HOOK_FAILED" });
    const after = await guarded();
    expect(after).toMatchObject({
      structure: before.structure,
      identities: before.identities,
      extension: before.extension,
    });
    expect(Object.values(after.tables).map(({ rows }) => rows)).toEqual(["1"]);
  });

  it("is cleaned up after a failure, with what it committed until then kept for the abort", async () => {
    await expect(hook("create table public.hooked (id int)", { suffix: "; exit 3" })).rejects.toMatchObject({
      code: "BEFORE_SWITCH_HOOK_FAILED",
      message: expect.stringContaining("exit code 3"),
    });
    expect(await rolesLeft()).toEqual([]);
  });

  it("may write to the fenced copy, where nobody else may", async () => {
    await client.query("create table public.ward (id int)");
    await closeTargetFence(client, {
      tables: await listTables(client, richSchemas),
      schemas: richSchemas,
      loaderToken: "only the loader knows",
    });
    await hook("insert into public.ward values (1); alter table public.ward add column beds int");
    await expect(client.query("insert into public.ward values (2)")).rejects.toMatchObject({ code: "25006" });
    expect((await client.query("select id, beds from public.ward")).rows).toEqual([{ id: 1, beds: null }]);
    expect(await rolesLeft()).toEqual([]);
  });

  it("passes by what nobody can read: neither a setting of its role nor a statement holds the token", async () => {
    const query = vi.spyOn(pg.Client.prototype, "query");
    // Divides by zero when anything of ours is bound to a role.
    await hook(
      "select 1 / (1 - least(1, count(*))) from pg_db_role_setting where setconfig::text like '%pgvector_cutover%'",
    );
    // Parameters as well: a server that logs statements logs theirs.
    const statements = query.mock.calls.map((call) => JSON.stringify(call));
    query.mockRestore();
    expect(statements.join()).toContain("create role");
    expect(statements.filter((text) => text.includes("only the loader knows"))).toEqual([]);
  });

  it("does not wait for a process that its command left behind", async () => {
    await client.query("create table if not exists public.orders (id int)");
    const folder = await mkdtemp(join(tmpdir(), "hook-"));
    try {
      const holding = "begin; lock table public.orders in access exclusive mode";
      await hook(holding, {
        suffix: ` '${folder}/held' & until [ -e '${folder}/held' ]; do :; done; exit 0`,
      });
      expect(await rolesLeft()).toEqual([]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("ends with the run that started it", async () => {
    const stop = new AbortController();
    await client.query("create table if not exists public.orders (id int)");
    const running = hook("begin; lock table public.orders in access exclusive mode; select pg_sleep(600)", {
      suffix: "; true",
      signal: stop.signal,
    });
    const failed = expect(running).rejects.toMatchObject({ code: "BEFORE_SWITCH_HOOK_FAILED" });
    await withConnection(database.connection, { purpose: "test" }, async (watcher) => {
      const sleeping =
        "select from pg_stat_activity where datname = current_database() and query like '%pg_sleep(600)' and wait_event = 'PgSleep'";
      while ((await watcher.query(sleeping)).rowCount === 0);
      stop.abort();
      await failed;
      expect((await watcher.query(sleeping)).rowCount).toBe(0);
    });
    expect(await rolesLeft()).toEqual([]);
  });

  it("shows no password in an argument or an error", async () => {
    const outcome = hook("select 1", {
      suffix: "; ps -eo args | grep -q '[p]ostgresql://pgvector_cutover_hook' && exit 0; exit 7",
    });
    await expect(outcome).rejects.toMatchObject({ message: expect.stringContaining("exit code 7") });
    await expect(outcome).rejects.not.toMatchObject({ message: expect.stringContaining("postgresql://") });
  });
});

describe("a server whose certificate is pinned", () => {
  const { source } = sharedServers();
  const fingerprint = source.fingerprint as string;
  let pinned: TestDatabase;

  beforeAll(async () => {
    pinned = await createDatabase(source);
    await withConnection(pinned.connection, { purpose: "test" }, async (session) => {
      await ensureJournal(session);
      await session.query("create table public.seen (encrypted bool)");
    });
  });
  afterAll(() => pinned?.drop());

  const hookAt = (port: number) =>
    runBeforeSwitchHook({
      command: `HOOK_SQL="insert into public.seen select ssl from pg_stat_ssl where pid = pg_backend_pid()" '${process.execPath}' '${program}'`,
      target: { ...pinned.connection, port, tls: { fingerprint } },
      schemas: ["public"],
      createdSchemas: [],
      loaderToken: "only the loader knows",
      reporter: { step: () => {}, detail: () => {} },
      signal: new AbortController().signal,
    });
  const onServer = (text: string) =>
    withConnection(
      pinned.connection,
      { purpose: "test" },
      async (session) => (await session.query(text)).rows,
    );

  it("is reached by the command through TLS, without a word of it in the URL", async () => {
    await onServer("alter table public.seen owner to current_user; grant insert on public.seen to public");
    await hookAt(source.port);
    expect(await onServer("select encrypted from public.seen")).toEqual([{ encrypted: true }]);
  });

  it("is not reached through somebody in between", async () => {
    const impostor = await startImpostor(source, "S");
    try {
      await expect(hookAt(impostor.port)).rejects.toMatchObject({ code: "CERTIFICATE_CHANGED" });
      expect(impostor.overheard()).toHaveLength(0);
    } finally {
      await impostor.close();
    }
    expect(await onServer("select from pg_roles where rolname like 'pgvector_cutover_hook_%'")).toEqual([]);
  });
});
