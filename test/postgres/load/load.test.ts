import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CutoverError, describeError } from "../../../components/errors.ts";
import { ensureJournal } from "../../../components/migration/journal/journal.ts";
import { type ConnectionTarget, connect, withConnection } from "../../../components/postgres/connection.ts";
import { describeDumpClient, dumpSchema } from "../../../components/postgres/dump.ts";
import {
  closeSourceFence,
  closeTargetFence,
  fenceNewTables,
  openSourceFence,
  readFence,
} from "../../../components/postgres/fence/fence.ts";
import type { LoadProgress } from "../../../components/postgres/load/load.ts";
import { listTables } from "../../../components/postgres/relations.ts";
import { type StatementOnTheWire, startWireProxy, type WireProxy } from "../../protocol/wire-proxy.ts";
import { createDatabase, type TestDatabase } from "../../world/postgres/databases.ts";
import { sharedServers } from "../../world/postgres/shared.ts";
import { applicationDdl, ask, copyAll, schemas, withSnapshot } from "./fixture.ts";

const servers = sharedServers();
const databases: TestDatabase[] = [];
const odd = { user: `o'brien ${randomBytes(4).toString("hex")}`, password: `p@ss#w/ö%r d'"\\` };

afterAll(async () => {
  await Promise.all(databases.map((database) => database.drop()));
  await ask(servers.source.connection(), `DROP ROLE IF EXISTS "${odd.user.replaceAll('"', '""')}"`);
});

async function newDatabase(
  role: "source" | "target",
  ddl: string | readonly string[] = [],
): Promise<ConnectionTarget> {
  const database = await createDatabase(servers[role]);
  databases.push(database);
  for (const statements of [ddl].flat()) await ask(database.connection, statements);
  return database.connection;
}

