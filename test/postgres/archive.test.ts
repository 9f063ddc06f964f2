import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decrypt, encrypt, newEphemeralKey } from "../../components/backup/encryption.ts";
import { createFileStore } from "../../components/backup/file-store.ts";
import {
  type ArchiveClient,
  findArchiveClient,
  keepsToRestrictedScripts,
} from "../../components/postgres/archive/client.ts";
import { differencesOf, readContents } from "../../components/postgres/archive/database-contents.ts";
import { dumpArchive } from "../../components/postgres/archive/dump-archive.ts";
import { restoreArchive } from "../../components/postgres/archive/restore-archive.ts";
import {
  copyDatabase,
  createLike,
  dropDatabase,
} from "../../components/postgres/archive/scratch-database.ts";
import { type ConnectionTarget, withConnection } from "../../components/postgres/connection.ts";
import { setSeal } from "../../components/postgres/fence/fence.ts";
import { createDatabase, type TestDatabase } from "../world/postgres/databases.ts";
import { sharedServers } from "../world/postgres/shared.ts";
import { loadSourceFixture, sentinelMarker } from "../world/postgres/source-fixture.ts";

const { source: server } = sharedServers();
const signal = new AbortController().signal;
const reading = { workers: 2, signal };
let client: ArchiveClient;
let database: TestDatabase;
let folder: string;
const scratch: string[] = [];

beforeAll(async () => {
  client = await findArchiveClient(server.majorVersion);
  folder = await mkdtemp(path.join(tmpdir(), "archive-"));
  database = await createDatabase(server);
  await loadSourceFixture(database.connection, { rows: 1_500 });
  await query(database.connection, rareThings);
});

afterAll(async () => {
  for (const name of scratch) await administrate((session) => dropDatabase(session, name));
  await database?.drop();
  await rm(folder, { recursive: true, force: true });
});

describe("an archive", () => {
  let restored: ConnectionTarget;
  let file: string;

  beforeAll(async () => {
    const key = await newEphemeralKey();
    const operator = await newEphemeralKey();
    const store = createFileStore(folder, "whole.age");
    file = store.place;
    await store.write(
      await encrypt(dumpArchive(client, database.connection, signal), [operator.recipient, key.recipient]),
    );
    restored = await emptyDatabase();
    await restoreArchive(await decrypt(await store.read(), key.identity), into(restored));
  });

  test("restores into an empty database as what was dumped", async () => {
    const dumped = await readContents(database.connection, reading);
    expect(dumped.tables.length).toBeGreaterThan(30);
    expect(Number(dumped.largeObjects.count)).toBe(1);
    expect(differencesOf(dumped, await readContents(restored, reading))).toEqual([]);
  });

  test("is nowhere in clear on the disk", async () => {
    const bytes = await readFile(file);
    expect(bytes.includes("PGDMP")).toBe(false);
    expect(bytes.includes(sentinelMarker)).toBe(false);
    expect(bytes.subarray(0, 22).toString()).toBe("age-encryption.org/v1\n");
    expect(await readdir(folder)).not.toContain("whole.age.partial");
  });

  test.for([
    [
      `UPDATE public."User" SET email = email || 'x' WHERE id = (SELECT min(id) FROM public."User")`,
      /^table public\.User$/,
    ],
    [`SELECT pg_catalog.setval('rare.numbers', 999)`, /^sequence rare\.numbers$/],
    [`SELECT pg_catalog.lo_put(4711, 0, 'other')`, /^large objects$/],
    [`DROP VIEW rare.names`, /^view rare\.names$/],
    [`GRANT SELECT ON rare.things TO PUBLIC`, /^table rare\.things \(acl\)$/],
    [`CREATE TABLE rare.more ()`, /^table rare\.more$/],
  ] as const)("%s is seen as a difference", async ([statement, expected]) => {
    const dumped = await readContents(database.connection, reading);
    await query(restored, statement);
    const found = differencesOf(dumped, await readContents(restored, reading));
    expect(found).toContainEqual(expect.stringMatching(expected));
  });
});

test("a sealed database is copied without anybody getting into it, and not for everybody", async () => {
  const name = nameOfScratch();
  await administrate(async (session) => {
    await setSeal(session, database.connection.database, true);
    await copyDatabase(session, database.connection.database, name);
    const { rows } = await session.query(
      "select datallowconn, has_database_privilege('pg_monitor', oid, 'connect') as everybody from pg_database where datname = any($1) order by datallowconn",
      [[name, database.connection.database]],
    );
    expect(rows).toMatchObject([{ datallowconn: false }, { datallowconn: true, everybody: false }]);
    await setSeal(session, database.connection.database, false);
  });
  const copied = await readContents({ ...database.connection, database: name }, reading);
  expect(differencesOf(await readContents(database.connection, reading), copied)).toEqual([]);
});

test("an archive that was cut off, or changed, is not restored", async () => {
  const key = await newEphemeralKey();
  const store = createFileStore(folder, "broken.age");
  await store.write(await encrypt(dumpArchive(client, database.connection, signal), [key.recipient]));
  const whole = await readFile(store.place);
  const restore = async () =>
    restoreArchive(await decrypt(await store.read(), key.identity), into(await emptyDatabase()));
  await truncate(store.place, whole.length - 20_000);
  await expect(restore()).rejects.toThrow();
  whole[whole.length >> 1] = (whole[whole.length >> 1] ?? 0) ^ 1;
  await writeFile(store.place, whole);
  await expect(restore()).rejects.toThrow();
});

