import type pg from "pg";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ResolvedWorld } from "../../components/migration/decide/resolve.ts";
import { maintenanceDatabase } from "../../components/migration/fence/maintenance.ts";
import { readSourcePosition } from "../../components/migration/fence/source-position.ts";
import {
  beginMigration,
  ensureJournal,
  readJournal,
  transition,
} from "../../components/migration/journal/journal.ts";
import type { MigrationRecord, RecordIn, ServiceRecord } from "../../components/migration/journal/record.ts";
import { type AbortContext, putBack } from "../../components/migration/recover/abort.ts";
import { rememberValue } from "../../components/migration/recover/previous-value.ts";
import { connect } from "../../components/postgres/connection.ts";
import { hashTables } from "../../components/postgres/content/hash-tables.ts";
import {
  closeSourceFence,
  closeTargetFence,
  isSealed,
  readWitness,
  setSeal,
} from "../../components/postgres/fence/fence.ts";
import { listTables } from "../../components/postgres/relations.ts";
import { createDatabase, type TestDatabase } from "../world/postgres/databases.ts";
import { sharedServers } from "../world/postgres/shared.ts";
import { abortingRecord, loadingRecord, switchingRecord } from "./records.ts";
import { FakeRailway } from "./switch/fake-railway.ts";

const servers = sharedServers();
const ddl = "create table public.patient (id int); insert into public.patient values (1), (2)";
const oldText = "${{Postgres.DATABASE_URL}}";
const newText = "${{pgvector.DATABASE_URL}}";

let source: TestDatabase;
let target: TestDatabase;
let open: pg.Client[];
let railway: FakeRailway;

beforeEach(async () => {
  [source, target] = await Promise.all([createDatabase(servers.source), createDatabase(servers.target)]);
  open = [];
  railway = new FakeRailway({
    [oldText]: "postgresql://u:p@postgres.railway.internal:5432/railway",
    [newText]: "postgresql://u:p@pgvector.railway.internal:5432/railway",
  });
});
afterEach(async () => {
  await Promise.all(open.map((client) => client.end().catch(() => {})));
  await Promise.all([source.drop(), target.drop()]);
});

async function session(database: TestDatabase, purpose = "test", inside?: string): Promise<pg.Client> {
  const client = await connect(database.connection, {
    purpose,
    ...(inside === undefined ? {} : { database: inside }),
  });
  // An abort ends what a run left behind, by its name.
  if (purpose === "test") await client.query("set application_name = 'test'");
  open.push(client);
  return client;
}

/** Both databases fenced by migration `m1` and its journal in `switching`. */
async function switched(services: Record<string, ServiceRecord> = {}) {
  const [onSource, onTarget] = [await session(source), await session(target)];
  await onSource.query(ddl);
  await onTarget.query(ddl);
  await ensureJournal(onTarget);
  const tables = await listTables(onTarget, ["public"]);
  await closeTargetFence(onTarget, { tables, schemas: ["public"] });
  await closeSourceFence(onSource, {
    tables,
    schemas: ["public"],
    migrationId: "m1",
    epoch: 1,
    yieldAfterMs: null,
  });
  const [digest] = await hashTables({
    connect: () => connect(target.connection, { purpose: "test", readOnly: true }),
    tables,
    workers: 1,
  });
  const content = { rows: digest?.rows ?? "", hash: digest?.hash ?? "" };
  const loading = loadingRecord({ expectedRelations: ["public.patient"] });
  const record: RecordIn<"switching"> = {
    ...switchingRecord(services),
    load: loading.load,
  };
  record.fence.tables = [{ schema: "public", name: "patient", source: content, target: content }];
  const owner = await beginMigration(onTarget, "m1", loading);
  await transition(onTarget, owner, "loading", record, "fenced");
  return { onSource, onTarget, owner, record };
}