describe("a whole application", () => {
  let source: ConnectionTarget;
  let target: ConnectionTarget;
  let report: Awaited<ReturnType<typeof copyAll>>;
  const seen: LoadProgress[] = [];

  beforeAll(async () => {
    source = await newDatabase("source", applicationDdl);
    target = await newDatabase("target", "CREATE SCHEMA llm_assistant");
    await ask(source, `CREATE ROLE "${odd.user}" SUPERUSER LOGIN PASSWORD E'p@ss#w/ö%r d\\'"\\\\'`);
    report = await copyAll({ ...source, ...odd }, target, { onProgress: (progress) => seen.push(progress) });
  });

  const same = async (query: string) => {
    const expected = await ask(source, query);
    expect(expected.length).toBeGreaterThan(0);
    expect(await ask(target, query)).toEqual(expected);
  };

  test("used a client that fits both servers", async () => {
    const major = Math.max(servers.source.majorVersion, servers.target.majorVersion);
    const described = await describeDumpClient(major);
    expect(described).toEqual({ ok: true, client: report.client });
    expect(Number.parseInt(report.client.version, 10)).toBeGreaterThanOrEqual(major);
  });

  test("counts rows per table and says how they travelled", () => {
    const formats = Object.fromEntries(
      report.tables.map(({ schema, name, rows, format }) => [`${schema}.${name}`, [rows, format]]),
    );
    expect(formats).toMatchObject({
      "public.users": [500, "text"],
      "medical_records.patient": [300, "binary"],
      "public.log_2025_one": [1, "binary"],
      "public.parent": [1, "binary"],
      "public.no_columns": [1, "binary"],
      "public.audit": [0, "binary"],
    });
    expect(report.rows).toBe(report.tables.reduce((sum, { rows }) => sum + rows, 0));
  });

  test("reports progress up to the end", () => {
    expect(new Set(seen.map(({ phase }) => phase))).toEqual(
      new Set(["definitions", "rows", "indexes", "constraints", "finish"]),
    );
    expect(seen.flatMap(({ inFlight }) => inFlight)).toContain("public.users");
    expect(seen.at(-1)).toMatchObject({ tablesDone: report.tables.length, rows: report.rows, inFlight: [] });
  });

  test.each([
    "SELECT * FROM public.users ORDER BY id",
    "SELECT * FROM medical_records.patient ORDER BY id",
    'SELECT * FROM "Odd Schema"."semi;colon ""q"" T" ORDER BY 1',
    "SELECT tableoid::regclass::text, * FROM public.log ORDER BY id",
    "SELECT tableoid::regclass::text, x FROM public.parent ORDER BY x",
    "SELECT count(*) FROM public.no_columns",
    "SELECT v FROM public.no_key",
    "SELECT * FROM public.a_top",
    "SELECT * FROM public.keyed ORDER BY id",
    "SELECT id, n FROM public.by_key ORDER BY id",
    "SELECT last_value, is_called FROM public.users_id_seq",
    "SELECT last_value, is_called FROM medical_records.patient_id_seq",
    "SELECT enumlabel FROM pg_enum ORDER BY enumsortorder",
    "SELECT matviewname, ispopulated FROM pg_matviews ORDER BY 1",
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint WHERE contype <> 't' AND connamespace::regnamespace::text <> 'pg_catalog' AND connamespace::regnamespace::text <> 'information_schema' ORDER BY 1, 2",
    "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid), indisvalid FROM pg_index WHERE indrelid::regclass::text ~ '^(public|medical|\"Odd)' ORDER BY 1",
    "SELECT tgname, tgenabled, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    "SELECT * FROM pg_policies",
    "SELECT * FROM pg_rules WHERE schemaname = 'public'",
    "SELECT relrowsecurity FROM pg_class WHERE relname = 'patient'",
    "SELECT relname, relacl::text FROM pg_class WHERE relacl IS NOT NULL AND relnamespace = 'public'::regnamespace",
    "SELECT attname, attacl::text FROM pg_attribute WHERE attacl IS NOT NULL AND attrelid = 'public.users'::regclass",
    "SELECT defaclacl::text FROM pg_default_acl",
    'SELECT description FROM pg_description WHERE classoid = \'pg_class\'::regclass AND objoid = \'"Odd Schema"."semi;colon ""q"" T"\'::regclass',
    "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1, 2",
    "SELECT stxname FROM pg_statistic_ext",
    "SELECT relreplident FROM pg_class WHERE relname = 'no_key'",
  ])("is the same on the target: %s", same);

  test("has statistics, and its table's next key is the source's", async () => {
    const rows = await ask(target, "SELECT DISTINCT tablename FROM pg_stats WHERE schemaname = 'public'");
    expect(rows.map(({ tablename }) => tablename)).toEqual(expect.arrayContaining(["users", "log", "a_top"]));
    expect(await ask(target, "SELECT nextval('public.users_id_seq') AS next")).toEqual([{ next: "901" }]);
  });

  test("leaves no session behind and keeps the user's password out of error texts", async () => {
    for (const server of [source, target]) {
      const left = await ask(
        server,
        "SELECT application_name FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name ~ ':(copy|load|dump)$'",
      );
      expect(left).toEqual([]);
    }
    const failure = await withSnapshot(source, (snapshot) =>
      dumpSchema({
        source: { ...source, ...odd },
        schemas: ["absent"],
        snapshot,
        minimumMajor: 17,
        timeoutMs: 60_000,
      }),
    ).catch((error: CutoverError) => error);
    expect(failure).toMatchObject({ code: "DUMP_SCHEMA_MISSING" });
    expect(describeError(failure)).not.toContain(odd.password);
  });
});

test("the installed and the built-in client agree", async () => {
  const source = await newDatabase("source", applicationDdl);
  const dumps = await withSnapshot(source, (snapshot) =>
    Promise.all(
      [servers.source.majorVersion, 18].map((minimumMajor) =>
        dumpSchema({ source, schemas, snapshot, minimumMajor, timeoutMs: 60_000 }),
      ),
    ),
  );
  const [first, second] = dumps.map(({ entries }) =>
    entries.map(({ section, type, name }) => `${section} ${type} ${name}`),
  );
  expect(first).toEqual(second);
});

