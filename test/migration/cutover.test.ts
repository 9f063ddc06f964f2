import { fileURLToPath } from "node:url";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sqlState } from "../../components/errors.ts";
import { foreignSessions } from "../../components/migration/fence/source-sessions.ts";
import { ensureJournal } from "../../components/migration/journal/journal.ts";
import { connect, withConnection } from "../../components/postgres/connection.ts";
import {
  closeSourceFence,
  inTransaction,
  isSealed,
  openSourceFence,
  setSeal,
} from "../../components/postgres/fence/fence.ts";
import { listTables } from "../../components/postgres/relations.ts";
import type { Railway } from "../../components/railway/railway.ts";
import { type CutoverWorld, startCutoverWorld } from "./cutover-world.ts";

const app = ["@healthcare/api", "@healthcare/doctor", "@healthcare/admin"] as const;
const canary = "@healthcare/public";
const oldHost = "postgres.railway.internal";
const newHost = "pgvector.railway.internal";

let here: CutoverWorld;
let before: Awaited<ReturnType<CutoverWorld["protectedNow"]>>;

const warnings: string[] = [];
const noteWarning = ({ message }: Error) => warnings.push(message);

beforeAll(async () => {
  process.on("warning", noteWarning);
  here = await startCutoverWorld();
  before = await here.protectedNow();
});
afterAll(async () => {
  process.off("warning", noteWarning);
  await here?.stop();
});

/** The kinds of what people were told, of one migration each; forgets them. */
function toldKinds(): string[] {
  return here.told.splice(0).map(({ kind }) => kind);
}

/** What every abort has to leave behind: promises P1 to P4 and P6. */
async function expectEverythingBack() {
  expect(await here.judge("source")).toMatchObject({ violations: [] });
  for (const service of [canary, ...app]) expect(here.databaseOf(service), service).toBe(oldHost);
  const texts = here.world.railway
    .inspect()
    .variables.filter(({ name }) => name === "DATABASE_URL" || name === "LLM_DATABASE_URL")
    .map(({ value }) => value);
  expect(texts.filter((text) => text.includes("{{pgvector."))).toEqual([]);
  expect((await here.journal())?.record.state).toBe("aborted");
  const leftovers = `select nspname || '.' || relname as name from pg_class c join pg_namespace n on n.oid = relnamespace
     where nspname in ('public', 'medical_records', 'practice_management') and relkind in ('r', 'p', 'v', 'm', 'S')`;
  expect(await here.query("target", leftovers)).toEqual([]);
  const ours =
    "select nspname from pg_namespace where nspname = 'pgvector_cutover' union all select evtname from pg_event_trigger";
  expect(await here.query("source", ours)).toEqual([]);
  expect(
    await here.query("target", "select rolname from pg_roles where rolname like 'pgvector_cutover%'"),
  ).toEqual([]);
  expect(await here.protectedNow()).toMatchObject({
    structure: before.structure,
    identities: before.identities,
    extension: before.extension,
  });
}

async function expectAborted(run: Promise<unknown>, reason: string) {
  await expect(run).rejects.toMatchObject({
    code: "CUTOVER_ABORTED",
    message: expect.stringContaining(reason),
  });
  await here.world.railway.settle();
  await expectEverythingBack();
}

/** What an abort leaves on the source when a backup reads there: no obstacle to the next run, which takes it along. */
async function leaveOpenFence() {
  await withConnection(here.world.source.connection(), { purpose: "observe" }, async (client) => {
    const { schemas } = here.inputs;
    const tables = await listTables(client, schemas);
    const fence = { tables, schemas, migrationId: "earlier", epoch: 1, yieldAfterMs: null };
    await inTransaction(client, () => closeSourceFence(client, fence));
    await openSourceFence(client, "earlier");
  });
}

