import { existsSync, watch } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { runGate } from "../../../components/migration/gate/gate.ts";
import type { GateReport } from "../../../components/migration/gate/report.ts";
import type { ConnectionTarget } from "../../../components/postgres/connection.ts";
import { withConnection } from "../../../components/postgres/connection.ts";
import { fingerprintProtected } from "../../../components/postgres/fingerprint/fingerprint.ts";
import type { LoadOptions } from "../../../components/postgres/load/load.ts";
import { richDdl, richSchemas, rolesDdl } from "../../postgres/catalogue/catalogue-ddl.ts";
import { rareDdl, rareSchemas } from "../../postgres/catalogue/catalogue-rare-ddl.ts";
import { ask, copyAll } from "../../postgres/load/fixture.ts";
import { createDatabase, type TestDatabase } from "../../world/postgres/databases.ts";
import { sharedServers } from "../../world/postgres/shared.ts";
import { protectedDdl, protectedSchemas, shown } from "../gate/world.ts";
import { caseDdl, caseSchemas, contrib, contribDdl, namesDdl, valuesDdl, vectorDdl } from "./copied-ddl.ts";

const servers = sharedServers();
const databases: TestDatabase[] = [];

afterAll(async () => {
  await Promise.all(databases.map((database) => database.drop()));
});

async function newDatabase(server: (typeof servers)["source"], ...ddl: string[]): Promise<ConnectionTarget> {
  const database = await createDatabase(server);
  databases.push(database);
  for (const statements of ddl) await ask(database.connection, statements);
  return database.connection;
}

/** Copies as one cutover would, and gates the copy. */
async function copied(
  source: ConnectionTarget,
  target: ConnectionTarget,
  schemas: readonly string[],
  options: Partial<LoadOptions> = {},
): Promise<GateReport> {
  const protectedBefore = await withConnection(target, { purpose: "test" }, (client) =>
    fingerprintProtected(client, protectedSchemas),
  );
  const { sequences } = await copyAll(source, target, { schemas, ...options });
  return runGate({
    ...{ source, target, schemas, protectedSchemas, protectedBefore },
    ...{ expectedSequences: sequences, accept: [], workers: 2 },
  });
}

/** What PostgreSQL's own processes share. */
const isServers = (name: string) => /^(?:PostgreSQL\.|sem\.)/.test(name);

const bind = (settings: string) =>
  `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I ${settings.replaceAll("'", "''")}', current_database()); END $$`;

/** Where the test has set what the preflight would have refused. */
const shownBesideSettings = (report: GateReport) =>
  shown(report).filter((line) => !line.includes("SETTING_"));

/** Makes small tables go the ways of the large ones. */
const waysOfLargeTables: Array<[string, Partial<LoadOptions>]> = [
  ["one statement a table", {}],
  [
    "tables in pieces, indexes side by side",
    { thresholds: { piece: 1, sideBySide: 0, frozen: 0, checkedApart: 0 } },
  ],
  [
    "frozen rows, indexes side by side",
    { thresholds: { piece: Infinity, sideBySide: 0, frozen: 0, checkedApart: 0 } },
  ],
];

it.each(waysOfLargeTables)(
  "brings over all that schemas hold, but what belongs to the database: %s",
  async (_way, options) => {
    const source = await newDatabase(servers.source, richDdl);
    const target = await newDatabase(servers.target, rolesDdl, protectedDdl);
    expect(shown(await copied(source, target, richSchemas, options))).toEqual([
      "CATALOGUE_MISSING cast (public.mood AS integer)",
      "CATALOGUE_CHANGED large objects count",
      "CATALOGUE_CHANGED large objects privileges",
    ]);
  },
);

it.each(waysOfLargeTables)(
  "brings over what schemas seldom hold, where the target has what that needs: %s",
  async (_way, options) => {
    const source = await newDatabase(
      servers.source,
      rareDdl,
      "DROP FUNCTION rare.transformed; DROP TRANSFORM FOR rare.shape LANGUAGE sql; DROP CAST (rare.shape AS text)",
    );
    const target = await newDatabase(
      servers.target,
      rolesDdl,
      protectedDdl,
      `CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER elsewhere FOREIGN DATA WRAPPER nowhere;
       CREATE USER MAPPING FOR postgres SERVER elsewhere OPTIONS (password 'SENTINEL')`,
    );
    expect(shown(await copied(source, target, rareSchemas, options))).toEqual([]);
  },
);

