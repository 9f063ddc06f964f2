import type { ClientBase } from "pg";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { reorderedTables } from "../../../components/migration/preflight/database/column-order.ts";
import {
  compareServerObjects,
  readServerObjects,
} from "../../../components/migration/preflight/database/server-objects.ts";
import {
  checkTimeZones,
  readNamedZones,
} from "../../../components/migration/preflight/database/time-zones.ts";
import { withConnection } from "../../../components/postgres/connection.ts";
import { sharedServers } from "../../world/postgres/shared.ts";
import { createFixture, type PreflightFixture, runSql } from "./fixture.ts";
import { preflight, summarise } from "./world.ts";

const servers = sharedServers();
let fixture: PreflightFixture;

beforeAll(async () => {
  fixture = await createFixture(servers);
});
afterAll(() => fixture?.drop());

interface Case {
  readonly name: string;
  readonly source: string;
  readonly expected: readonly string[];
  /** What is no finding beside it. */
  readonly absent?: RegExp;
  /** The lowest major of the target, and the highest of the source, that it is about. */
  readonly targetFrom?: number;
  readonly sourceTo?: number;
}

/** What is right where it stands, and cannot be made again out of definitions and rows. */
const cases: readonly Case[] = [
  {
    name: "a check that its rows satisfied when they were written, not one that they still satisfy",
    source: `CREATE TABLE public.visit (at timestamptz CONSTRAINT in_future CHECK (at > now()), made timestamptz CONSTRAINT in_past CHECK (made <= now()));
      INSERT INTO public.visit VALUES (clock_timestamp() + interval '20 milliseconds', NULL), (NULL, now()); SELECT pg_sleep(0.05)`,
    expected: ["blocker CHECK_NOT_SATISFIED constraint public.visit.in_future"],
    absent: /in_past/,
  },
  {
    name: "a check of a table and one of a domain by a function that was changed since, none that is not validated",
    source: `CREATE FUNCTION public.fits(int) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT $1 > 0';
      CREATE DOMAIN public.amount AS int CONSTRAINT fits CHECK (public.fits(VALUE));
      CREATE TABLE public.bill (a int CONSTRAINT bill_fits CHECK (public.fits(a)), b public.amount, c int); INSERT INTO public.bill VALUES (1, 1, 1);
      CREATE OR REPLACE FUNCTION public.fits(int) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT $1 > 5';
      ALTER TABLE public.bill ADD CONSTRAINT late CHECK (public.fits(c)) NOT VALID`,
    expected: [
      "blocker CHECK_NOT_SATISFIED column public.bill.b",
      "blocker CHECK_NOT_SATISFIED constraint public.bill.bill_fits",
    ],
    absent: /late/,
  },
  {
    name: "a domain that is never null in a column that is",
    source: `CREATE DOMAIN public.given AS int NOT NULL; CREATE TABLE public.hollow (a public.given);
      INSERT INTO public.hollow SELECT h.a FROM public.users LEFT JOIN public.hollow h ON false LIMIT 1`,
    expected: ["blocker CHECK_NOT_SATISFIED column public.hollow.a"],
  },
  {
    name: "a generated value by a function that was changed since, not one that it still gives",
    source: `CREATE FUNCTION public.next(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 + 1';
      CREATE FUNCTION public.same(int) RETURNS json IMMUTABLE LANGUAGE sql AS 'SELECT to_json($1)';
      CREATE TABLE public.total (a int, b int GENERATED ALWAYS AS (public.next(a)) STORED, c json GENERATED ALWAYS AS (public.same(a)) STORED);
      INSERT INTO public.total VALUES (1), (NULL);
      CREATE OR REPLACE FUNCTION public.next(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 + 2'`,
    expected: ["blocker GENERATED_VALUE_OUTDATED column public.total.b"],
    absent: /total\.c/,
  },
  {
    name: "foreign keys that rows came past, also into partitions and as a whole or not at all; none that is not validated, and no NULL",
    source: `CREATE TABLE public.owner (a int, b text, PRIMARY KEY (a, b)); CREATE TABLE public.days (d date PRIMARY KEY) PARTITION BY RANGE (d);
      CREATE TABLE public.days_1 PARTITION OF public.days DEFAULT; INSERT INTO public.days VALUES ('2026-01-01'); INSERT INTO public.owner VALUES (1, 'x');
      CREATE TABLE public.pet (a int, b text, d date CONSTRAINT on_day REFERENCES public.days, boss int, id int PRIMARY KEY,
        CONSTRAINT has_owner FOREIGN KEY (a, b) REFERENCES public.owner, CONSTRAINT has_boss FOREIGN KEY (boss) REFERENCES public.pet,
        CONSTRAINT whole_owner FOREIGN KEY (a, b) REFERENCES public.owner MATCH FULL);
      CREATE TABLE public.visit (d date CONSTRAINT visit_day REFERENCES public.days) PARTITION BY RANGE (d); CREATE TABLE public.visit_1 PARTITION OF public.visit DEFAULT;
      CREATE TABLE public.late (a int, b text); INSERT INTO public.late VALUES (9, 'z');
      ALTER TABLE public.late ADD CONSTRAINT late_owner FOREIGN KEY (a, b) REFERENCES public.owner NOT VALID;
      INSERT INTO public.pet VALUES (1, 'x', '2026-01-01', 1, 1);
      SET session_replication_role = replica;
      INSERT INTO public.pet VALUES (NULL, 'y', NULL, 7, 2); INSERT INTO public.visit VALUES ('2026-02-02')`,
    expected: [
      "blocker FOREIGN_KEY_NOT_SATISFIED constraint public.pet.has_boss",
      "blocker FOREIGN_KEY_NOT_SATISFIED constraint public.pet.whole_owner",
      "blocker FOREIGN_KEY_NOT_SATISFIED constraint public.visit_1.visit_day",
    ],
    absent: /has_owner|on_day|late_owner/,
  },
  {
    name: "a foreign key whose triggers were left disabled, by the gate's name",
    source:
      "CREATE TABLE public.loose (u int REFERENCES public.users); ALTER TABLE public.loose DISABLE TRIGGER ALL; ALTER TABLE public.loose ENABLE TRIGGER USER",
    expected: ["blocker CATALOGUE_CHANGED constraint public.loose.loose_u_fkey (enforcement)"],
    absent: /patient/,
  },
  {
    name: "what no dump says of the types that come with tables and ranges, by the gate's names",
    source: `COMMENT ON TYPE public.users IS 'SENTINEL'; CREATE TYPE public.span AS RANGE (subtype = int, multirange_type_name = public.spans); COMMENT ON TYPE public.spans IS 'SENTINEL';
      CREATE VIEW public.seen AS SELECT 1 AS one; REVOKE USAGE ON TYPE public.seen FROM PUBLIC; COMMENT ON TYPE public.span IS 'carried'; COMMENT ON VIEW public.seen IS 'carried'`,
    expected: [
      "blocker CATALOGUE_CHANGED range type public.span (multirangeComment)",
      "blocker CATALOGUE_CHANGED table public.users (rowTypeComment)",
      "blocker PRIVILEGES_WIDENED view public.seen (rowTypeAcl)",
    ],
    absent: /SENTINEL|CATALOGUE_CHANGED view/,
  },
  {
    name: "what no dump says of the parts that partitions and children have from their parents, and of an identity that is gone, by the gate's names",
    source: `CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
      CREATE TABLE public.whole (a int CONSTRAINT few CHECK (a > 0), u int CONSTRAINT of_user REFERENCES public.users) PARTITION BY LIST (a);
      CREATE TABLE public.part PARTITION OF public.whole FOR VALUES IN (1); CREATE TRIGGER seen BEFORE INSERT ON public.whole FOR EACH ROW EXECUTE FUNCTION public.see();
      COMMENT ON CONSTRAINT few ON public.part IS 'SENTINEL'; COMMENT ON CONSTRAINT of_user ON public.part IS 'SENTINEL'; COMMENT ON TRIGGER seen ON public.part IS 'SENTINEL';
      COMMENT ON CONSTRAINT of_user ON public.whole IS 'carried'; COMMENT ON TRIGGER seen ON public.whole IS 'carried';
      CREATE TABLE public.old (a int CONSTRAINT low CHECK (a > 0)); CREATE TABLE public.heir (CONSTRAINT own CHECK (a > 1)) INHERITS (public.old);
      COMMENT ON CONSTRAINT low ON public.heir IS 'SENTINEL'; COMMENT ON CONSTRAINT own ON public.heir IS 'carried';
      CREATE TABLE public.known (id int PRIMARY KEY, a int NOT NULL); CREATE UNIQUE INDEX known_a ON public.known (a);
      ALTER TABLE public.known REPLICA IDENTITY USING INDEX known_a; DROP INDEX public.known_a`,
    expected: [
      "blocker CATALOGUE_CHANGED constraint public.heir.low (comment)",
      "blocker CATALOGUE_CHANGED constraint public.part.few (comment)",
      "blocker CATALOGUE_CHANGED constraint public.part.of_user (comment)",
      "blocker CATALOGUE_CHANGED table public.known (replicaIdentity)",
      "blocker CATALOGUE_CHANGED trigger public.part.seen (comment)",
    ],
    absent: /SENTINEL|public\.(?:whole|heir\.own)/,
  },
  {
    name: "constructors that were not renamed with their range type, by the gate's names",
    source:
      "CREATE TYPE public.span AS RANGE (subtype = int); ALTER TYPE public.span RENAME TO width; ALTER TYPE public.span_multirange RENAME TO spans",
    expected: [
      "blocker CATALOGUE_EXTRA function public.spans()",
      "blocker CATALOGUE_EXTRA function public.width(integer, integer)",
      "blocker CATALOGUE_MISSING function public.span(integer, integer)",
      "blocker CATALOGUE_MISSING function public.span_multirange()",
    ],
  },
  {
    name: "constructors that a range type left behind, by the gate's names",
    source:
      "CREATE TYPE public.span AS RANGE (subtype = int); ALTER TYPE public.span SET SCHEMA medical_records",
    expected: [
      "blocker CATALOGUE_EXTRA function medical_records.span(integer, integer)",
      "blocker CATALOGUE_MISSING function public.span(integer, integer)",
    ],
    absent: /CATALOGUE_CHANGED/,
  },
  {
    name: "a filled materialised view over an empty one, also through a view, not an empty one over it",
    source: `CREATE MATERIALIZED VIEW public.first AS SELECT id FROM public.users; CREATE VIEW public.between AS SELECT id FROM public.first;
      CREATE MATERIALIZED VIEW public.second AS SELECT id FROM public.between; CREATE MATERIALIZED VIEW public.third AS SELECT id FROM public.second;
      CREATE MATERIALIZED VIEW public.hollow AS SELECT id FROM public.first WITH NO DATA; REFRESH MATERIALIZED VIEW public.first WITH NO DATA`,
    expected: ["blocker MATERIALIZED_VIEW_UNREADABLE public.second"],
    absent: /public\.(?:third|hollow)/,
  },
  {
    name: "a filled materialised view whose query fails on a row of today, or for its owner's rights; none that could be refreshed",
    source: `CREATE TABLE public.ratio (a int); INSERT INTO public.ratio VALUES (1);
      CREATE MATERIALIZED VIEW public.inverse AS SELECT 1 / a AS part FROM public.ratio; CREATE MATERIALIZED VIEW public.plain AS SELECT a FROM public.ratio;
      CREATE MATERIALIZED VIEW public.theirs AS SELECT a FROM public.ratio; ALTER MATERIALIZED VIEW public.theirs OWNER TO pg_monitor;
      CREATE MATERIALIZED VIEW public.bare AS SELECT 1 / a AS part FROM public.ratio WITH NO DATA; INSERT INTO public.ratio VALUES (0)`,
    expected: [
      "blocker MATERIALIZED_VIEW_UNREADABLE public.inverse",
      "blocker MATERIALIZED_VIEW_UNREADABLE public.theirs",
    ],
    absent: /public\.(?:plain|bare)/,
  },
  {
    name: "a filled materialised view whose rows of today have a unique key twice; none that could be refreshed",
    source: `CREATE TABLE public.visit (a int, "B c" text); INSERT INTO public.visit VALUES (1, 'x');
      CREATE MATERIALIZED VIEW public.twice AS SELECT a, "B c" FROM public.visit; CREATE UNIQUE INDEX ON public.twice ("B c", a);
      CREATE MATERIALIZED VIEW public.lowered AS SELECT "B c" AS d FROM public.visit; CREATE UNIQUE INDEX ON public.lowered (lower(d)) WHERE d <> 'q';
      CREATE MATERIALIZED VIEW public.nothing_once AS SELECT nullif(a, 7) AS a FROM public.visit WHERE a = 7; CREATE UNIQUE INDEX ON public.nothing_once (a) NULLS NOT DISTINCT;
      CREATE MATERIALIZED VIEW public.nothing_often AS SELECT nullif(a, 7) AS a FROM public.visit WHERE a = 7; CREATE UNIQUE INDEX ON public.nothing_often (a);
      CREATE MATERIALIZED VIEW public.partly AS SELECT a, "B c" FROM public.visit; CREATE UNIQUE INDEX ON public.partly (a) WHERE "B c" = 'y';
      CREATE MATERIALIZED VIEW public.once AS SELECT DISTINCT a FROM public.visit; CREATE UNIQUE INDEX ON public.once (a) INCLUDE (a);
      CREATE MATERIALIZED VIEW public.any AS SELECT a FROM public.visit; CREATE INDEX ON public.any (a);
      INSERT INTO public.visit VALUES (1, 'x'), (7, 'X'), (7, 'z')`,
    expected: [
      "blocker MATERIALIZED_VIEW_UNREADABLE public.lowered",
      "blocker MATERIALIZED_VIEW_UNREADABLE public.nothing_once",
      "blocker MATERIALIZED_VIEW_UNREADABLE public.twice",
    ],
    absent: /public\.(?:nothing_often|partly|once|any)\b/,
  },
  {
    name: "a domain with such a check below another one, in an array and in a composite type; none that is right",
    source: `CREATE FUNCTION public.fits(int) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT $1 > 0'; CREATE DOMAIN public.amount AS int CHECK (public.fits(VALUE));
      CREATE DOMAIN public.price AS public.amount; CREATE TYPE public.line AS (price public.price);
      CREATE TABLE public.receipt (a public.price, b public.amount[], c public.line, d public.price); INSERT INTO public.receipt VALUES (1, '{1}', '(1)', 9);
      CREATE OR REPLACE FUNCTION public.fits(int) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT $1 > 5'`,
    expected: [
      "blocker CHECK_NOT_SATISFIED column public.receipt.a",
      "blocker CHECK_NOT_SATISFIED column public.receipt.b",
      "blocker CHECK_NOT_SATISFIED column public.receipt.c",
    ],
    absent: /receipt\.d/,
  },
  {
    name: "a table divided by the hash of an enum, also within an array, not one by its values",
    source: `CREATE TYPE public.kind AS ENUM ('a', 'b'); CREATE DOMAIN public.kinds AS public.kind[];
      CREATE TABLE public.hashed (k public.kind) PARTITION BY HASH (k); CREATE TABLE public.hashed_too (id int, k public.kinds) PARTITION BY HASH (id, k);
      CREATE TABLE public.listed (k public.kind) PARTITION BY LIST (k); CREATE TABLE public.by_id (id int, k public.kind) PARTITION BY HASH (id)`,
    expected: [
      "blocker PARTITION_BY_ENUM_HASH public.hashed",
      "blocker PARTITION_BY_ENUM_HASH public.hashed_too",
    ],
    absent: /listed|by_id/,
  },
  {
    name: "a partition with an identity of its own",
    source: `CREATE TABLE public.whole (id int NOT NULL, k int) PARTITION BY LIST (k); CREATE TABLE public.part (id int GENERATED ALWAYS AS IDENTITY, k int);
      ALTER TABLE public.whole ATTACH PARTITION public.part FOR VALUES IN (1)`,
    expected: ["blocker PARTITION_IDENTITY public.part"],
    targetFrom: 17,
    sourceTo: 16,
  },
  {
    name: "a child whose parent got a column later, not one that was made as it is",
    source: `CREATE TABLE public.parent (a int); CREATE TABLE public.child (b int) INHERITS (public.parent); ALTER TABLE public.parent ADD COLUMN c int;
      CREATE TABLE public.orderly (d int) INHERITS (public.parent)`,
    expected: ["blocker COLUMN_ORDER_CHANGES public.child"],
    absent: /orderly/,
  },
  {
    name: "values that count on the source's server, in columns that hold any",
    source: `CREATE DOMAIN public.position AS pg_lsn; CREATE TABLE public.outbox (id bigint, at xid8 DEFAULT pg_current_xact_id(), o oid, l public.position[], r regclass);
      INSERT INTO public.outbox (id, l, r) VALUES (1, '{0/0}', 'public.users')`,
    expected: ["blocker SERVER_BOUND_VALUES public.outbox.at", "blocker SERVER_BOUND_VALUES public.outbox.l"],
    absent: /outbox\.[or]\b/,
  },
  {
    name: "values that name what stays behind, not what moves or is always there",
    source: `CREATE SCHEMA ledger; CREATE TABLE ledger.entry (); CREATE TABLE public.named (r regclass, t regtype, n regnamespace);
      INSERT INTO public.named VALUES ('ledger.entry', 'public.users', 'ledger'), ('public.users', 'int', 'public'), ('pg_class', NULL, NULL), (999999, NULL, NULL);
      CREATE TYPE ledger.kind AS ENUM ('a'); CREATE VIEW ledger.open AS SELECT 1 AS one; CREATE DOMAIN public.kind_name AS regtype; CREATE TABLE public.listed (k public.kind_name, r regclass[]);
      INSERT INTO public.listed VALUES ('ledger.kind', '{public.users,ledger.open}'), ('int', NULL)`,
    expected: [
      "blocker NEEDS_OUTSIDE_OBJECT type ledger.kind",
      "blocker NEEDS_OUTSIDE_OBJECT view ledger.open",
      "blocker NEEDS_OUTSIDE_OBJECT schema ledger",
      "blocker NEEDS_OUTSIDE_OBJECT table ledger.entry",
    ],
    absent: /OUTSIDE_OBJECT.*(?:users|pg_class|public$)/,
  },
  {
    name: "a function with a setting that the target's server does not know, not with one of its own or of a role",
    source: `CREATE FUNCTION public.parallel() RETURNS int LANGUAGE sql SET force_parallel_mode = off AS 'SELECT 1';
      CREATE FUNCTION public.usual() RETURNS int LANGUAGE sql SET work_mem = '4MB' SET clinic.tenant = 'x' SET role = postgres AS 'SELECT 1'`,
    expected: ["blocker NOT_ON_TARGET_SERVER setting force_parallel_mode"],
    absent: /NOT_ON_TARGET_SERVER setting (?!force)/,
    targetFrom: 16,
    sourceTo: 15,
  },
  {
    name: "a function that was added to an extension here only, not those that it brings itself",
    source: `CREATE FUNCTION public.added() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER EXTENSION plpgsql ADD FUNCTION public.added();
      CREATE VIEW public.added_view AS SELECT public.added(); ALTER EXTENSION plpgsql ADD VIEW public.added_view; CREATE TABLE public.with_default (a int DEFAULT public.added()); CREATE FUNCTION public.usual() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'`,
    expected: ["blocker NOT_ON_TARGET_SERVER function public.added()"],
    absent: /NOT_ON_TARGET_SERVER (?!function public\.added)/,
  },
  {
    name: "functions of PostgreSQL's own that the target no longer has, whatever calls them",
    source: `CREATE VIEW public.written AS SELECT pg_stat_get_buf_written_backend() AS n, now() AS at;
      CREATE TABLE public.sample (n bigint DEFAULT pg_stat_get_buf_fsync_backend());
      CREATE FUNCTION public.told() RETURNS bigint LANGUAGE sql AS 'SELECT pg_stat_get_buf_fsync_backend()'`,
    expected: [
      "blocker BODY_NAMES_OUTSIDE function public.told()",
      "blocker NOT_ON_TARGET_SERVER function pg_catalog.pg_stat_get_buf_fsync_backend",
      "blocker NOT_ON_TARGET_SERVER function pg_catalog.pg_stat_get_buf_written_backend",
    ],
    absent: /pg_catalog\.now/,
    targetFrom: 17,
    sourceTo: 16,
  },
  {
    name: "a view of the server's own numbers that the target counts elsewhere, not of those that it still has there",
    source: `CREATE VIEW public.counted AS SELECT checkpoints_timed FROM pg_stat_bgwriter; CREATE VIEW public.kept AS SELECT buffers_clean FROM pg_stat_bgwriter;
      CREATE TABLE public.sorted (a text COLLATE "ucs_basic", b text COLLATE "C")`,
    expected: ["blocker NOT_ON_TARGET_SERVER column pg_catalog.pg_stat_bgwriter.checkpoints_timed"],
    absent: /buffers_clean|collation/,
    targetFrom: 17,
    sourceTo: 16,
  },
];