test("a dump ends in time", async () => {
  const source = await newDatabase("source", "CREATE TABLE public.t (a int)");
  await withSnapshot(source, async (snapshot) => {
    const dumping = dumpSchema({ source, schemas: ["public"], snapshot, minimumMajor: 18, timeoutMs: 1 });
    await expect(dumping).rejects.toMatchObject({ code: "DUMP_TIMEOUT" });
  });
});

test("says which client is missing", async () => {
  expect(await describeDumpClient(99)).toMatchObject({ ok: false, error: { code: "DUMP_CLIENT_MISSING" } });
});

test("the triggers that an earlier fence left on the source stay there", async () => {
  const source = await newDatabase(
    "source",
    "CREATE TABLE public.t (a int); INSERT INTO public.t VALUES (1)",
  );
  const target = await newDatabase("target");
  await withConnection(source, { purpose: "test" }, async (client) => {
    await client.query("BEGIN");
    const tables = await listTables(client, ["public"]);
    const options = { schemas: ["public"], migrationId: "m1", epoch: 1, yieldAfterMs: null };
    await closeSourceFence(client, { ...options, tables });
    await client.query("COMMIT");
    await openSourceFence(client, "m1");
  });
  await fenceForLoader(target);
  await copyAll(source, target, {
    schemas: ["public"],
    loaderToken: "t0ken",
    withDefinitions: fenceNewTables(["public"]),
  });
  expect(await ask(target, "SELECT a FROM public.t")).toEqual([{ a: 1 }]);
});

/** As a cutover does before it makes the first table. */
function fenceForLoader(target: ConnectionTarget): Promise<void> {
  return withConnection(target, { purpose: "test" }, async (client) => {
    await ensureJournal(client);
    await closeTargetFence(client, { tables: [], schemas: ["public"], loaderToken: "t0ken" });
  });
}

test("no table of the copy is ever there without its fence, however far the definitions came", async () => {
  const source = await newDatabase(
    "source",
    `CREATE TABLE public."first\ntable" (a int);
     CREATE TABLE public.parts (a int) PARTITION BY LIST (a);
     CREATE TABLE public.part PARTITION OF public.parts FOR VALUES IN (1);
     CREATE TABLE public.unready (a int);`,
  );
  const target = await newDatabase("target");
  await fenceForLoader(target);
  await withSnapshot(source, async (snapshot) => {
    const dump = await dumpSchema({
      ...{ source, snapshot, schemas: ["public"], timeoutMs: 60_000 },
      minimumMajor: servers.target.majorVersion,
    });
    const entries = dump.entries.map((entry) =>
      entry.name === "unready" && entry.type === "TABLE" ? { ...entry, sql: "CREATE TABLE broken" } : entry,
    );
    const copying = copyAll(source, target, {
      ...{ schemas: ["public"], loaderToken: "t0ken", dump: { ...dump, entries } },
      withDefinitions: fenceNewTables(["public"]),
    });
    await expect(copying).rejects.toMatchObject({ code: "LOAD_FAILED" });
  });
  await withConnection(target, { purpose: "test" }, async (client) => {
    const made = (await listTables(client, ["public"])).map(({ name }) => name);
    expect(made).toEqual(["first\ntable", "part", "parts"]);
    expect(await readFence(client, ["public"])).toMatchObject({ unfenced: [], eventTriggers: true });
    await expect(client.query('INSERT INTO public."first\ntable" VALUES (1)')).rejects.toMatchObject({
      code: "25006",
    });
  });
});

test("a snapshot that is gone is named", async () => {
  const source = await newDatabase("source", "CREATE TABLE public.t (a int)");
  const target = await newDatabase("target");
  const copying = copyAll(source, target, { schemas: ["public"], snapshot: "00000003-00000001-1" });
  await expect(copying).rejects.toMatchObject({ code: "SNAPSHOT_LOST" });
});