test("a dump that fails half-way leaves no file, and what the server said stays unsaid", async () => {
  const broken = await createDatabase(server, { template: database.connection.database });
  const store = createFileStore(folder, "failed.age");
  try {
    await query(
      broken.connection,
      `CREATE FUNCTION rare.fail() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE 'value: ${sentinelMarker}'; END $$;
       CREATE TABLE rare.policed (id int); INSERT INTO rare.policed VALUES (1);`,
    );
    const reader = { ...broken.connection, user: "archive_reader", password: "reader" };
    await query(broken.connection, "CREATE ROLE archive_reader LOGIN PASSWORD 'reader'");
    const key = await newEphemeralKey();
    const failure = await encrypt(dumpArchive(client, reader, signal), [key.recipient])
      .then((content) => store.write(content))
      .catch((error) => error);
    expect(failure).toMatchObject({ code: "ARCHIVE_NOT_MADE" });
    expect(String(failure)).not.toContain(sentinelMarker);
    expect(await store.look()).toBeUndefined();
    expect((await readdir(folder)).filter((name) => name.startsWith("failed"))).toEqual([]);
  } finally {
    await broken.drop();
    await administrate((session) => session.query("DROP ROLE IF EXISTS archive_reader"));
  }
});

test("what cannot be restored is told by its SQLSTATE, without what the server quotes", async () => {
  const broken = await createDatabase(server);
  try {
    await query(
      broken.connection,
      `CREATE FUNCTION public.valid(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
       CREATE TABLE public.checked (name text CHECK (public.valid(name)));
       INSERT INTO public.checked VALUES ('${sentinelMarker}');
       CREATE OR REPLACE FUNCTION public.valid(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT false';`,
    );
    const archive = dumpArchive(client, broken.connection, signal);
    const restoring = restoreArchive(archive, into(await emptyDatabase()));
    const failure = await restoring.catch((error) => error);
    expect(failure).toMatchObject({ code: "ARCHIVE_NOT_RESTORED" });
    expect(failure.message).toContain("SQLSTATE 23514");
    expect(failure.message).not.toContain(sentinelMarker);
  } finally {
    await broken.drop();
  }
});

test("an aborted dump ends at once and leaves nothing", async () => {
  const aborting = new AbortController();
  const store = createFileStore(folder, "aborted.age");
  const key = await newEphemeralKey();
  const archive = dumpArchive(client, database.connection, aborting.signal);
  async function* untilAborted() {
    for await (const chunk of archive) {
      yield chunk;
      aborting.abort(new Error("given up"));
    }
  }
  await expect(
    encrypt(untilAborted(), [key.recipient]).then((content) => store.write(content)),
  ).rejects.toThrow("given up");
  expect(await store.look()).toBeUndefined();
});

/** What a dump can lose or a comparison overlook. */
const rareThings = `
  CREATE SCHEMA rare;
  CREATE SEQUENCE rare.numbers START 42;
  SELECT pg_catalog.nextval('rare.numbers');
  CREATE TABLE rare.things (id int PRIMARY KEY, name text);
  INSERT INTO rare.things VALUES (1, 'one'), (2, NULL);
  CREATE VIEW rare.names AS SELECT name FROM rare.things;
  CREATE MATERIALIZED VIEW rare.kept AS SELECT count(*) FROM rare.things;
  CREATE TABLE rare.untouched (LIKE rare.things);
  GRANT SELECT ON rare.things TO pg_monitor;
  SELECT pg_catalog.lo_from_bytea(4711, 'large');
  COMMENT ON TABLE rare.things IS 'kept';
  ALTER SCHEMA public OWNER TO postgres;
  GRANT ALL ON SCHEMA public TO PUBLIC;
  CREATE TABLE rare.owned_by_another (id serial, name text);
  ALTER TABLE rare.owned_by_another OWNER TO pg_monitor;
  CREATE TABLE rare.locked_owner_out (id int);
  REVOKE ALL ON rare.locked_owner_out FROM postgres;
  GRANT USAGE, CREATE ON SCHEMA rare TO pg_monitor;
  GRANT SELECT, UPDATE ON rare.things TO pg_monitor WITH GRANT OPTION;
  SET ROLE pg_monitor;
  GRANT SELECT ON rare.things TO pg_read_all_stats;
  RESET ROLE;
  REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;
  ALTER DEFAULT PRIVILEGES IN SCHEMA rare GRANT SELECT ON TABLES TO pg_monitor;
  ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
  CREATE TABLE rare.after_the_defaults (id int);
  CREATE FUNCTION rare.after_the_defaults() RETURNS int LANGUAGE sql AS 'SELECT 1';`;

async function emptyDatabase(): Promise<ConnectionTarget> {
  const name = nameOfScratch();
  await administrate((session) => createLike(session, database.connection.database, name));
  return { ...database.connection, database: name };
}

/** The path that the clinic's application has. */
function into(target: ConnectionTarget) {
  return { client, database: target, searchPath: "public", signal };
}

function nameOfScratch(): string {
  const name = `test_archive_${scratch.length}_${process.pid}`;
  scratch.push(name);
  return name;
}

function query(target: ConnectionTarget, text: string) {
  return withConnection(target, { purpose: "world" }, (session) => session.query(text));
}

function administrate<Result>(
  work: (session: Parameters<typeof dropDatabase>[0]) => Promise<Result>,
): Promise<Result> {
  return withConnection(server.connection("postgres"), { purpose: "world" }, work);
}

test.for([
  ["15.13", false],
  ["15.14", true],
  ["15.18 (Debian 15.18-0+deb12u1)", true],
  ["17.5", false],
  ["17.12", true],
  ["18.0", true],
  ["12.22", false],
] as const)("a psql of %s keeps to restricted scripts: %s", ([version, keeps]) => {
  expect(keepsToRestrictedScripts(version)).toBe(keeps);
});