test.for(cases)("$name", async ({ source, expected, absent, targetFrom = 0, sourceTo = 99 }, { skip }) => {
  if (servers.target.majorVersion < targetFrom || servers.source.majorVersion > sourceTo) {
    return skip("not between servers of these versions");
  }
  const { connections } = await fixture.createWorld(onTestFinished);
  await runSql(connections.source, source);
  const lines = summarise(await preflight(connections));
  for (const line of expected) expect(lines).toContain(line);
  expect(lines.join("\n")).not.toContain("CHECK_FAILED");
  if (absent !== undefined) expect(lines.join("\n")).not.toMatch(absent);
});

test("time zones that the target does not know, by what names them", async () => {
  const { connections } = await fixture.createWorld(onTestFinished);
  await runSql(
    connections.source,
    `CREATE VIEW public.local AS SELECT now() AT TIME ZONE 'America/Bogota' AS at; CREATE VIEW public.plain AS SELECT 'UTC' AS word, 'a/b' AS path;
     CREATE TABLE public.seen (at timestamptz DEFAULT timezone('Asia/Tokyo', clock_timestamp()), word text DEFAULT 'UTC', day date CHECK (day < (now() AT TIME ZONE 'UTC')::date));
     CREATE FUNCTION public.noon() RETURNS text LANGUAGE sql SET timezone = 'Europe/Madrid' AS 'SELECT 1'`,
  );
  const knows = (...known: string[]) =>
    ({ query: async () => [{ rows: [{ answer: JSON.stringify(known) }] }] }) as unknown as ClientBase;
  const settings = [{ scope: "database", name: "TimeZone", value: "Europe/Lisbon" }];
  await withConnection(connections.source, { purpose: "test" }, async (client) => {
    const named = await readNamedZones(client, ["public"]);
    expect(named).toEqual([
      { zone: "America/Bogota", usedBy: ["view public.local"] },
      { zone: "Asia/Tokyo", usedBy: ["column public.seen.at"] },
      { zone: "Europe/Madrid", usedBy: ["function public.noon"] },
      { zone: "UTC", usedBy: ["constraint seen_day_check"] },
      { zone: "a/b", usedBy: ["view public.plain"] },
    ]);
    const lines = async (source: ClientBase, target: ClientBase) =>
      (await checkTimeZones(source, target, named, settings)).map(
        ({ severity, code, object }) => `${severity} ${code} ${object}`,
      );
    expect((await lines(client, knows("Asia/Tokyo"))).filter((line) => !line.endsWith(" target"))).toEqual([
      "blocker TIME_ZONE_MISSING America/Bogota",
      "blocker TIME_ZONE_MISSING Europe/Madrid",
      "blocker TIME_ZONE_MISSING UTC",
      "blocker TIME_ZONE_MISSING Europe/Lisbon",
    ]);
    expect(await lines(client, client)).toEqual([]);
    expect(await lines(knows("GB", "UTC"), knows("UTC"))).toEqual(["warning TIME_ZONES_FEWER target"]);
  });
});