describe("a table worth more than one statement", () => {
  // Rows of many sizes, dead ones between them, which nobody but the copy is to freeze, and an index that another table's
  // would be in the way of.
  const ddl = `CREATE TABLE public.note (id int CONSTRAINT key PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, code text NOT NULL,
      body text, UNIQUE (code) INCLUDE (id) WITH (fillfactor = 70)) WITH (autovacuum_enabled = false);
    INSERT INTO public.note SELECT g, 'c' || g, repeat(md5(g::text), g % 200) FROM generate_series(1, 5000) g;
    DELETE FROM public.note WHERE id % 3 = 0;
    CREATE INDEX clustered ON public.note (body);
    ALTER TABLE public.note CLUSTER ON clustered;
    CREATE UNIQUE INDEX identity ON public.note (code);
    ALTER TABLE public.note REPLICA IDENTITY USING INDEX identity;
    CREATE TABLE public.parent (x int); CREATE TABLE public.child (y int) INHERITS (public.parent);
    INSERT INTO public.parent VALUES (1); INSERT INTO public.child VALUES (2, 3);`;
  const facts = [
    "SELECT md5(string_agg(note::text, ',' ORDER BY id)), count(*)::int AS n FROM public.note",
    "SELECT conname, pg_get_constraintdef(oid) AS def FROM pg_constraint WHERE conrelid = 'public.note'::regclass AND contype <> 'n' ORDER BY 1",
    "SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS def, indisvalid, indisprimary, indimmediate, indisclustered, indisreplident FROM pg_index WHERE indrelid = 'public.note'::regclass ORDER BY 1",
    "SELECT tableoid::regclass::text AS name, x FROM public.parent ORDER BY x",
  ];

  test.each([
    ["in pieces", { piece: 65_536, sideBySide: 0, frozen: 0, checkedApart: 0 }, false],
    ["frozen", { piece: Number.POSITIVE_INFINITY, sideBySide: 0, frozen: 0, checkedApart: 0 }, true],
  ])("is the same on the target: %s", async (_way, thresholds, isFrozen) => {
    const source = await newDatabase("source", ddl);
    const target = await newDatabase("target");
    await fenceForLoader(target);
    const watcher = await connect(target, { purpose: "test" });
    const fences: Array<Awaited<ReturnType<typeof readFence>>> = [];
    let looking: Promise<unknown> = Promise.resolve();
    const lookAtFence = () => {
      looking = looking.then(async () => fences.push(await readFence(watcher, ["public"])));
    };
    const report = await copyAll(source, target, {
      ...{ schemas: ["public"], thresholds, workers: 3 },
      ...{ loaderToken: "t0ken", withDefinitions: fenceNewTables(["public"]) },
      onProgress: ({ phase }) => {
        if (phase !== "definitions") lookAtFence();
      },
    });
    lookAtFence();
    await looking.finally(() => watcher.end());
    for (const fence of fences) expect(fence).toMatchObject({ unfenced: [], eventTriggers: true });
    const rows = report.tables.map(({ name, rows }) => [name, rows]);
    expect(rows).toEqual([
      ["child", 1],
      ["note", 3_334],
      ["parent", 1],
    ]);
    for (const query of facts) expect(await ask(target, query)).toEqual(await ask(source, query));
    expect(
      await ask(
        target,
        "SELECT relallvisible > 0 AS frozen FROM pg_class WHERE oid = 'public.note'::regclass",
      ),
    ).toEqual([{ frozen: isFrozen }]);
    const analyzed = await ask(
      target,
      "SELECT DISTINCT tablename, inherited FROM pg_stats WHERE schemaname = 'public' ORDER BY 1, 2",
    );
    expect(analyzed).toEqual(
      [
        ["child", false],
        ["note", false],
        ["parent", false],
        ["parent", true],
      ].map(([tablename, inherited]) => ({ tablename, inherited })),
    );
  });
});