test("a canary that fails aborts; nothing of the other services was touched", async () => {
  const earlier = here.world.railway.mutations().length;
  const deployments = new Map(app.map((name) => [name, here.world.railway.deployments(name).length]));
  here.world.railway.failNext(canary, "BUILD");
  here.told.splice(0);
  const lines: string[] = [];
  const paused: string[] = [];
  const onLine = (line: string, writesPausedMs?: number) => {
    lines.push(line);
    if (writesPausedMs !== undefined) paused.push(line);
  };
  await expectAborted(here.run({ onLine }), "DEPLOYMENT_FAILED");
  const abort = lines.indexOf("Abort: putting everything back to the source");
  expect(lines[abort - 1]).toContain("failed: DEPLOYMENT_FAILED: ");
  expect(paused).toEqual(["Copy", "Gate", "Fence both databases", `Switch the canary: ${canary}`]);
  const id = (await here.journal())?.id;
  expect(here.told).toEqual([
    { id, kind: "paused", limitMs: here.inputs.limits.writePauseMs },
    { id, kind: "fenced" },
    { id, kind: "aborted", reason: "DEPLOYMENT_FAILED" },
  ]);
  const history = await here.query(
    "target",
    `select state, text from pgvector_cutover.event where migration_id = '${id}' order by number`,
  );
  expect(history.filter(({ text }) => text.includes("DEPLOYMENT_FAILED"))).toEqual([
    { state: "aborting", text: expect.anything() },
  ]);
  expect(history.at(-1)).toEqual({ state: "aborted", text: "everything is back on the source" });
  for (const name of app)
    expect(here.world.railway.deployments(name)).toHaveLength(deployments.get(name) ?? 0);
  expect(here.world.railway.mutations().slice(earlier)).toEqual([
    ...[canary, ...app].map(() => "variableCollectionUpsert"),
    ...["volumeInstanceBackupCreate", "volumeInstanceBackupCreate"],
    ...[canary, ...app].map(() => "variableCollectionUpsert"),
    "variableUpsert",
    "serviceInstanceDeployV2",
    "variableUpsert",
  ]);
});

test("a volume backup that cannot be made ends the run before writers are paused", async () => {
  const earlier = await here.journal();
  const lines: string[] = [];
  here.told.splice(0);
  here.world.railway.failNextWorkflow();
  const backups = { ...here.inputs.backups, reuseForMs: 0 };
  await expect(
    here.run({ inputs: { backups }, onLine: (line) => void lines.push(line) }),
  ).rejects.toMatchObject({
    code: "BACKUP_FAILED",
    message: expect.stringMatching(/^(Postgres|pgvector): .* Nothing was paused\.$/),
  });
  expect(lines).not.toContain("Pause writes");
  expect(await here.journal()).toEqual(earlier);
  expect(toldKinds()).toEqual([]);
});

test("a finding that blocks ends the run before writers are paused", async () => {
  const earlier = { journal: await here.journal(), mutations: here.world.railway.mutations().length };
  const lines: string[] = [];
  await here.query("source", 'create publication analytics for table public."AppWrite"');
  try {
    await expect(here.run({ onLine: (line) => void lines.push(line) })).rejects.toMatchObject({
      code: "PREFLIGHT_BLOCKED",
      message: expect.stringContaining("PUBLICATION_NOT_MOVED analytics"),
    });
    expect(lines).not.toContain("Pause writes");
    expect(await here.journal()).toEqual(earlier.journal);
    expect(here.world.railway.mutations()).toHaveLength(earlier.mutations);
  } finally {
    await here.query("source", "drop publication analytics");
  }
});

test("somebody who fills the target while the locks are waited for is found before anything is loaded", async () => {
  const writer = await connect(here.world.source.connection(), { purpose: "world" });
  const earlier = await here.journal();
  try {
    await writer.query(
      'set application_name = clinic; begin; lock table public."WriterProgress" in row exclusive mode',
    );
    let filled: Promise<unknown> | undefined;
    const fill = (line: string) => {
      if (!line.startsWith("waiting for session")) return undefined;
      filled ??= here
        .query("target", "create table public.precious (id int); insert into public.precious values (1)")
        .then(() => writer.query("commit"));
      return filled;
    };
    await expect(here.run({ onLine: fill })).rejects.toMatchObject({
      code: "PREFLIGHT_BLOCKED",
      message: expect.stringContaining("public.precious"),
    });
    expect(await here.journal()).toEqual(earlier);
    expect(await here.query("target", "select id from public.precious")).toEqual([{ id: 1 }]);
    expect(await here.judge("source")).toMatchObject({ violations: [] });
  } finally {
    await writer.end();
    await here.query("target", "drop table public.precious");
  }
});