describe("an application with its habits", () => {
  it("is copied right, whatever settings stand on either database", async () => {
    const source = await newDatabase(
      servers.source,
      caseDdl,
      valuesDdl,
      bind("SET quote_all_identifiers = on"),
      bind("SET search_path = 'clinic, public'"),
      bind("SET extra_float_digits = -5"),
      bind("SET default_transaction_read_only = on"),
    );
    const target = await newDatabase(
      servers.target,
      protectedDdl,
      `SET check_function_bodies = off;
       CREATE FUNCTION llm_assistant.context() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM clinic.visit'`,
      bind("SET statement_timeout = '1ms'"),
      bind("SET lock_timeout = '1ms'"),
      bind("SET array_nulls = off"),
      bind("SET default_toast_compression = 'pglz'"),
      bind("SET session_replication_role = 'replica'"),
      bind("SET DateStyle = 'German'"),
      bind("SET IntervalStyle = 'iso_8601'"),
      bind("SET row_security = on"),
      bind("SET TimeZone = 'Europe/Madrid'"),
      bind("SET bytea_output = 'escape'"),
    );
    expect(shownBesideSettings(await copied(source, target, caseSchemas))).toEqual([]);

    // Triggers do not fire for copied rows, though they are enabled.
    expect(await ask(target, "SELECT count(*)::int AS n FROM clinic.log")).toEqual(
      await ask(source, "SELECT count(*)::int AS n FROM clinic.log"),
    );
    // Each side's functions find the other's tables.
    expect(
      await ask(target, "SELECT llm_assistant.context()::int AS visits, clinic.chunks()::int AS chunks"),
    ).toEqual([{ visits: 50, chunks: 20 }]);
    // Never re-issued, never skipped.
    const next =
      "SELECT nextval('clinic.ahead') AS ahead, nextval('clinic.fresh') AS fresh, nextval('clinic.shared') AS shared, nextval('clinic.down') AS down";
    expect(await ask(target, next)).toEqual([{ ahead: "501", fresh: "1", shared: "41", down: "-3" }]);
    await expect(ask(target, "SELECT nextval('clinic.spent')")).rejects.toMatchObject({ code: "2200H" });
    await expect(
      ask(target, "INSERT INTO clinic.booking VALUES (1, '[2025-01-01 10:00, 2025-01-01 11:00)')"),
    ).rejects.toMatchObject({ code: "23P01" });
    await ask(target, "CALL clinic.settle()");
  });

  it("has indexes that its tables' owners may build, whatever they have to be granted for it", async () => {
    const source = await newDatabase(
      servers.source,
      `${rolesDdl} CREATE SCHEMA tools; GRANT USAGE ON SCHEMA tools TO clinic_owner;
       CREATE FUNCTION tools.fold(t text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT lower(t)';
       CREATE FUNCTION tools.norm(t text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN tools.fold(t); END';
       REVOKE EXECUTE ON FUNCTION tools.norm(text) FROM PUBLIC; GRANT EXECUTE ON FUNCTION tools.norm(text) TO clinic_owner;
       CREATE TABLE public.person (name text); ALTER TABLE public.person OWNER TO clinic_owner;
       CREATE INDEX person_name ON public.person (tools.norm(name)); INSERT INTO public.person VALUES ('A')`,
    );
    const target = await newDatabase(servers.target, protectedDdl);
    expect(shown(await copied(source, target, ["public", "tools"]))).toEqual([]);
  });

  it("is told of its functions that mean nothing on the target, and not of those that never did", async () => {
    const source = await newDatabase(
      servers.source,
      `SET search_path = public; CREATE SCHEMA theirs; CREATE FUNCTION theirs.helper(int) RETURNS int LANGUAGE sql AS 'SELECT $1';
       CREATE TABLE public.patient (id int);
       CREATE FUNCTION public.right(int) RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM patient WHERE id = $1';
       CREATE FUNCTION public.lost(int) RETURNS int LANGUAGE sql AS 'SELECT theirs.helper($1)';
       SET check_function_bodies = off;
       CREATE FUNCTION public.found() RETURNS text LANGUAGE sql AS 'SELECT llm_assistant.find(1)';
       CREATE FUNCTION public.mistyped() RETURNS text LANGUAGE sql AS 'SELECT llm_assistant.find(''SENTINEL''::text)';
       CREATE PROCEDURE public.miscounted(int, text) LANGUAGE sql AS 'SELECT llm_assistant.find(1, 2)';
       CREATE FUNCTION public.dead() RETURNS int LANGUAGE sql AS 'SELECT gone()'`,
    );
    const target = await newDatabase(
      servers.target,
      protectedDdl,
      "CREATE FUNCTION llm_assistant.find(int) RETURNS text LANGUAGE sql AS 'SELECT body FROM llm_assistant.chunk WHERE id = $1'",
    );
    const report = await copied(source, target, ["public"]);
    expect(shown(report)).toEqual([
      "BODY_NAMES_OUTSIDE function public.lost(integer)",
      "BODY_NAMES_OUTSIDE function public.mistyped()",
      "BODY_NAMES_OUTSIDE procedure public.miscounted(integer, text)",
    ]);
    expect(JSON.stringify(report)).not.toContain("SENTINEL");
  });

  it("is copied right, whatever its tables and columns are called, and however many there are", async () => {
    const source = await newDatabase(servers.source, namesDdl);
    const target = await newDatabase(servers.target, protectedDdl);
    expect(shown(await copied(source, target, ["Odd; names"]))).toEqual([]);
    const stem = `SELECT words::text FROM "Odd; names".notes WHERE words @@ to_tsquery('spanish', 'paciente')`;
    expect(await ask(target, stem)).toEqual([{ words: expect.stringContaining("pacient") }]);
  });

  it("keeps the values of the extensions that it uses", async ({ skip }) => {
    const available = `SELECT count(*)::int AS n FROM pg_available_extensions WHERE name IN ('${contrib.join("', '")}')`;
    for (const server of [servers.source, servers.target]) {
      const [found] = await ask(server.connection(), available);
      if (found?.n < contrib.length) return skip("no contrib modules here");
    }
    const extensions = contrib.map((name) => `CREATE EXTENSION ${name} SCHEMA public;`).join(" ");
    const source = await newDatabase(servers.source, extensions, `SET search_path = public; ${contribDdl}`);
    const target = await newDatabase(servers.target, extensions, protectedDdl);
    expect(shown(await copied(source, target, ["public"]))).toEqual([]);
    await expect(
      ask(target, "INSERT INTO public.booked SELECT room, during FROM public.booked"),
    ).rejects.toMatchObject({ code: "23P01" });
  });

  it("keeps bytes that are valid in no encoding, where both databases have none", async () => {
    const databasesWithoutEncoding = await Promise.all(
      [servers.source, servers.target].map(async (server) => {
        const connection = await newDatabase(server);
        const admin = server.connection("postgres");
        await ask(admin, `DROP DATABASE "${connection.database}"`);
        await ask(
          admin,
          `CREATE DATABASE "${connection.database}" TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'`,
        );
        return connection;
      }),
    );
    const [source, target] = databasesWithoutEncoding as [ConnectionTarget, ConnectionTarget];
    await ask(
      source,
      `CREATE TYPE public.kind AS ENUM ('a'); CREATE TABLE public.binary_rows (body text); CREATE TABLE public.text_rows (kinds public.kind[], body text);
       COMMENT ON TABLE public.text_rows IS 'größe';
       INSERT INTO public.binary_rows VALUES (E'\\xe9\\xff'), ('ä'); INSERT INTO public.text_rows VALUES ('{a}', E'\\xe9\\t\\xff')`,
    );
    await ask(target, protectedDdl);
    expect(shown(await copied(source, target, ["public"]))).toEqual([]);
    const bytes = "SELECT encode(body::bytea, 'hex') AS body FROM public.binary_rows ORDER BY 1";
    expect(await ask(target, bytes)).toEqual([{ body: "c3a4" }, { body: "e9ff" }]);
  });

  it("lies on the target where everything lies there, whatever tablespaces the source has", async () => {
    const source = await newDatabase(
      servers.source,
      "CREATE TABLE public.kept (id int, note text); INSERT INTO public.kept VALUES (1, 'x'); CREATE INDEX kept_id ON public.kept (id)",
    );
    const target = await newDatabase(servers.target, protectedDdl);
    const server = servers.source.connection("postgres");
    await withConnection(server, { purpose: "test" }, async (client) => {
      await client.query("SET allow_in_place_tablespaces = on");
      await client.query("CREATE TABLESPACE fast LOCATION ''");
    });
    try {
      await ask(
        source,
        "ALTER TABLE public.kept SET TABLESPACE fast; ALTER INDEX public.kept_id SET TABLESPACE fast",
      );
      expect(shown(await copied(source, target, ["public"]))).toEqual([]);
    } finally {
      await ask(
        source,
        "ALTER TABLE public.kept SET TABLESPACE pg_default; ALTER INDEX public.kept_id SET TABLESPACE pg_default",
      );
      await ask(server, "DROP TABLESPACE fast");
    }
  });

  it("builds indexes, generated columns and materialised views under the settings of the applications", async () => {
    const settings = [
      ...["TimeZone = 'Europe/Madrid'", "DateStyle = 'German'", "IntervalStyle = 'sql_standard'"],
      "lc_monetary = 'POSIX'",
    ];
    const source = await newDatabase(
      servers.source,
      `${settings.map((setting) => `SET ${setting};`).join(" ")}
       CREATE FUNCTION public.day(timestamptz) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1::date::text';
       CREATE TYPE public.kind AS ENUM ('a');
       CREATE TABLE public.t (at timestamptz, long interval, day text GENERATED ALWAYS AS (public.day(at)) STORED, kinds public.kind[]);
       INSERT INTO public.t VALUES ('2025-06-01 22:30+00', '-1 day -2:03:04');
       CREATE INDEX t_day ON public.t (public.day(at));
       CREATE MATERIALIZED VIEW public.days AS SELECT at::date::text AS day, long::text AS long, count(*) AS n FROM public.t GROUP BY 1, 2;
       CREATE MATERIALIZED VIEW public.prices AS SELECT current_setting('lc_monetary') AS written_by`,
    );
    const target = await newDatabase(
      servers.target,
      protectedDdl,
      ...settings.map((setting) => bind(`SET ${setting}`)),
    );
    expect(shownBesideSettings(await copied(source, target, ["public"]))).toEqual([]);
    const built = "SELECT days.day, days.long, t.day AS kept FROM public.days, public.t";
    expect(await ask(target, built)).toEqual([{ day: "02.06.2025", long: "-1 2:03:04", kept: "02.06.2025" }]);
    expect(await ask(target, "TABLE public.prices")).toEqual([{ written_by: "POSIX" }]);
    const found = "SELECT count(*)::int AS n FROM public.t WHERE public.day(at) = '02.06.2025'";
    await withConnection(target, { purpose: "test", settings: { enable_seqscan: "off" } }, async (client) => {
      expect((await client.query(found)).rows).toEqual([{ n: 1 }]);
    });
  });

  it("populates a materialised view with the rows that a policy shows its owner", async () => {
    const source = await newDatabase(
      servers.source,
      `CREATE TABLE public.t AS SELECT g AS id FROM generate_series(1, 4) g; GRANT SELECT ON public.t TO pg_monitor;
       CREATE POLICY even ON public.t TO pg_monitor USING (id % 2 = 0); ALTER TABLE public.t ENABLE ROW LEVEL SECURITY;
       CREATE MATERIALIZED VIEW public.seen AS SELECT id FROM public.t; ALTER MATERIALIZED VIEW public.seen OWNER TO pg_monitor;
       SET row_security = on; REFRESH MATERIALIZED VIEW public.seen`,
    );
    const target = await newDatabase(servers.target, protectedDdl);
    expect(shown(await copied(source, target, ["public"]))).toEqual([]);
    for (const database of [source, target]) {
      expect(await ask(database, "SELECT id FROM public.seen ORDER BY id")).toEqual([{ id: 2 }, { id: 4 }]);
    }
  });

  it.skipIf(servers.target.majorVersion < 17)("outlives time limits of a newer server", async () => {
    const source = await newDatabase(
      servers.source,
      `CREATE TABLE public.t AS SELECT g AS id, repeat('x', 500) AS body FROM generate_series(1, 500) g;
       CREATE FUNCTION public.slow(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM pg_catalog.pg_sleep(0.0001); RETURN $1; END';
       CREATE INDEX ON public.t (public.slow(id)); CREATE VIEW public.v AS SELECT id FROM public.t;
       CREATE MATERIALIZED VIEW public.m AS SELECT count(*) AS n FROM public.v`,
    );
    const target = await newDatabase(
      servers.target,
      protectedDdl,
      bind("SET transaction_timeout = '500ms'"),
      bind("SET idle_session_timeout = '500ms'"),
      bind("SET restrict_nonsystem_relation_kind = 'view'"),
    );
    expect(shownBesideSettings(await copied(source, target, ["public"]))).toEqual([]);
  });

  it("passes through memory only: nothing is written to this machine's temporary folders", async () => {
    const source = await newDatabase(servers.source, caseDdl);
    const target = await newDatabase(servers.target, protectedDdl);
    const folder = await mkdtemp(join(tmpdir(), "watched-"));
    vi.stubEnv("TMPDIR", folder);
    const seen: string[] = [];
    const watchers = [folder, process.cwd(), "/dev/shm"].filter(existsSync).map((path) =>
      watch(path, (_event, name) => {
        if (name !== null && !isServers(name)) seen.push(join(path, name));
      }),
    );
    try {
      expect(shown(await copied(source, target, caseSchemas))).toEqual([]);
      expect(await readdir(folder)).toEqual([]);
      expect(seen).toEqual([]);
    } finally {
      for (const watcher of watchers) watcher.close();
      vi.unstubAllEnvs();
      await rm(folder, { recursive: true });
    }
  });

  it.skipIf(!servers.target.hasPgvector)("keeps vectors to the bit, and their indexes", async () => {
    const source = await newDatabase(servers.target, "CREATE EXTENSION vector", vectorDdl);
    const target = await newDatabase(servers.target, "CREATE EXTENSION vector", protectedDdl);
    expect(shown(await copied(source, target, ["public"]))).toEqual([]);
    expect(await ask(target, "SELECT indexdef FROM pg_indexes WHERE indexname = 'near'")).toEqual([
      { indexdef: expect.stringMatching(/hnsw .*m='?8'?, ef_construction='?40'?/) },
    ]);
  });
});