test("a table that is alone is copied in pieces, too", async () => {
  const source = await newDatabase(
    "source",
    `CREATE TABLE public.note (id int, body text) WITH (autovacuum_enabled = false);
     INSERT INTO public.note SELECT g, repeat(md5(g::text), 20) FROM generate_series(1, 2000) g;`,
  );
  const target = await newDatabase("target");
  const report = await copyAll(source, target, {
    ...{ schemas: ["public"], workers: 3 },
    thresholds: { piece: 65_536, sideBySide: 0, frozen: 0, checkedApart: 0 },
  });
  expect(report.rows).toBe(2_000);
  // A table that is copied in one piece would be frozen.
  expect(await ask(target, "SELECT relallvisible FROM pg_class WHERE relname = 'note'")).toEqual([
    { relallvisible: 0 },
  ]);
});

test("a reader on the target, such as a backup, does not hold up the rows of a frozen table", async () => {
  const source = await newDatabase(
    "source",
    // The larger one comes first.
    `CREATE TABLE public.note (id int); INSERT INTO public.note SELECT generate_series(1, 500);
     CREATE TABLE public.page (body text); INSERT INTO public.page SELECT repeat(md5(g::text), 8) FROM generate_series(1, 100000) g`,
  );
  const target = await newDatabase("target");
  const backup = await connect(target, { purpose: "test" });
  const proxy = await startWireProxy(target);
  let locked: Promise<unknown> | undefined;
  proxy.intercept(async () => {
    await locked;
    return "go-on";
  });
  const copying = copyAll(
    source,
    { ...target, port: proxy.port },
    {
      ...{ schemas: ["public"], workers: 1 },
      thresholds: { piece: 65_536, sideBySide: 0, frozen: 0, checkedApart: 0 },
      onProgress: ({ phase }) => {
        if (phase === "rows") locked ??= backup.query("BEGIN; LOCK TABLE public.note IN ACCESS SHARE MODE");
      },
    },
  );
  const report = await copying.finally(() => Promise.all([backup.end(), proxy.close()]));
  expect(report.rows).toBe(100_500);
  expect(await ask(target, "SELECT relallvisible FROM pg_class WHERE relname = 'note'")).toEqual([
    { relallvisible: 0 },
  ]);
});

test("what is built with a function that reads another table waits for that table's rows", async () => {
  const source = await newDatabase(
    "source",
    `CREATE TABLE public.zone (shift int, body text);
     INSERT INTO public.zone SELECT 10, repeat(md5(g::text), 100) FROM generate_series(1, 30000) g;
     CREATE FUNCTION public.shifted(x int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
       'BEGIN RETURN x + (SELECT min(shift) FROM public.zone); END';
     CREATE FUNCTION public.compare_shifted(a int, b int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
       'BEGIN RETURN (a - b) * COALESCE((SELECT 1 FROM public.zone LIMIT 1), -1); END';
     CREATE OPERATOR CLASS public.shifted_ops FOR TYPE int USING btree AS
       OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
       FUNCTION 1 public.compare_shifted(int, int);
     CREATE TABLE public.early (a int, b int, c int);
     INSERT INTO public.early SELECT g, g, g FROM generate_series(1, 20) g;
     CREATE INDEX by_shift ON public.early (public.shifted(a));
     CREATE INDEX by_class ON public.early (c public.shifted_ops);
     CREATE STATISTICS public.of_shift ON (public.shifted(c)) FROM public.early;
     ALTER TABLE public.early ADD CONSTRAINT apart EXCLUDE USING btree (public.shifted(b) WITH =);`,
  );
  const target = await newDatabase("target");
  // One that is frozen would keep out whoever reads it.
  const thresholds = { piece: 65_536_000, sideBySide: 0, frozen: Number.POSITIVE_INFINITY, checkedApart: 0 };
  await copyAll(source, target, { schemas: ["public"], thresholds });
  await withConnection(target, { purpose: "test" }, async (client) => {
    await client.query("SET enable_seqscan = off");
    for (const condition of ["public.shifted(a) = 15", "public.shifted(b) = 15", "c = 5"]) {
      const query = `SELECT a FROM public.early WHERE ${condition}`;
      const plan = await client.query(`EXPLAIN ${query}`);
      expect(JSON.stringify(plan.rows)).toContain("Index");
      expect((await client.query(query)).rows).toEqual([{ a: 5 }]);
    }
  });
  const minimum = "SELECT min(x::text::int) FROM unnest(histogram_bounds::text::int[]) x";
  const known = await ask(
    target,
    `SELECT (${minimum}) AS minimum FROM pg_stats WHERE tablename IN ('by_shift', 'apart')
     UNION ALL SELECT (${minimum}) FROM pg_stats_ext_exprs WHERE statistics_name = 'of_shift'`,
  );
  expect(known).toEqual([{ minimum: 11 }, { minimum: 11 }, { minimum: 11 }]);
});

