import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runGate } from "../../../components/migration/gate/gate.ts";
import { type ConnectionTarget, withConnection } from "../../../components/postgres/connection.ts";
import { fingerprintProtected } from "../../../components/postgres/fingerprint/fingerprint.ts";
import { rolesDdl } from "../../postgres/catalogue/catalogue-ddl.ts";
import { rareDdl, rareSchemas } from "../../postgres/catalogue/catalogue-rare-ddl.ts";
import { ask, copyAll } from "../../postgres/load/fixture.ts";
import { createDatabase, type TestDatabase } from "../../world/postgres/databases.ts";
import { postgresOfMajor } from "../../world/postgres/postgres-versions.ts";
import { type PostgresServer, startServer } from "../../world/postgres/server.ts";
import { loadSourceFixture } from "../../world/postgres/source-fixture.ts";
import { protectedDdl, protectedSchemas, shown } from "../gate/world.ts";
import { caseDdl, caseSchemas, valuesDdl } from "./copied-ddl.ts";
import { majorDdl, majorMutations, majorSchemas } from "./versions-ddl.ts";

const majors = [15, 16, 17, 18];
const pairs = majors.flatMap((source) =>
  majors.filter((target) => target >= source).map((target) => ({ source, target })),
);
const applicationSchemas = ["public", "medical_records", "practice_management"];
const schemas = [...applicationSchemas, ...rareSchemas, ...caseSchemas, ...majorSchemas];
const servers = new Map<number, PostgresServer>();
const applications = new Map<number, TestDatabase>();

beforeAll(async () => {
  for (const major of majors) {
    const installation = await postgresOfMajor(major, console.log);
    if (installation === undefined) continue;
    servers.set(major, await startServer({ role: "target", installation, tls: false }));
  }
  await Promise.all(
    [...servers].map(async ([major, server]) => {
      const database = await createDatabase(server);
      applications.set(major, database);
      await loadSourceFixture(database.connection, { rows: 300 });
      for (const statements of [rareDdl, withoutDump, caseDdl, valuesDdl, majorDdl(major)])
        await ask(database.connection, statements);
    }),
  );
});

afterAll(async () => {
  await Promise.all([...servers.values()].map((server) => server.dispose()));
});

/** What no dump of schemas carries is the affair of other tests. */
const withoutDump =
  "DROP FUNCTION rare.transformed; DROP TRANSFORM FOR rare.shape LANGUAGE sql; DROP CAST (rare.shape AS text)";

const surroundings = `
  ${rolesDdl} ${protectedDdl}
  CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER elsewhere FOREIGN DATA WRAPPER nowhere;
  CREATE USER MAPPING FOR postgres SERVER elsewhere OPTIONS (password 'SENTINEL')`;

describe.each(pairs)("from $source to $target", ({ source, target }) => {
  test("a whole application is copied and equal, and what is wrong with the copy is found", async ({
    skip,
  }) => {
    const [from, to] = [applications.get(source), servers.get(target)];
    if (from === undefined || to === undefined) {
      return skip(`this machine has no PostgreSQL ${from === undefined ? source : target}`);
    }
    const copy = await createDatabase(to);
    try {
      await ask(copy.connection, surroundings);
      const protectedBefore = await withConnection(copy.connection, { purpose: "test" }, (client) =>
        fingerprintProtected(client, protectedSchemas),
      );
      const { sequences, tables } = await copyAll(from.connection, copy.connection, { schemas });
      expect(tables.length).toBeGreaterThan(60);
      const gate = (connection: ConnectionTarget) =>
        runGate({
          ...{ source: from.connection, target: connection, schemas, protectedSchemas, protectedBefore },
          ...{ expectedSequences: sequences, accept: [], workers: 2 },
        });
      expect(shown(await gate(copy.connection))).toEqual([]);
      for (const [statements] of majorMutations(source)) await ask(copy.connection, statements);
      const expected = majorMutations(source).flatMap(([, differences]) => differences);
      expect(shown(await gate(copy.connection)).sort()).toEqual(expected.sort());
    } finally {
      await copy.drop();
    }
  });
});

/** From 17 on the preflight refuses them: `what PostgreSQL 17 builds with an empty search path`. */
test.each([15, 16])(
  "what calls functions that name things without a schema is built on %i",
  async (major) => {
    const server = servers.get(major);
    if (server === undefined) return;
    const [source, target] = await Promise.all([createDatabase(server), createDatabase(server)]);
    try {
      await ask(
        source.connection,
        `SET search_path = public; CREATE TABLE users (id int, email text); INSERT INTO users VALUES (1, 'Calm');
       CREATE FUNCTION fold(t text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower(t)';
       CREATE FUNCTION bare(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN fold(t); END';
       CREATE FUNCTION counted() RETURNS bigint LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT count(*) FROM users); END';
       CREATE INDEX built ON users (bare(email));
       CREATE MATERIALIZED VIEW viewed AS SELECT bare(email) AS email, counted() AS n FROM users`,
      );
      await copyAll(source.connection, target.connection, { schemas: ["public"] });
      expect(await ask(target.connection, "SELECT email, n::int FROM public.viewed")).toEqual([
        { email: "calm", n: 1 },
      ]);
      const valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'public.built'::regclass";
      expect(await ask(target.connection, valid)).toEqual([{ indisvalid: true }]);
    } finally {
      await Promise.all([source.drop(), target.drop()]);
    }
  },
);