async function back(
  owner: { id: string; epoch: number },
  record: MigrationRecord,
  names: readonly string[] = [],
  changes: Partial<AbortContext> = {},
): Promise<void> {
  const world = {
    scope: { projectId: "p", environmentId: "e" },
    source: { connection: source.connection, privateHost: "postgres.railway.internal", reference: oldText },
    target: { connection: target.connection, privateHost: "pgvector.railway.internal", reference: newText },
    services: names.map((name) => ({ inputs: { name }, service: { id: name, name } })),
  } as unknown as ResolvedWorld;
  const control = await session(target, "control");
  const context = {
    railway: railway.client(),
    world,
    target: control,
    source: await session(source, "control", maintenanceDatabase(source.connection)),
    owner,
    reporter: { step: () => {}, detail: () => {} },
    deploymentTimeoutMs: 5_000,
    ...changes,
  };
  await putBack(context, record as RecordIn<"switching">, "test");
}

const moving: ServiceRecord = {
  serviceId: "api",
  previous: { DATABASE_URL: { kind: "reference", text: oldText } },
  replaces: [],
  startedAt: "2025-01-01 00:00:00+00",
  deploymentId: null,
  provenAt: null,
};

describe("putting back", () => {
  it("opens the source, drops the copy and is recorded; a second time is refused", async () => {
    const { onSource, onTarget, owner, record } = await switched();
    await expect(onSource.query("insert into public.patient values (3)")).rejects.toMatchObject({
      code: "25006",
    });
    await back(owner, record);
    await onSource.query("insert into public.patient values (3)");
    expect((await onTarget.query("select to_regclass('public.patient') as copy")).rows).toEqual([
      { copy: null },
    ]);
    expect((await readJournal(onTarget))?.record.state).toBe("aborted");
    await expect(back(owner, record)).rejects.toMatchObject({ code: "JOURNAL_LOST" });
  });

  it("opens a sealed source", async () => {
    const { onTarget, owner, record } = await switched();
    const outside = await session(source, "test", maintenanceDatabase(source.connection));
    await setSeal(outside, source.connection.database, true);
    await back(owner, record);
    const again = await session(source);
    await again.query("insert into public.patient values (3)");
    expect((await readJournal(onTarget))?.record.state).toBe("aborted");
  });

  it("opens nothing when the copy's fence has a hole: somebody may have written to it", async () => {
    const { onSource, onTarget, owner, record } = await switched();
    await onTarget.query(
      "alter event trigger pgvector_cutover_ddl disable; alter table public.patient disable trigger all; alter event trigger pgvector_cutover_ddl enable always",
    );
    await expect(back(owner, record)).rejects.toMatchObject({ code: "TARGET_FENCE_BROKEN" });
    await expect(onSource.query("insert into public.patient values (3)")).rejects.toMatchObject({
      code: "25006",
    });
    expect((await readJournal(onTarget))?.record.state).toBe("aborting");
  });

  it("opens and drops nothing when the source stands before the point at which it was fenced", async () => {
    const { onSource, onTarget, owner, record } = await switched();
    const position = await readSourcePosition(onSource);
    const ahead = String(BigInt(position.walPosition) + 2n ** 40n);
    record.fence.sourcePosition = { ...position, walPosition: ahead };
    await expect(back(owner, record)).rejects.toMatchObject({ code: "SOURCE_BEHIND_COPY" });
    await expect(onSource.query("insert into public.patient values (3)")).rejects.toMatchObject({
      code: "25006",
    });
    expect((await onTarget.query("select count(*)::int as rows from public.patient")).rows).toEqual([
      { rows: 2 },
    ]);
  });

  it("keeps a copy that was written, and never calls the migration aborted then", async () => {
    const { onTarget, owner, record } = await switched();
    await onTarget.query(
      "alter event trigger pgvector_cutover_ddl disable; alter table public.patient disable trigger all; insert into public.patient values (9); alter table public.patient enable always trigger pgvector_cutover_fence; alter event trigger pgvector_cutover_ddl enable always",
    );
    await expect(back(owner, record)).rejects.toMatchObject({ code: "COPY_WAS_WRITTEN" });
    expect((await onTarget.query("select count(*)::int as rows from public.patient")).rows).toEqual([
      { rows: 3 },
    ]);
    expect((await readJournal(onTarget))?.record.state).toBe("aborting");
  });

  it("drops a copy whose unlogged table a crash of the target has emptied, and keeps one that was filled again", async () => {
    const { onTarget, owner, record } = await switched();
    const unguarded = (statements: string) =>
      onTarget.query(
        `alter event trigger pgvector_cutover_ddl disable; alter table public.patient disable trigger all; ${statements};
         alter table public.patient enable always trigger pgvector_cutover_fence; alter event trigger pgvector_cutover_ddl enable always`,
      );
    await unguarded(
      "alter table public.patient set unlogged; delete from public.patient; insert into public.patient values (9)",
    );
    await expect(back(owner, record)).rejects.toMatchObject({ code: "COPY_WAS_WRITTEN" });
    await unguarded("truncate public.patient");
    const entry = await readJournal(onTarget);
    await back(owner, entry?.record as MigrationRecord);
    expect((await readJournal(onTarget))?.record.state).toBe("aborted");
  });

  it("opens nothing for an orphan whose migration is over: a later one has fenced the source", async () => {
    const { onSource, onTarget, owner, record } = await switched();
    const orphans = { ...abortingRecord(record.fence), load: record.load };
    await onTarget.query("update pgvector_cutover.migration set id = 'm2', epoch = 5");
    await onSource.query("update pgvector_cutover.witness set migration_id = 'm2'");
    await expect(back(owner, orphans)).rejects.toMatchObject({ code: "JOURNAL_LOST" });
    expect(await readWitness(onSource)).toMatchObject({ migrationId: "m2" });
    await expect(onSource.query("insert into public.patient values (3)")).rejects.toMatchObject({
      code: "25006",
    });
  });

  it("opens nothing where another migration's fence stands on the source, and puts its seal back", async () => {
    const { onSource, owner, record } = await switched();
    await onSource.query("update pgvector_cutover.witness set migration_id = 'm2'");
    const outside = await session(source, "test", maintenanceDatabase(source.connection));
    await setSeal(outside, source.connection.database, true);
    await expect(back(owner, record)).rejects.toMatchObject({ code: "JOURNAL_LOST" });
    expect(await isSealed(outside, source.connection.database)).toBe(true);
    await expect(onSource.query("insert into public.patient values (3)")).rejects.toMatchObject({
      code: "25006",
    });
  });

  it("brings the services back although a reader of the source lets no trigger be dropped", async () => {
    const { owner, record } = await switched({ api: moving });
    railway.variables.set("DATABASE_URL", newText);
    railway.deploy();
    const reader = await session(source);
    await reader.query("begin; select * from public.patient");
    const deployed = new Promise<void>((resolve) => {
      const { push } = railway.mutations;
      railway.mutations.push = (...items) => {
        if (items.includes("deploy")) resolve();
        return push.apply(railway.mutations, items);
      };
    });
    const putting = back(owner, record, ["api"]);
    await Promise.race([deployed, putting]);
    await reader.query("commit");
    await putting;
    expect([...railway.mutations]).toEqual([`set DATABASE_URL ${oldText}`, "deploy"]);
  });

  it("ends although a backup of the source lets nothing of the open fence be dropped, and says what is left", async () => {
    const { onSource, onTarget, owner, record } = await switched();
    const backup = await session(source);
    await backup.query(
      "begin; lock table public.patient, pgvector_cutover.witness in access share mode; select last_value from pgvector_cutover.passed",
    );
    const lines: string[] = [];
    const reporter = { step: () => {}, detail: (line: string) => lines.push(line) };
    await back(owner, record, [], { reporter, fencePatienceMs: 0 });
    await onSource.query("insert into public.patient values (3)");
    expect((await readJournal(onTarget))?.record.state).toBe("aborted");
    expect(lines).toContainEqual(expect.stringContaining("public.patient"));
    expect(await readWitness(onSource)).toBeNull();
  });

  it("writes the former variables once more where a dead run's write was carried out late", async () => {
    const { owner, record } = await switched({ api: moving });
    railway.variables.set("DATABASE_URL", newText);
    railway.deploy();
    const client = railway.client();
    let isProven = false;
    const late = {
      ...client,
      deploymentVariables: async (id: string) => {
        isProven = railway.mutations.includes("deploy");
        return client.deploymentVariables(id);
      },
      // The last that is looked at for the proof.
      serviceVariables: async (...service: Parameters<typeof client.serviceVariables>) => {
        const variables = await client.serviceVariables(...service);
        if (isProven) railway.variables.set("DATABASE_URL", newText);
        isProven = false;
        return variables;
      },
    };
    await back(owner, record, ["api"], { railway: late });
    expect(railway.variables.get("DATABASE_URL")).toBe(oldText);
  });

  it("brings back a service that has left the configuration since", async () => {
    const { owner, record } = await switched({ api: moving });
    railway.variables.set("DATABASE_URL", newText);
    railway.deploy();
    await back(owner, record, []);
    expect(railway.variables.get("DATABASE_URL")).toBe(oldText);
  });

  it("brings back a service whose former literal value the source's changed password made unreadable", async () => {
    const literal = rememberValue("postgresql://u:old@postgres.railway.internal:5432/railway", "old", true);
    const { owner, record } = await switched({ api: { ...moving, previous: { DATABASE_URL: literal } } });
    railway.variables.set("DATABASE_URL", newText);
    railway.deploy();
    await back(owner, record, ["api"]);
    expect(railway.mutations).toEqual([`set DATABASE_URL ${oldText}`, "deploy"]);
  });

  it("brings back a service whose deployment the journal had no time to note", async () => {
    const { owner, record } = await switched({ api: moving });
    railway.variables.set("DATABASE_URL", newText);
    railway.deploy();
    await back(owner, record, ["api"]);
    expect(railway.deployments[0]?.variables.get("DATABASE_URL")).toContain("postgres.railway.internal");
  });

  it("leaves a service alone that it had not begun to move", async () => {
    const { owner, record } = await switched({ api: { ...moving, startedAt: null } });
    railway.variables.set("DATABASE_URL", "${{Other.URL}}");
    railway.deploy();
    await back(owner, record, ["api"]);
    expect(railway.mutations).toEqual([]);
  });

  it("restarts a service that it had not begun to move, when that crashed", async () => {
    const { owner, record } = await switched({ api: { ...moving, startedAt: null } });
    railway.variables.set("DATABASE_URL", oldText);
    railway.deploy("CRASHED");
    await back(owner, record);
    expect(railway.mutations).toEqual(["restart"]);
  });

  it("drops nothing that somebody made where an attempt ended before it had made anything", async () => {
    const onTarget = await session(target);
    await ensureJournal(onTarget);
    const record = loadingRecord({
      expectedRelations: ["public.patient"],
      expectedObjects: ["TABLE public.patient"],
    });
    const owner = await beginMigration(onTarget, "m1", record);
    await onTarget.query(ddl);
    await expect(back(owner, record)).rejects.toMatchObject({ code: "COPY_NOT_OURS" });
    expect((await onTarget.query("select count(*)::int as rows from public.patient")).rows).toEqual([
      { rows: 2 },
    ]);
    await onTarget.query(
      "drop table public.patient; create function public.theirs() returns int language sql as 'select 1'",
    );
    const entry = await readJournal(onTarget);
    await expect(back(owner, entry?.record as MigrationRecord)).rejects.toMatchObject({
      code: "COPY_NOT_OURS",
      message: expect.stringContaining("public.theirs()"),
    });
    expect((await onTarget.query("select public.theirs() as answer")).rows).toEqual([{ answer: 1 }]);
    expect((await readJournal(onTarget))?.record.state).toBe("aborting");
  });

  it("drops what a hook made, with its rows, wherever it ended", async () => {
    const onTarget = await session(target);
    await ensureJournal(onTarget);
    const record = loadingRecord({ expectedRelations: [], expectedObjects: [], hookStarted: true });
    const owner = await beginMigration(onTarget, "m1", record);
    await onTarget.query(ddl);
    await back(owner, record);
    expect((await onTarget.query("select to_regclass('public.patient') as copy")).rows).toEqual([
      { copy: null },
    ]);
  });

  it("ends a load that an interrupted attempt left running, before it drops the copy", async () => {
    const onTarget = await session(target);
    await ensureJournal(onTarget);
    const record = loadingRecord({ expectedRelations: ["public.patient", "public.visit"] });
    const owner = await beginMigration(onTarget, "m1", record);
    const loader = await session(target, "load");
    await loader.query("begin; create table public.visit (id int)");
    await back(owner, record);
    await loader.query("commit").catch(() => {});
    expect((await onTarget.query("select to_regclass('public.visit') as copy")).rows).toEqual([
      { copy: null },
    ]);
  });
});
