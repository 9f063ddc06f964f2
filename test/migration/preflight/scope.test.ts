import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { qualifiedNames } from "../../../components/migration/preflight/database/function-body.ts";
import { sharedServers } from "../../world/postgres/shared.ts";
import { createFixture, type PreflightFixture, runSql } from "./fixture.ts";
import { preflight, summarise } from "./world.ts";

const servers = sharedServers();
let fixture: PreflightFixture;

beforeAll(async () => {
  fixture = await createFixture(servers);
});
afterAll(() => fixture?.drop());

const onDatabase = (statement: string) =>
  `DO $$ BEGIN EXECUTE format('${statement.replaceAll("'", "''")}', current_database()); END $$`;

const foreignServer = "CREATE FOREIGN DATA WRAPPER far; CREATE SERVER archive FOREIGN DATA WRAPPER far";

interface Case {
  readonly name: string;
  readonly source?: string;
  readonly target?: string;
  readonly expected: string;
  /** What is no finding beside it. */
  readonly absent?: RegExp;
}

const cases: readonly Case[] = [
  {
    name: "a cast between a moved type and another, under the gate's name",
    source:
      "CREATE TYPE public.address AS (street text); CREATE FUNCTION public.street(public.address) RETURNS text LANGUAGE sql AS 'SELECT ($1).street'; CREATE CAST (public.address AS text) WITH FUNCTION public.street(public.address)",
    expected: "blocker CATALOGUE_MISSING cast (public.address AS pg_catalog.text)",
    absent: /OUTSIDE_OBJECT/,
  },
  {
    name: "a cast between types that PostgreSQL brings, and none that comes with a range type",
    source:
      "CREATE CAST (varchar AS integer) WITH INOUT AS IMPLICIT; CREATE TYPE public.span AS RANGE (subtype = int)",
    expected: "blocker CATALOGUE_MISSING cast (character varying AS integer)",
    absent: /span/,
  },
  {
    name: "a cast that only the target has",
    target: "CREATE CAST (varchar AS integer) WITH INOUT AS IMPLICIT",
    expected: "blocker CATALOGUE_EXTRA cast (character varying AS integer)",
  },
  {
    name: "a foreign server that functions can name, not the one that both have",
    source: `${foreignServer}; CREATE SERVER billing FOREIGN DATA WRAPPER far`,
    target: `${foreignServer}; CREATE SERVER own FOREIGN DATA WRAPPER far; CREATE USER MAPPING FOR PUBLIC SERVER own`,
    expected: "blocker CATALOGUE_MISSING foreign server billing",
    absent: /archive|own|wrapper/,
  },
  {
    name: "how to log in to a foreign server",
    source: `${foreignServer}; CREATE USER MAPPING FOR PUBLIC SERVER archive OPTIONS (password 'SENTINEL')`,
    target: foreignServer,
    expected: "blocker CATALOGUE_MISSING user mapping archive.public",
    absent: /SENTINEL|foreign server/,
  },
  {
    name: "a foreign server that leads elsewhere",
    source: `${foreignServer}; ALTER SERVER archive OPTIONS (host 'SENTINEL')`,
    target: foreignServer,
    expected: "blocker CATALOGUE_CHANGED foreign server archive (options)",
    absent: /SENTINEL/,
  },
  {
    name: "what only the source took away of an extension",
    source: "REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC",
    expected: "blocker PRIVILEGES_WIDENED database privileges of extension plpgsql (acl)",
  },
  {
    name: "a function of PostgreSQL's own that is granted",
    source: "GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text) TO PUBLIC",
    expected: "blocker CATALOGUE_CHANGED database privileges of what PostgreSQL brings (acl)",
  },
  {
    name: "rows in a table that an extension was given, not an empty one",
    source:
      "CREATE TABLE public.kept (id int); INSERT INTO public.kept VALUES (1); CREATE TABLE public.hollow (id int); ALTER EXTENSION plpgsql ADD TABLE public.kept; ALTER EXTENSION plpgsql ADD TABLE public.hollow",
    expected: "blocker EXTENSION_ROWS_NOT_MOVED public.kept",
    absent: /hollow/,
  },
  {
    name: "rows that an extension marks as its users', and none that are its own",
    source: `CREATE SCHEMA part; CREATE TABLE part.config (id int); INSERT INTO part.config VALUES (1), (2);
      CREATE TABLE part.given (id int); INSERT INTO part.given VALUES (1);
      ALTER EXTENSION plpgsql ADD TABLE part.config; ALTER EXTENSION plpgsql ADD TABLE part.given;
      UPDATE pg_extension SET extconfig = ARRAY['part.config'::regclass::oid, 'part.given'::regclass],
             extcondition = ARRAY['WHERE id > 1', 'WHERE id > 1'] WHERE extname = 'plpgsql'`,
    expected: "blocker EXTENSION_ROWS_NOT_MOVED part.config",
    absent: /EXTENSION_ROWS_NOT_MOVED part.given/,
  },
  {
    name: "a function that calls the protected schema's with as many arguments as it does not take",
    source: `SET check_function_bodies = off;
      CREATE FUNCTION public.wrong() RETURNS int LANGUAGE sql AS 'SELECT llm_assistant.find(ARRAY[1, 2], ''a,b'', (3), 4)';
      CREATE FUNCTION public.right() RETURNS int LANGUAGE sql AS 'SELECT llm_assistant.find(ARRAY[1, 2], ''a,b'') + llm_assistant.find(NULL, f(1, 2), 3)';
      CREATE FUNCTION public.many() RETURNS int LANGUAGE sql AS 'SELECT llm_assistant.all_of(1, 2, 3) + llm_assistant.all_of(1)'`,
    target: `CREATE FUNCTION llm_assistant.find(int[], text, int DEFAULT 1) RETURNS int LANGUAGE sql AS 'SELECT 1';
      CREATE FUNCTION llm_assistant.all_of(VARIADIC int[]) RETURNS int LANGUAGE sql AS 'SELECT 1'`,
    expected: "blocker BODY_NAMES_OUTSIDE function public.wrong()",
    absent: /BODY_NAMES_OUTSIDE function public.(?:right|many)/,
  },
  {
    name: "a security label",
    source:
      "INSERT INTO pg_seclabel VALUES ('public.users'::regclass, 'pg_class'::regclass, 2, 'anon', 'MASKED WITH VALUE 1')",
    expected: "blocker CATALOGUE_MISSING security label anon on table column public.users.email",
  },
  {
    name: "a view over a schema that stays",
    source:
      "CREATE SCHEMA shared; CREATE TABLE shared.t (a int); CREATE VIEW public.v AS SELECT a FROM shared.t",
    expected: "blocker NEEDS_OUTSIDE_OBJECT table shared.t",
  },
  {
    name: "an operator class of a type that moves is a whole, and one in a family that stays needs that",
    source: `CREATE TYPE public.version AS (major int);
      CREATE FUNCTION public.compare(public.version, public.version) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT ($1).major - ($2).major';
      CREATE FUNCTION public.equal(public.version, public.version) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT ($1).major = ($2).major';
      CREATE OPERATOR public.=== (LEFTARG = public.version, RIGHTARG = public.version, FUNCTION = public.equal);
      CREATE OPERATOR CLASS public.versions DEFAULT FOR TYPE public.version USING btree AS
        OPERATOR 3 public.===, FUNCTION 1 public.compare(public.version, public.version);
      CREATE SCHEMA shared; CREATE OPERATOR FAMILY shared.versions USING hash;
      CREATE FUNCTION public.hash(public.version) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT ($1).major';
      CREATE OPERATOR CLASS public.hashed FOR TYPE public.version USING hash FAMILY shared.versions AS
        OPERATOR 1 public.===, FUNCTION 1 public.hash(public.version)`,
    expected: "blocker NEEDS_OUTSIDE_OBJECT operator family shared.versions USING hash",
    absent: /access method/,
  },
  {
    name: "a foreign key to a schema that stays, without the index and the triggers behind it",
    source:
      "CREATE SCHEMA auth; CREATE TABLE auth.u (id int PRIMARY KEY); CREATE TABLE public.s (u int REFERENCES auth.u)",
    expected: "blocker NEEDS_OUTSIDE_OBJECT table auth.u",
    absent: /NEEDS_OUTSIDE_OBJECT index|OUTSIDE_OBJECT_LEFT_BEHIND/,
  },
  {
    name: "a function whose text names a schema that stays",
    source:
      "CREATE SCHEMA auth; CREATE TABLE auth.u (id int); CREATE FUNCTION public.who() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT max(users.id) FROM auth.u JOIN public.users ON true); END'",
    expected: "blocker BODY_NAMES_OUTSIDE function public.who()",
    absent: /BODY_NAMES_OUTSIDE.*users/,
  },
  {
    name: "a function whose text names what the protected schema does not have",
    source:
      "CREATE SCHEMA llm_assistant; CREATE TABLE llm_assistant.gone (a int); CREATE FUNCTION public.ask() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM llm_assistant.gone'; CREATE FUNCTION public.right() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM llm_assistant.chunk); END'",
    expected: "blocker BODY_NAMES_OUTSIDE function public.ask()",
    absent: /BODY_NAMES_OUTSIDE function public.right/,
  },
  {
    name: "a function whose text calls what an extension brings only here, not what the application has itself",
    source: `CREATE FUNCTION public.seal(text) RETURNS text LANGUAGE sql AS 'SELECT $1'; ALTER EXTENSION plpgsql ADD FUNCTION public.seal(text);
      CREATE FUNCTION public.mark(int) RETURNS int LANGUAGE sql AS 'SELECT $1'; ALTER EXTENSION plpgsql ADD FUNCTION public.mark(int);
      CREATE FUNCTION medical_records.mark(text) RETURNS text LANGUAGE sql AS 'SELECT $1';
      CREATE FUNCTION public.seals(text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN lower(seal($1)); END';
      CREATE FUNCTION public.marks(text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN mark($1) /* seal() */ || ''seal()''; END'`,
    expected: "blocker BODY_NAMES_OUTSIDE function public.seals(text)",
    absent: /BODY_NAMES_OUTSIDE function public.marks/,
  },
  {
    name: "a function whose text calls what an extension has in another schema on the target",
    source: `CREATE FUNCTION public.seal(text) RETURNS text LANGUAGE sql AS 'SELECT $1'; ALTER EXTENSION plpgsql ADD FUNCTION public.seal(text);
      CREATE FUNCTION public.seals(text) RETURNS text LANGUAGE sql AS 'SELECT public.seal($1)'`,
    target:
      "CREATE FUNCTION llm_assistant.seal(text) RETURNS text LANGUAGE sql AS 'SELECT $1'; ALTER EXTENSION plpgsql ADD FUNCTION llm_assistant.seal(text)",
    expected: "blocker BODY_NAMES_OUTSIDE function public.seals(text)",
  },
  {
    name: "a setting that only the target's database has",
    target: onDatabase("ALTER DATABASE %I SET search_path = llm_assistant"),
    expected: "blocker SETTING_ADDED database: search_path",
  },
  {
    name: "settings of the vector extension on the target are its own users'",
    target: `${onDatabase("ALTER DATABASE %I SET hnsw.ef_search = 80")}; ${onDatabase("ALTER ROLE postgres IN DATABASE %I SET statement_timeout = '2s'")}`,
    expected: "blocker SETTING_ADDED role postgres in this database: statement_timeout",
    absent: /hnsw/,
  },
  {
    name: "default privileges of all schemas on the source",
    source: "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
    expected: "blocker CATALOGUE_CHANGED database default privileges (acl)",
  },
  {
    name: "default privileges of all schemas on the target",
    target: "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
    expected: "blocker PRIVILEGES_WIDENED database default privileges (acl)",
  },
  {
    name: "a default that only the source took away",
    source: "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
    expected: "blocker PRIVILEGES_WIDENED database default privileges (acl)",
  },
  {
    name: "default privileges of a schema that the target has already",
    target: "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC",
    expected: "blocker PRIVILEGES_WIDENED default privileges public.postgres on tables (acl)",
  },
  {
    name: "default privileges that the copy brings along are none",
    source: `ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC; ${onDatabase("REVOKE CONNECT ON DATABASE %I FROM PUBLIC")}`,
    expected: "blocker PRIVILEGES_WIDENED database privileges (acl)",
    absent: /default privileges/,
  },
  {
    name: "a comment on the database",
    source: onDatabase("COMMENT ON DATABASE %I IS 'SENTINEL'"),
    expected: "blocker CATALOGUE_CHANGED database privileges (comment)",
    absent: /SENTINEL/,
  },
  {
    name: "a connection limit of the database, not the comment that comes with PostgreSQL",
    source: `${onDatabase("COMMENT ON DATABASE %I IS 'default administrative connection database'")}; ${onDatabase("ALTER DATABASE %I CONNECTION LIMIT 50")}`,
    expected: "blocker CATALOGUE_CHANGED database privileges (connectionLimit)",
    absent: /\(comment\)/,
  },
  {
    name: "a publication of everything on the target",
    target: "CREATE PUBLICATION outward FOR ALL TABLES",
    expected: "blocker CATALOGUE_EXTRA publication outward",
  },
  {
    name: "a publication of a moved schema on the target, and none of another",
    target:
      "CREATE PUBLICATION outward FOR TABLES IN SCHEMA public; CREATE PUBLICATION own FOR TABLE llm_assistant.chunk",
    expected: "blocker CATALOGUE_EXTRA publication outward",
    absent: /publication own/,
  },
  {
    name: "an event trigger of the target, not one that is disabled",
    target: `CREATE FUNCTION llm_assistant.note() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
             CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION llm_assistant.note();
             CREATE EVENT TRIGGER quiet ON ddl_command_end EXECUTE FUNCTION llm_assistant.note(); ALTER EVENT TRIGGER quiet DISABLE`,
    expected: "blocker TARGET_EVENT_TRIGGER e",
    absent: /quiet/,
  },
  {
    name: "a foreign key of the protected schema",
    target:
      "CREATE TABLE public.users (id int PRIMARY KEY); CREATE TABLE llm_assistant.talk (u int REFERENCES public.users)",
    expected: "blocker PROTECTED_DEPENDS_ON_MOVED table constraint talk_u_fkey on llm_assistant.talk",
  },
  {
    name: "an index of the protected schema that is damaged already",
    target: "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'llm_assistant.chunk_pkey'::regclass",
    expected: "warning PROTECTED_INDEX_INVALID llm_assistant.chunk_pkey",
  },
  {
    name: "a check that reads a table, at whatever depth; none that is NOT VALID or reads none",
    source: `CREATE TABLE public.zone (id int);
      CREATE FUNCTION public.has(int) RETURNS boolean LANGUAGE sql SET search_path = public AS 'SELECT EXISTS (SELECT FROM zone WHERE id = $1)';
      CREATE FUNCTION public.is_zone(int) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN public.has($1); END';
      CREATE FUNCTION public.is_odd(int) RETURNS boolean LANGUAGE sql AS 'SELECT $1 % 2 = 1 /* FROM zone */';
      CREATE TABLE public.visit (zone int, CONSTRAINT in_zone CHECK (public.is_zone(zone)), CONSTRAINT odd CHECK (public.is_odd(zone)));
      ALTER TABLE public.visit ADD CONSTRAINT later CHECK (public.is_zone(zone)) NOT VALID`,
    expected: "blocker ROW_DEPENDS_ON_TABLE constraint public.visit.in_zone",
    absent: /visit\.(?:odd|later)/,
  },
  {
    name: "a domain whose check reads a table, in the SQL standard's form",
    source: `CREATE TABLE public.zone (id int);
      CREATE FUNCTION public.is_zone(int) RETURNS boolean LANGUAGE sql BEGIN ATOMIC SELECT EXISTS (SELECT FROM public.zone WHERE id = $1); END;
      CREATE DOMAIN public.zone_id AS int CONSTRAINT in_zone CHECK (public.is_zone(VALUE))`,
    expected: "blocker ROW_DEPENDS_ON_TABLE domain constraint public.zone_id.in_zone",
  },
  {
    name: "a generated column that reads a table, though its function says that it does not",
    source: `CREATE TABLE public.rate (percent int);
      CREATE FUNCTION public.taxed(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * max(percent) / 100 FROM public.rate';
      CREATE TABLE public.bill (net int, gross int GENERATED ALWAYS AS (public.taxed(net)) STORED)`,
    expected: "blocker ROW_DEPENDS_ON_TABLE column public.bill.gross",
  },
  {
    name: "a default that draws from a sequence of a schema that stays",
    source:
      "CREATE SCHEMA shared; CREATE SEQUENCE shared.number; CREATE TABLE public.numbered (id int DEFAULT nextval('shared.number'))",
    expected: "blocker NEEDS_OUTSIDE_OBJECT sequence shared.number",
  },
  {
    name: "a name that an extension of the target has taken, not one that is only alike",
    source:
      "CREATE TABLE public.taken (); CREATE FUNCTION public.used(text) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    target: `CREATE TYPE public.taken AS ENUM ('a'); ALTER EXTENSION plpgsql ADD TYPE public.taken;
      CREATE FUNCTION public.used(int) RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER EXTENSION plpgsql ADD FUNCTION public.used(int)`,
    expected: "blocker NAME_TAKEN type public.taken",
    absent: /NAME_TAKEN (?!type)|TARGET_NOT_EMPTY/,
  },
  {
    name: "a function that an extension of the target has, too",
    source: "CREATE FUNCTION public.used(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    target:
      "CREATE FUNCTION public.used(int) RETURNS int LANGUAGE sql AS 'SELECT 2'; ALTER EXTENSION plpgsql ADD FUNCTION public.used(int)",
    expected: "blocker NAME_TAKEN function public.used(integer)",
  },
  {
    name: "a dictionary of text search that an extension of the target has, too",
    source:
      "CREATE TEXT SEARCH DICTIONARY public.plain (TEMPLATE = simple); CREATE TEXT SEARCH DICTIONARY public.other (TEMPLATE = simple)",
    target:
      "CREATE TEXT SEARCH DICTIONARY public.plain (TEMPLATE = simple); ALTER EXTENSION plpgsql ADD TEXT SEARCH DICTIONARY public.plain",
    expected: "blocker NAME_TAKEN text search dictionary public.plain",
    absent: /NAME_TAKEN .*other/,
  },
  {
    name: "statistics of a protected table in a schema that is moved",
    target: "CREATE STATISTICS public.both ON id, body FROM llm_assistant.chunk",
    expected: "blocker TARGET_NOT_EMPTY public",
  },
  {
    name: "a type that was only announced",
    target: "CREATE TYPE public.announced",
    expected: "blocker TARGET_NOT_EMPTY public",
  },
  {
    name: "a function that somebody put among PostgreSQL's own, which stays behind",
    source: "CREATE FUNCTION pg_catalog.clinic_day() RETURNS date LANGUAGE sql AS 'SELECT current_date'",
    expected: "blocker CATALOGUE_MISSING function pg_catalog.clinic_day()",
  },
  {
    name: "an operator that somebody put among PostgreSQL's own, before every other one",
    target: `CREATE FUNCTION public.never(text, date) RETURNS boolean LANGUAGE sql AS 'SELECT false'; ALTER EXTENSION plpgsql ADD FUNCTION public.never(text, date);
      CREATE OPERATOR pg_catalog.= (leftarg = text, rightarg = date, function = public.never)`,
    expected: "blocker CATALOGUE_EXTRA operator pg_catalog.=(pg_catalog.text,pg_catalog.date)",
  },
  {
    name: "a comment on a schema that the target has already",
    source: "COMMENT ON SCHEMA public IS 'SENTINEL'",
    expected: "blocker CATALOGUE_CHANGED schema public (comment)",
    absent: /SENTINEL/,
  },
];

test.for(cases)("$name", async ({ source, target, expected, absent }) => {
  const { connections } = await fixture.createWorld(onTestFinished);
  if (source !== undefined) await runSql(connections.source, source);
  if (target !== undefined) await runSql(connections.target, target);
  const lines = summarise(await preflight(connections));
  expect(lines).toContain(expected);
  expect(lines.join("\n")).not.toContain("CHECK_FAILED");
  if (absent !== undefined) expect(lines.join("\n")).not.toMatch(absent);
});

describe("roles", () => {
  async function withRoles(onSource: string, onTarget: string, onMoved: string): Promise<string[]> {
    const { connections } = await fixture.createWorld(onTestFinished);
    const admin = (["source", "target"] as const).map((side) => servers[side].connection("postgres"));
    onTestFinished(async () => {
      await runSql(connections.source, "DROP OWNED BY scope_app, scope_group, scope_owner");
      for (const connection of admin)
        await runSql(connection, "DROP ROLE IF EXISTS scope_app, scope_group, scope_owner");
    });
    const roles = "CREATE ROLE scope_group; CREATE ROLE scope_app; CREATE ROLE scope_owner;";
    await runSql(servers.source.connection("postgres"), `${roles} ${onSource}`);
    await runSql(servers.target.connection("postgres"), onTarget);
    await runSql(connections.source, onMoved);
    return summarise(await preflight(connections)).filter((line) => line.includes("ROLE_"));
  }

  test("that pass every policy on the target only", async () => {
    const lines = await withRoles(
      "",
      "CREATE ROLE scope_app BYPASSRLS; CREATE ROLE scope_group",
      "GRANT SELECT ON public.users TO scope_app, scope_group",
    );
    expect(lines).toEqual(["blocker ROLE_DIFFERS scope_app"]);
  });

  test("that are members in another way", async ({ skip }) => {
    if (servers.target.majorVersion < 16) return skip("a membership has options of its own from 16 on");
    const lines = await withRoles(
      "GRANT scope_group TO scope_app; GRANT scope_group TO scope_owner",
      "CREATE ROLE scope_app; CREATE ROLE scope_owner; CREATE ROLE scope_group; GRANT scope_group TO scope_app WITH INHERIT FALSE; GRANT scope_group TO scope_owner",
      "GRANT SELECT ON public.users TO scope_group",
    );
    expect(lines).toEqual(["blocker ROLE_DIFFERS scope_app"]);
  });

  test("that are granted something by a membership only, or own what is seldom owned", async () => {
    const lines = await withRoles(
      "GRANT scope_group TO scope_app",
      "CREATE ROLE scope_group",
      "GRANT SELECT ON public.users TO scope_group; CREATE TEXT SEARCH DICTIONARY public.words (TEMPLATE = pg_catalog.simple); ALTER TEXT SEARCH DICTIONARY public.words OWNER TO scope_owner",
    );
    expect(lines).toEqual(["blocker ROLE_MISSING scope_app", "blocker ROLE_MISSING scope_owner"]);
  });

  test("that only values name, or that may change a setting on the source only", async () => {
    const lines = await withRoles(
      "GRANT SET ON PARAMETER session_replication_role TO scope_group",
      "CREATE ROLE scope_owner; CREATE ROLE scope_group",
      `CREATE TABLE public.named (r regrole, l regrole[]); INSERT INTO public.named VALUES ('scope_owner', '{scope_app,pg_monitor}');
       GRANT SELECT ON public.users TO scope_group`,
    );
    expect(lines).toEqual(["blocker ROLE_DIFFERS scope_group", "blocker ROLE_MISSING scope_app"]);
  });
});

test("names with a schema are found in code, not in constants and comments", () => {
  const body = `BEGIN /* a.b */ -- c.d
    SELECT e.f, "G h".i, 'j.k', l.m.n FROM e.f; RETURN o . p(1); END`;
  expect(qualifiedNames(body).map(({ schema, name }) => `${schema}.${name}`)).toEqual([
    "e.f",
    "G h.i",
    "l.m",
    "o.p",
  ]);
});