test("a service of the second wave that fails brings the canary back, too; nobody could write to the copy", async () => {
  await leaveOpenFence();
  here.world.railway.failNext(app[0], "BUILD");
  const watched = new AbortController();
  const outsider = writeAsOutsider(watched.signal);
  let closed: unknown;
  const onLine = (line: string) => {
    if (line !== "Fence both databases") return undefined;
    watched.abort();
    const row = "select loader_hash is null and loader_role is null as closed from pgvector_cutover.fence";
    return here.query("target", row).then(([found]) => {
      closed = found?.closed;
    });
  };
  try {
    await expectAborted(here.run({ onLine }), "DEPLOYMENT_FAILED");
  } finally {
    watched.abort();
  }
  expect([...(await outsider)].sort()).toEqual(["25006", "42P01"]);
  expect(closed).toBe(true);
});

/** What somebody without the loader's token is answered until the copy is made: no such table, or refused. */
async function writeAsOutsider(signal: AbortSignal): Promise<Set<string>> {
  const answers = new Set<string>();
  await withConnection(here.world.target.connection(), { purpose: "world" }, async (client) => {
    await client.query("set application_name = outsider");
    while (!signal.aborted) {
      const answer = await client.query('update public."AppWrite" set id = id where false').then(
        () => "accepted",
        (error: unknown) => sqlState(error) ?? "unknown",
      );
      answers.add(answer);
    }
  });
  return answers;
}

test("a pause of writes that reaches its limit ends, and everything is back", async () => {
  const limits = { ...here.inputs.limits, writePauseMs: 1_000 };
  await expectAborted(here.run({ inputs: { limits } }), "WRITE_PAUSE_LIMIT");
});

test("a copy that fails in one of its sessions fails as a whole and leaves nothing", async () => {
  await here.query(
    "source",
    `create function public.keyed(int) returns int language plpgsql immutable as 'begin return $1; end';
     create table public.unbuildable (id int); create index on public.unbuildable (public.keyed(id)); insert into public.unbuildable values (1);
     create or replace function public.keyed(int) returns int language plpgsql immutable as 'begin raise exception ''no''; end'`,
  );
  try {
    await expectAborted(here.run(), "LOAD_FAILED");
  } finally {
    await here.query("source", "drop table public.unbuildable; drop function public.keyed");
  }
});

test("a hook that fails half way leaves nothing", async () => {
  const program = fileURLToPath(new URL("switch/hook-program.ts", import.meta.url));
  const beforeSwitch = `HOOK_SQL='create table public.hooked (id int)' '${process.execPath}' '${program}' && exit 3`;
  await expectAborted(here.run({ inputs: { hooks: { beforeSwitch } } }), "BEFORE_SWITCH_HOOK_FAILED");
});

test("what a hook has changed is red, and stops before anything is fenced", async () => {
  const program = fileURLToPath(new URL("switch/hook-program.ts", import.meta.url));
  const beforeSwitch = `HOOK_SQL='create table public.hooked (id int)' '${process.execPath}' '${program}'`;
  await expectAborted(here.run({ inputs: { hooks: { beforeSwitch } } }), "GATE_RED");
});

test("rows that a hook may change must be the source's before it", async () => {
  await here.query(
    "source",
    `create function public.place() returns text language sql immutable as $$ select current_setting('port') $$;
     create table public.placed (id int, place text generated always as (public.place()) stored); insert into public.placed values (1)`,
  );
  const accept = ["table public.placed", "table public.placed (values)"].map((object) => ({
    ...{ code: "CONTENT_DIFFERS", object },
    reason: "the hook corrects what it holds",
  }));
  try {
    const inputs = { hooks: { beforeSwitch: "true" }, accept: [...here.inputs.accept, ...accept] };
    await expectAborted(here.run({ inputs }), "GATE_RED");
  } finally {
    await here.query("source", "drop table public.placed; drop function public.place");
  }
});

test("a definition that was made during the copy stops the switch before a service moves", async () => {
  const deployments = here.world.railway.deployments(canary).length;
  const onLine = (line: string) =>
    line === "Gate" ? here.query("source", "create table public.made_late (id int)") : undefined;
  try {
    await expectAborted(here.run({ onLine }), "SOURCE_CHANGED_BEFORE_FENCE");
    expect(here.world.railway.deployments(canary)).toHaveLength(deployments);
  } finally {
    await here.query("source", "drop table public.made_late");
  }
});