test("keys whose entries in the dump have the same name are told apart", async () => {
  const source = await newDatabase(
    "source",
    `CREATE TABLE public."a b" (x int CONSTRAINT c PRIMARY KEY);
     CREATE TABLE public.a (x int, y int CONSTRAINT "b c" UNIQUE);
     INSERT INTO public."a b" VALUES (1); INSERT INTO public.a VALUES (1, 1);
     ALTER TABLE public."a b" ADD CONSTRAINT k FOREIGN KEY (x) REFERENCES public.a (y);
     ALTER TABLE public.a ADD CONSTRAINT "b k" FOREIGN KEY (x) REFERENCES public."a b" (x);`,
  );
  const target = await newDatabase("target");
  await copyAll(source, target, {
    ...{ schemas: ["public"], thresholds: { piece: 65_536, sideBySide: 0, frozen: 0, checkedApart: 0 } },
  });
  const keys =
    "SELECT conrelid::regclass::text AS table, conname, pg_get_constraintdef(oid) AS definition, convalidated FROM pg_constraint WHERE contype IN ('p', 'u', 'f') AND connamespace = 'public'::regnamespace ORDER BY 1, 2";
  expect(await ask(target, keys)).toEqual(await ask(source, keys));
});

test("an index waits for a function that waits for another table's key", async () => {
  const source = await newDatabase(
    "source",
    `CREATE TABLE public.zone (id int PRIMARY KEY, shift int); INSERT INTO public.zone VALUES (1, 10);
     CREATE FUNCTION public.shifted(x int) RETURNS int IMMUTABLE LANGUAGE sql
       BEGIN ATOMIC SELECT z.shift + x FROM public.zone z GROUP BY z.id LIMIT 1; END;
     CREATE TABLE public.early (a int); INSERT INTO public.early VALUES (5);
     CREATE INDEX by_shift ON public.early (public.shifted(a));`,
  );
  const target = await newDatabase("target");
  await copyAll(source, target, { schemas: ["public"] });
  expect(
    await ask(target, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'public.by_shift'::regclass"),
  ).toEqual([{ indisvalid: true }]);
  const analyzed = await ask(
    target,
    "SELECT most_common_vals IS NOT NULL OR n_distinct <> 0 AS known FROM pg_stats WHERE tablename = 'by_shift'",
  );
  expect(analyzed).toEqual([{ known: true }]);
});

test("tells when a session has nothing left to read, before the indexes are built", async () => {
  const tables = Array.from({ length: 5 }, (_, number) => `CREATE TABLE public.t${number} (a int)`);
  const source = await newDatabase("source", tables);
  const target = await newDatabase("target");
  const phases: string[] = [];
  let phase = "";
  await copyAll(source, target, {
    ...{ schemas: ["public"], workers: 3 },
    onProgress: (progress) => {
      phase = progress.phase;
    },
    onReaderEnded: () => phases.push(phase),
  });
  expect(phases).toEqual(["rows", "rows", "rows"]);
});

test("a source that says that it is done only after the target did is waited for", async () => {
  const source = await newDatabase(
    "source",
    "CREATE TABLE public.visit (id int); INSERT INTO public.visit SELECT generate_series(1, 3)",
  );
  const target = await newDatabase("target");
  const proxies = await Promise.all([source, target].map((server) => startWireProxy(server)));
  const [sending, taking] = proxies as [WireProxy, WireProxy];
  const taken = Promise.withResolvers<void>();
  const sent = Promise.withResolvers<void>();
  const isAnswer = ({ stage, text }: StatementOnTheWire) => stage === "after" && text.startsWith("COPY");
  taking.intercept(async (statement) => {
    if (isAnswer(statement)) {
      taken.resolve();
      await sent.promise;
    }
    return "go-on";
  });
  sending.intercept(async (statement) => {
    if (isAnswer(statement)) {
      await taken.promise;
      sent.resolve();
    }
    return "go-on";
  });
  try {
    const report = await copyAll(
      { ...source, port: sending.port, tls: "off" },
      { ...target, port: taking.port, tls: "off" },
      { schemas: ["public"] },
    );
    expect(report.tables).toMatchObject([{ name: "visit", rows: 3 }]);
  } finally {
    await Promise.all(proxies.map((proxy) => proxy.close()));
  }
});

test("what compares by the operators of an extension outside of every path is made with them", async ({
  skip,
}) => {
  const hasContrib = async ({ connection }: (typeof servers)["source"]) =>
    (await ask(connection(), "SELECT name FROM pg_available_extensions WHERE name IN ('citext', 'hstore')"))
      .length === 2;
  if (!(await hasContrib(servers.source)) || !(await hasContrib(servers.target)))
    return skip("no contrib modules here");
  const extensions =
    "CREATE SCHEMA tools; CREATE EXTENSION citext SCHEMA tools; CREATE EXTENSION hstore SCHEMA tools; SET search_path = public, tools;";
  const source = await newDatabase(
    "source",
    `${extensions} CREATE TABLE person (email citext CHECK (CASE email WHEN 'nobody' THEN false ELSE true END), note hstore);
     CREATE VIEW known AS SELECT NULLIF(email, 'NOBODY') AS email FROM person WHERE note IS DISTINCT FROM ''`,
  );
  const target = await newDatabase("target", extensions);
  await copyAll(source, target, { schemas: ["public"] });
  const definitions =
    "SELECT pg_get_constraintdef(oid) AS check, pg_get_viewdef('public.known') AS view FROM pg_constraint WHERE conrelid = 'public.person'::regclass";
  const [made, original] = await Promise.all([ask(target, definitions), ask(source, definitions)]);
  // 16 no longer writes the qualifier.
  const words = (rows: unknown) => JSON.stringify(rows).replaceAll("person.", "");
  expect(words(made)).toBe(words(original));
});

describe("failures", () => {
  const filled = `CREATE TABLE public.note (id int, body text);
    INSERT INTO public.note SELECT g, 'SENTINELMRN' || repeat(md5(g::text), 30) FROM generate_series(1, 40000) g;`;

  test.each(["source", "target"] as const)("a %s backend that ends in mid-copy", async (side) => {
    const source = await newDatabase("source", [
      `CREATE FUNCTION public.pass(id int) RETURNS boolean LANGUAGE plpgsql AS
         'BEGIN IF id = 20000 THEN PERFORM pg_advisory_xact_lock_shared(20000); END IF; RETURN true; END';
       CREATE DOMAIN public.number AS int CHECK (public.pass(VALUE));`,
      filled.replace("id int", "id public.number"),
    ]);
    const target = await newDatabase("target");
    const [victim, purpose] = side === "source" ? [source, "copy"] : [target, "load"];
    const killer = await connect(victim, { purpose: "test" });
    const holder = await connect(target, { purpose: "test" });
    // The copy gets no further until one is killed.
    await holder.query("SELECT pg_advisory_lock(20000)");
    let killed: Promise<unknown> | undefined;
    const failure = await copyAll(source, target, {
      schemas: ["public"],
      onProgress: ({ bytes }) => {
        if (bytes === 0) return;
        killed ??= killer
          .query(
            `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%COPY %' AND application_name LIKE '%:${purpose}'`,
          )
          .finally(() => holder.query("SELECT pg_advisory_unlock(20000)"));
      },
    }).catch((error: CutoverError) => error);
    await killed;
    await Promise.all([killer.end(), holder.end()]);
    expect(failure).toMatchObject({ code: "COPY_FAILED", message: expect.stringContaining("public.note") });
    expect(describeError(failure)).not.toContain("SENTINELMRN");
    expect(await ask(target, "SELECT count(*)::int AS n FROM public.note")).toEqual([{ n: 0 }]);
  });

  test("cancellation ends all sessions", async () => {
    const source = await newDatabase("source", filled);
    const target = await newDatabase("target");
    const cancelled = new AbortController();
    const copying = copyAll(source, target, {
      schemas: ["public"],
      signal: cancelled.signal,
      onProgress: ({ bytes }) => bytes > 0 && cancelled.abort(new Error("enough")),
    });
    await expect(copying).rejects.toMatchObject({ code: "LOAD_CANCELLED" });
    // Waits for the locks of whatever the load left running.
    await ask(target, "DROP TABLE public.note");
  });

  test("a definition that the target refuses is named, without its text", async () => {
    const source = await newDatabase("source", `CREATE TABLE public.note (body text DEFAULT 'SENTINELMRN')`);
    const target = await newDatabase("target", "CREATE TABLE public.note (a int)");
    const failure = await copyAll(source, target, { schemas: ["public"] }).catch((error) => error);
    expect(failure).toMatchObject({
      code: "LOAD_FAILED",
      message: expect.stringContaining("TABLE public.note"),
    });
    expect(describeError(failure)).toContain("42P07");
    expect(describeError(failure)).not.toContain("SENTINELMRN");
  });

  test("a check that reads another table is named; NOT VALID it waits until the copy is made", async () => {
    const source = await newDatabase(
      "source",
      `CREATE TABLE public.zone (id int); INSERT INTO public.zone VALUES (1);
       CREATE FUNCTION public.is_zone(int) RETURNS boolean LANGUAGE sql AS
         'SELECT EXISTS (SELECT FROM public.zone WHERE id = $1)';
       CREATE TABLE public.visit (zone int, body text, CONSTRAINT in_zone CHECK (public.is_zone(zone)));
       INSERT INTO public.visit SELECT 1, 'SENTINELMRN' || repeat(md5(g::text), 30) FROM generate_series(1, 20000) g;`,
    );
    const target = await newDatabase("target");
    // The larger table comes first, and is more than what can be on its way while the other one is begun.
    const copy = () => copyAll(source, target, { schemas: ["public"], workers: 1 });
    const failure = await copy().catch((error) => error);
    expect(failure).toMatchObject({ code: "COPY_FAILED", message: expect.stringContaining("public.visit") });
    expect(describeError(failure)).toContain("23514");
    expect(describeError(failure)).not.toContain("SENTINELMRN");
    expect(await ask(target, "SELECT count(*)::int AS n FROM public.visit")).toEqual([{ n: 0 }]);

    await ask(target, "DROP TABLE public.visit, public.zone; DROP FUNCTION public.is_zone");
    await ask(
      source,
      "ALTER TABLE public.visit DROP CONSTRAINT in_zone; ALTER TABLE public.visit ADD CONSTRAINT in_zone CHECK (public.is_zone(zone)) NOT VALID",
    );
    await copy();
    await ask(target, "ALTER TABLE public.visit VALIDATE CONSTRAINT in_zone");
    expect(await ask(target, "SELECT count(*)::int AS n FROM public.visit")).toEqual([{ n: 20_000 }]);
  });

  test("a foreign key that the rows break is named, without the rows", async () => {
    const source = await newDatabase(
      "source",
      `CREATE TABLE public.a (id text PRIMARY KEY); CREATE TABLE public.b (a text REFERENCES public.a);
       SET session_replication_role = replica; INSERT INTO public.b VALUES ('SENTINELMRN');`,
    );
    const target = await newDatabase("target");
    const failure = await copyAll(source, target, { schemas: ["public"] }).catch((error) => error);
    expect(failure).toMatchObject({ code: "LOAD_FAILED", message: expect.stringContaining("b_a_fkey") });
    expect(describeError(failure)).toContain("23503");
    expect(describeError(failure)).not.toContain("SENTINELMRN");
  });
});
