import { afterAll, beforeAll, expect, test } from "vitest";
import { describeError } from "../../components/errors.ts";
import { ensureJournal } from "../../components/migration/journal/journal.ts";
import { findArchiveClient } from "../../components/postgres/archive/client.ts";
import { dumpArchive } from "../../components/postgres/archive/dump-archive.ts";
import { restoreArchive } from "../../components/postgres/archive/restore-archive.ts";
import { type ConnectionTarget, withConnection } from "../../components/postgres/connection.ts";
import { closeTargetFence } from "../../components/postgres/fence/fence.ts";
import { quoteIdentifier } from "../../components/postgres/identifiers.ts";
import { preflight } from "../migration/preflight/world.ts";
import { createDatabase } from "../world/postgres/databases.ts";
import { type PostgresServer, startServer } from "../world/postgres/server.ts";
import { ask, copyAll } from "./load/fixture.ts";

const logs = { source: [] as string[], target: [] as string[] };
let source: PostgresServer;
let target: PostgresServer;

beforeAll(async () => {
  [source, target] = await Promise.all([
    startServer({ role: "source", log: (line) => logs.source.push(line) }),
    startServer({
      role: "target",
      log: (line) => logs.target.push(line),
      settings: { log_statement: "ddl" },
    }),
  ]);
});

afterAll(async () => {
  await Promise.all([source?.dispose(), target?.dispose()]);
});

/** Each breaks on the target, where the server quotes the row in what it says about it. */
const failures = [
  {
    name: "a unique index that the rows break there",
    code: "23505",
    ddl: `CREATE TABLE public.note (body text);
      CREATE FUNCTION public.key(t text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS
        $$ BEGIN RETURN CASE WHEN current_database() ~ '^here' THEN t ELSE left(t, 11) END; END $$;
      CREATE UNIQUE INDEX note_key ON public.note (public.key(body));
      INSERT INTO public.note VALUES ('SENTINELMRN1'), ('SENTINELMRN2')`,
  },
  {
    name: "a foreign key that the rows break",
    code: "23503",
    ddl: `CREATE TABLE public.a (id text PRIMARY KEY); CREATE TABLE public.note (a text REFERENCES public.a);
      SET session_replication_role = replica; INSERT INTO public.note VALUES ('SENTINELMRN')`,
  },
  {
    name: "a check that a row breaks there",
    code: "23514",
    ddl: `CREATE FUNCTION public.fine(t text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS
        $$ BEGIN RETURN current_database() ~ '^here'; END $$;
      CREATE TABLE public.note (body text CHECK (public.fine(body))); INSERT INTO public.note VALUES ('SENTINELMRN')`,
  },
  {
    name: "a missing value",
    code: "23502",
    ddl: `CREATE TABLE public.note (id int, body text); INSERT INTO public.note VALUES (NULL, 'SENTINELMRN');
      UPDATE pg_attribute SET attnotnull = true WHERE attrelid = 'public.note'::regclass AND attname = 'id'`,
  },
  {
    name: "an exclusion that the rows break there",
    code: "23P01",
    ddl: `CREATE FUNCTION public.key(t text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS
        $$ BEGIN RETURN CASE WHEN current_database() ~ '^here' THEN t ELSE left(t, 11) END; END $$;
      CREATE TABLE public.note (body text, EXCLUDE USING btree (public.key(body) WITH =));
      INSERT INTO public.note VALUES ('SENTINELMRN1'), ('SENTINELMRN2')`,
  },
  {
    name: "a domain that a value breaks there",
    code: "23514",
    ddl: `CREATE FUNCTION public.fine(t text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS
        $$ BEGIN RETURN current_database() ~ '^here'; END $$;
      CREATE DOMAIN public.fine_text AS text CHECK (public.fine(VALUE));
      CREATE TABLE public.note (body public.fine_text); INSERT INTO public.note VALUES ('SENTINELMRN')`,
  },
  {
    name: "a value of the text format that is not read there",
    code: "23514",
    ddl: `CREATE FUNCTION public.fine(t text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS
        $$ BEGIN RETURN current_database() ~ '^here'; END $$;
      CREATE DOMAIN public.fine_text AS text CHECK (public.fine(VALUE)); CREATE TYPE public.pair AS (a int, b public.fine_text);
      CREATE TABLE public.note (body public.pair); INSERT INTO public.note VALUES (ROW(1, 'SENTINELMRN')::public.pair)`,
  },
  {
    name: "a generated column that cannot be computed there",
    code: "P0001",
    ddl: `CREATE FUNCTION public.odd(t text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS
        $$ BEGIN IF current_database() !~ '^here' THEN RAISE 'no % here', t USING DETAIL = t, HINT = t; END IF; RETURN t; END $$;
      CREATE TABLE public.note (body text, made text GENERATED ALWAYS AS (public.odd(body)) STORED);
      INSERT INTO public.note VALUES ('SENTINELMRN')`,
  },
  {
    name: "a materialised view that cannot be filled there",
    code: "22P02",
    ddl: `CREATE FUNCTION public.number(t text) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
        $$ BEGIN RETURN CASE WHEN current_database() ~ '^here' THEN 1 ELSE t::int END; END $$;
      CREATE TABLE public.note (body text); INSERT INTO public.note VALUES ('SENTINELMRN');
      CREATE MATERIALIZED VIEW public.counted AS SELECT public.number(body) FROM public.note`,
  },
  {
    name: "a function that quotes the row itself",
    code: "P0001",
    ddl: `CREATE FUNCTION public.odd(t text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS
        $$ BEGIN IF current_database() !~ '^here' THEN RAISE 'no % here', t; END IF; RETURN t; END $$;
      CREATE TABLE public.note (body text); CREATE INDEX note_odd ON public.note (public.odd(body));
      INSERT INTO public.note VALUES ('SENTINELMRN')`,
  },
] as const;