test("the source is fenced only when the journal says that it is being fenced", async () => {
  await withConnection(here.world.target.connection(), { purpose: "observe" }, ensureJournal);
  await here.query(
    "target",
    `create function pgvector_cutover.wait_for_test() returns trigger language plpgsql as $$
       begin perform pg_advisory_xact_lock(20261124); return new; end $$;
     create trigger wait_for_test before update on pgvector_cutover.migration for each row
       when (old.state = 'loading' and new.state = 'switching') execute function pgvector_cutover.wait_for_test()`,
  );
  const holder = await connect(here.world.target.connection(), { purpose: "world" });
  try {
    await holder.query("set application_name = test; select pg_advisory_lock(20261124)");
    here.world.railway.failNext(canary, "BUILD");
    const { promise: isFencing, resolve } = Promise.withResolvers<void>();
    const onLine = (line: string) => line === "Fence both databases" && resolve();
    const run = here.run({ onLine });
    run.catch(() => {});
    await Promise.race([isFencing, run]);
    const waiting = "select 1 from pg_locks where locktype = 'advisory' and objid = 20261124 and not granted";
    await expect.poll(() => here.query("target", waiting), { interval: 100 }).toHaveLength(1);
    expect(await here.query("source", "select to_regclass('pgvector_cutover.witness') as witness")).toEqual([
      { witness: null },
    ]);
    await holder.query("select pg_advisory_unlock(20261124)");
    await expectAborted(run, "DEPLOYMENT_FAILED");
  } finally {
    await holder.end();
    await here.query("target", "drop function pgvector_cutover.wait_for_test() cascade");
  }
});

/** Begins a definition on the source before the run does, and commits it behind the fence. */
async function expectAbortedByLate(definition: string, reason: string) {
  const client = await connect(here.world.source.connection(), { purpose: "world" });
  try {
    await client.query(`set application_name = 'migration'; begin; ${definition}`);
    const commit = (line: string) =>
      line.startsWith("Switch the canary") ? client.query("commit") : undefined;
    await expectAborted(here.run({ onLine: commit }), reason);
  } finally {
    // Sealing the source has ended this session.
    await client.end().catch(() => {});
  }
}

test("a table that was under way before the fence, and is acknowledged behind it, stops the switch", async () => {
  await expectAbortedByLate("create table public.late as select 1 as id", "Reason: SOURCE_");
  expect(await here.query("source", "select id from public.late")).toEqual([{ id: 1 }]);
  await here.query("source", "drop table public.late");
});

test("a definition without a table that is committed behind the fence is seen behind the seal", async () => {
  const definition = "create function public.late() returns int language sql as 'select 1'";
  await expectAbortedByLate(definition, "SOURCE_CHANGED_BEFORE_FENCE");
  await here.query("source", "drop function public.late()");
});

test("somebody who changes the protected schema while services move stops the switch", async () => {
  const change = (line: string) => {
    if (line.startsWith("Switch the canary"))
      return here.query("target", "create table llm_assistant.theirs (id int)");
    return line.startsWith("Abort") ? here.query("target", "drop table llm_assistant.theirs") : undefined;
  };
  await expectAborted(here.run({ onLine: change }), "PROTECTED_SCHEMA_CHANGED");
});

test("a source whose fence somebody took down while services moved is not left behind", async () => {
  const open = (line: string) =>
    line.startsWith("Switch the canary")
      ? withConnection(here.world.source.connection(), { purpose: "observe" }, (client) =>
          client.query(
            "alter event trigger pgvector_cutover_ddl disable; create or replace function pgvector_cutover.refuse_write() returns trigger language plpgsql as 'begin return null; end'",
          ),
        )
      : undefined;
  await expectAborted(here.run({ onLine: open }), "SOURCE_FENCE_BROKEN");
});