test("what definitions use of a server's files and locales, by the names that are compared", async () => {
  const { connections } = await fixture.createWorld(onTestFinished);
  await runSql(
    connections.source,
    `CREATE TEXT SEARCH DICTIONARY public.words (TEMPLATE = simple, StopWords = spanish); CREATE COLLATION public.plain (provider = libc, locale = 'C');
     CREATE FUNCTION public.in_c() RETURNS trigger LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler'`,
  );
  const { provided, used } = await withConnection(connections.source, { purpose: "test" }, (client) =>
    readServerObjects(client, ["public"]),
  );
  const named = ["file spanish.stop", "library plpgsql", "locale c"];
  expect(used.map(({ object }) => object)).toEqual(expect.arrayContaining(named));
  expect(provided).toEqual(expect.arrayContaining(named));
  const others = provided.filter((object) => !named.includes(object));
  expect(compareServerObjects({ provided, used }, { provided: others }).map(({ object }) => object)).toEqual(
    expect.arrayContaining(named),
  );
  expect(compareServerObjects({ provided, used }, { provided })).toEqual([]);
});

test("what the application has is no finding", async () => {
  const { connections } = await fixture.createWorld(onTestFinished);
  const codes = (await preflight(connections)).findings.map(({ code }) => code);
  for (const { expected } of cases) {
    for (const line of expected) expect(codes).not.toContain(line.split(" ")[1]);
  }
});

test("the order of inherited columns is told from parent to child", () => {
  const families = [
    { name: "a", parents: [], columns: ["x", "y", "later"] },
    { name: "b", parents: [], columns: ["x", "z"] },
    { name: "c", parents: ["a", "b"], columns: ["x", "y", "z", "own", "later"] },
    { name: "d", parents: ["c"], columns: ["x", "y", "later", "z", "own"] },
  ];
  expect(reorderedTables(families)).toEqual([{ name: "c", order: ["x", "y", "later", "z", "own"] }]);
});

test("what no server lists, and what both have, is not missed on the target", () => {
  const source = {
    provided: ["collation es_ES", "compression lz4", "setting work_mem"],
    used: ["collation es_ES", "compression lz4", "setting role", "setting work_mem"].map((object) => ({
      object,
      extension: null,
      usedBy: ["public.users"],
    })),
  };
  const findings = compareServerObjects(source, { provided: ["setting work_mem", "setting role"] });
  expect(findings.map(({ object }) => object)).toEqual(["collation es_ES", "compression lz4"]);
});