test.for(failures)("$name: no row in any log or message", async ({ code, ddl }) => {
  const [from, to] = await Promise.all([databaseNamedHere(), createDatabase(target)]);
  const quiet = "CREATE SCHEMA llm_assistant; CREATE TABLE llm_assistant.chunk (id int)";
  await ask(to.connection, quiet);
  await ask(from, ddl);
  logs.target.length = 0;
  const failure = await copyAll(from, to.connection, { schemas: ["public"] }).catch((error) => error);
  expect(describeError(failure)).toContain(code);
  expect(describeError(failure)).not.toContain("SENTINEL");
  // What was done is in the statement log all the same, and never reaches further than it should.
  await expect.poll(() => logs.target.join("\n")).toMatch(/statement: .*CREATE TABLE "public"\."note"/s);
  expect(logs.target.join("\n")).not.toMatch(/SENTINEL|cascade|llm_assistant/i);
  expect(logs.source.join("\n")).not.toContain("SENTINEL");
  await to.drop();
});

test("a preview that runs a function which quotes the row: no row in any log or finding", async () => {
  const [from, to] = await Promise.all([databaseNamedHere(), createDatabase(target)]);
  await ask(
    from,
    `CREATE FUNCTION public.fine(t text) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';
     CREATE DOMAIN public.word AS text CHECK (public.fine(VALUE));
     CREATE TABLE public.note (body text CHECK (public.fine(body)), word public.word); INSERT INTO public.note VALUES ('SENTINELMRN', 'SENTINELWORD');
     CREATE OR REPLACE FUNCTION public.fine(t text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RAISE 'no %', t USING DETAIL = t; END $$`,
  );
  logs.source.length = 0;
  const { findings } = await preflight(
    { source: from, target: to.connection },
    { inputs: { schemas: ["public"] } },
  );
  await ask(from, "SELECT 1 / 0").catch(() => {});
  await expect.poll(() => logs.source.join("\n")).toContain("division by zero");
  expect(logs.source.join("\n")).not.toContain("SENTINEL");
  expect(JSON.stringify(findings)).not.toMatch(/SENTINEL|CHECK_FAILED/);
  expect(findings.filter(({ code }) => code === "CHECK_NOT_SATISFIED")).toHaveLength(2);
  await to.drop();
});

test("the loader's token is in no log, even where the server logs every statement and its values", async () => {
  const [from, to] = await Promise.all([databaseNamedHere(), createDatabase(target)]);
  const name = quoteIdentifier(to.connection.database);
  await ask(
    to.connection,
    `ALTER DATABASE ${name} SET log_min_duration_statement = 0; ALTER DATABASE ${name} SET log_statement = 'all'`,
  );
  await ask(from, "CREATE TABLE public.note (id int); INSERT INTO public.note VALUES (1)");
  await withConnection(to.connection, { purpose: "test" }, async (client) => {
    await ensureJournal(client);
    await closeTargetFence(client, { tables: [], schemas: ["public"], loaderToken: "LOADERTOKEN" });
  });
  await copyAll(from, to.connection, { schemas: ["public"], loaderToken: "LOADERTOKEN" });
  await expect.poll(() => logs.target.join("\n")).toMatch(/CREATE TABLE "public"\."note"/);
  expect(logs.target.join("\n")).not.toContain("LOADERTOKEN");
  await to.drop();
});

async function databaseNamedHere(): Promise<ConnectionTarget> {
  const name = `here_${Date.now()}`;
  await ask(source.connection("postgres"), `CREATE DATABASE ${name}`);
  return source.connection(name);
}

test.for([...failures])("restored from an archive, $name: no row in the log", async ({ ddl }) => {
  const from = await databaseNamedHere();
  const to = await createDatabase(source);
  await ask(from, `${ddl}; SELECT pg_catalog.lo_from_bytea(4711, 'SENTINELMRN')`);
  logs.source.length = 0;
  const { signal } = new AbortController();
  const client = await findArchiveClient(source.majorVersion);
  const restoring = restoreArchive(dumpArchive(client, from, signal), {
    ...{ client, database: to.connection, searchPath: "public", signal },
  });
  await expect(restoring).rejects.toMatchObject({ code: "ARCHIVE_NOT_RESTORED" });
  // What comes after it in the log shows that the log is complete up to there.
  await ask(to.connection, "DO $$ BEGIN RAISE LOG 'the end'; END $$");
  await expect.poll(() => logs.source.join("\n")).toContain("the end");
  expect(logs.source.join("\n")).not.toContain("SENTINEL");
  await to.drop();
});