test("a source that somebody opens again behind the seal is not left behind", async () => {
  const { database } = here.world.source.connection();
  const holder = await connect(here.world.source.connection(), { purpose: "observe" });
  // Behind the seal, and before it looks at it again, the run makes the fence last.
  const hold =
    "set idle_in_transaction_session_timeout = 0; begin; select from pgvector_cutover.witness for update";
  const open = (line: string) => {
    if (line.startsWith("Switch the canary")) return holder.query(hold);
    if (line !== "Seal the source") return undefined;
    return withConnection(
      here.world.source.connection("postgres"),
      { purpose: "observe" },
      async (client) => {
        await expect.poll(() => isSealed(client, database)).toBe(true);
        await setSeal(client, database, false);
      },
    ).finally(() => holder.query("rollback"));
  };
  try {
    await expectAborted(here.run({ onLine: open }), "SOURCE_NOT_SEALED");
  } finally {
    await holder.end();
  }
});

test("a service that crashes while all are watched, after the last was proven, stops the promotion", async () => {
  const limits = { ...here.inputs.limits, healthyForMs: 60_000 };
  const crash = (line: string) => {
    if (line.startsWith("watching until")) here.world.railway.crash(canary);
  };
  await expectAborted(here.run({ inputs: { limits }, onLine: crash }), "although it had been healthy");
});

test("a consumer of the source that comes back after all services have moved stops the promotion", async () => {
  const nightly = await insistent("nightly");
  // Ended when all have moved, it comes back while they are watched.
  const held = (railway: Railway): Railway => ({
    ...railway,
    within: (signal) => held(railway.within(signal)),
    watchDeployment: async (...deployment) => {
      await expect.poll(nightly.visits).toBeGreaterThan(1);
      return railway.watchDeployment(...deployment);
    },
  });
  try {
    await expectAborted(here.run({ railway: held(here.railway) }), "SOURCE_STILL_USED");
  } finally {
    nightly.leave();
  }
});

test("a crash of the target in an interrupted switch, which empties an unlogged table, is found when it goes on", async () => {
  await here.query("source", "create unlogged table public.cache as select 1 as id");
  try {
    await here.killAt("Switch: ");
    await here.world.target.stop("immediate");
    await here.world.target.start();
    await expectAborted(here.run(), "UNLOGGED_TABLE_EMPTIED");
  } finally {
    await here.query("source", "drop table public.cache");
    // A crash begins the server's statistics anew, and its sequences leave numbers out.
    before = await here.protectedNow();
  }
});

/** A consumer of the source that comes back as often as it is ended, until it is refused or leaves. */
async function insistent(
  name: string,
): Promise<{ visits(): number; leave(): void; readonly gone: Promise<void> }> {
  const { host, port, user, password, database } = here.world.source.connection();
  const ssl = { rejectUnauthorized: false };
  const come = async () => {
    const client = new pg.Client({ host, port, user, password, database, ssl, application_name: name });
    client.on("error", () => {});
    const ended = new Promise<void>((resolve) => client.once("end", resolve));
    await client.connect();
    return { client, ended };
  };
  let session = await come();
  let visits = 1;
  let isLeaving = false;
  const insist = async (): Promise<void> => {
    await session.ended;
    const next = isLeaving ? undefined : await come().catch(() => undefined);
    if (next === undefined) return;
    session = next;
    visits += 1;
    if (isLeaving) leave();
    await insist();
  };
  const leave = () => {
    isLeaving = true;
    void session.client.end();
  };
  return { visits: () => visits, leave, gone: insist() };
}

test("killed while the canary deploys, the abort puts everything back", async () => {
  await here.killAt(`${canary}: deployment`);
  expect((await here.journal())?.record.state).toBe("switching");
  here.told.splice(0);
  expect(await here.abort()).toBe("aborted");
  expect(toldKinds()).toEqual(["aborted"]);
  await here.world.railway.settle();
  await expectEverythingBack();
});

test("killed while it copies and again while services move, the third run ends the move", async () => {
  await here.killAt("schema read by pg_dump");
  expect((await here.journal())?.record.state).toBe("loading");
  await here.killAt("Switch: ");
  const lines: string[] = [];
  const pauses: number[] = [];
  const onLine = (line: string, writesPausedMs?: number) => {
    lines.push(line);
    if (writesPausedMs !== undefined) pauses.push(writesPausedMs);
  };
  const pausedBefore = await nobodyWritesForMs();
  here.told.splice(0);
  const nightly = await insistent("nightly");
  const accept = [
    ...here.inputs.accept,
    { code: "SOURCE_STILL_USED", object: "nightly", reason: "the seal cuts it off" },
  ];
  const { id, record } = await here.run({ inputs: { accept }, onLine });
  expect(toldKinds()).toEqual(["resumed", "promoted", "finished"]);
  expect(lines[0]).toMatch(/^Go on: /);
  // Going on, both waves, sealing and promoting, but not what comes after it; counted from the first run's locks.
  expect(pauses).toHaveLength(5);
  expect(pauses[0]).toBeGreaterThanOrEqual(pausedBefore);
  expect(record.state).toBe("finished");
  const verdict = await here.judge("target");
  expect(verdict).toMatchObject({ violations: [] });
  // Every writer of the four services had waited for the locks.
  expect(verdict.inFlightAtFence).toBeGreaterThanOrEqual(20);
  for (const service of [canary, ...app]) expect(here.databaseOf(service), service).toBe(newHost);
  await expect(connect(here.world.source.connection(), { purpose: "test" })).rejects.toMatchObject({
    code: "DATABASE_SEALED",
  });
  const nobody = await withConnection(
    here.world.source.connection("postgres"),
    { purpose: "test" },
    (outside) => foreignSessions(outside, here.world.source.connection().database),
  );
  expect(nobody).toEqual([]);
  await nightly.gone;
  expect(await here.protectedNow()).toEqual(before);
  expect(await here.query("target", "select evtname from pg_event_trigger")).toEqual([]);
  expect((await here.journal())?.id).toBe(id);
});

/** Since the journal's switch began to keep writers out. */
async function nobodyWritesForMs(): Promise<number> {
  const record = (await here.journal())?.record;
  if (record?.state !== "switching") return expect.unreachable("there is no switch");
  return Date.now() - Date.parse(record.fence.pausedAt);
}

test("once more it does nothing, and there is nothing to abort", async () => {
  const earlier = here.world.railway.mutations().length;
  const entry = await here.journal();
  expect((await here.run()).id).toBe(entry?.id);
  await expect(here.abort()).rejects.toMatchObject({ code: "ALREADY_PROMOTED" });
  expect(await here.journal()).toEqual(entry);
  expect(here.world.railway.mutations()).toHaveLength(earlier);
  expect(toldKinds()).toEqual([]);
});

test("another database in the place of the old one has no effect, and is left as it is", async () => {
  const entry = await here.journal();
  const { database } = here.world.source.connection();
  const onServer = (...statements: string[]) =>
    withConnection(here.world.source.connection("postgres"), { purpose: "test" }, async (client) => {
      for (const statement of statements) await client.query(statement);
    });
  await onServer(`alter database ${database} rename to kept`, `create database ${database}`);
  try {
    await here.query("source", 'create table public."User" (id int)');
    expect((await here.run()).id).toBe(entry?.id);
    expect(await here.journal()).toEqual(entry);
    expect(await here.query("source", 'select count(*)::int as rows from public."User"')).toEqual([
      { rows: 0 },
    ]);
    expect(await here.judge("target")).toMatchObject({ violations: [] });
  } finally {
    await onServer(`drop database ${database} with (force)`, `alter database kept rename to ${database}`);
  }
});

test("no session was given a statement while another one was under way", () => {
  expect(warnings.filter((message) => message.includes("already executing"))).toEqual([]);
});

test("with the journal lost, a fenced source is refused and left as it is", async () => {
  const earlier = here.world.railway.mutations().length;
  await here.query("target", "drop schema pgvector_cutover cascade");
  await expect(here.run()).rejects.toMatchObject({ code: "FENCED_WITHOUT_JOURNAL" });
  await expect(here.abort()).rejects.toMatchObject({ code: "FENCED_WITHOUT_JOURNAL" });
  const outside = await connect(here.world.source.connection("postgres"), { purpose: "test" });
  await setSeal(outside, here.world.source.connection().database, false);
  await outside.end();
  await expect(here.run()).rejects.toMatchObject({ code: "FENCED_WITHOUT_JOURNAL" });
  expect(here.world.railway.mutations()).toHaveLength(earlier);
  expect(await here.query("target", "select to_regnamespace('pgvector_cutover') as journal")).toEqual([
    { journal: null },
  ]);
});
