import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ensureJournal } from "../../../components/migration/journal/journal.ts";
import { type ConnectionTarget, withConnection } from "../../../components/postgres/connection.ts";
import { dumpSchema } from "../../../components/postgres/dump.ts";
import { closeTargetFence } from "../../../components/postgres/fence/fence.ts";
import {
  type DropCopyOptions,
  dropCopy,
  listRelationNames,
} from "../../../components/postgres/load/drop-copy.ts";
import { listObjectNames } from "../../../components/postgres/load/drop-copy-objects.ts";
import { applyEntries, planSteps } from "../../../components/postgres/load/entries.ts";
import { listTables } from "../../../components/postgres/relations.ts";
import { createDatabase, type TestDatabase } from "../../world/postgres/databases.ts";
import { sharedServers } from "../../world/postgres/shared.ts";
import { applicationDdl, ask, copyAll, schemas, withSnapshot } from "./fixture.ts";

const servers = sharedServers();
const databases: TestDatabase[] = [];
const createdSchemas = ["medical_records", "Odd Schema"];
let source: ConnectionTarget;
let expectedRelations: string[];
let expectedObjects: string[];
let filled: ConnectionTarget;

/** What the target had before: an extension in `public`, and a schema that is not moved. */
const before = `
  CREATE EXTENSION ${servers.target.hasPgvector ? "vector" : "plpgsql"} ${servers.target.hasPgvector ? "SCHEMA public" : ""};
  CREATE SCHEMA llm_assistant;
  CREATE TABLE llm_assistant.chunk (id int PRIMARY KEY);
`;

beforeAll(async () => {
  source = await newDatabase("source", applicationDdl);
  await withConnection(source, { purpose: "test" }, async (client) => {
    expectedRelations = await listRelationNames(client, schemas);
    expectedObjects = await listObjectNames(client, schemas);
  });
  filled = await newTarget();
  await copyAll(source, filled);
});

afterAll(() => Promise.all(databases.map((database) => database.drop())));

async function newDatabase(role: "source" | "target", ddl: readonly string[]): Promise<ConnectionTarget> {
  const database = await createDatabase(servers[role]);
  databases.push(database);
  for (const statements of ddl) await ask(database.connection, statements);
  return database.connection;
}

const newTarget = () =>
  newDatabase("target", servers.target.hasPgvector ? [before] : [before.split("\n").slice(2).join("\n")]);

async function newFilledTarget(): Promise<ConnectionTarget> {
  const database = await createDatabase(servers.target, { template: filled.database });
  databases.push(database);
  return database.connection;
}

function drop(target: ConnectionTarget, options: Partial<DropCopyOptions> = {}): Promise<void> {
  const expected = { relations: expectedRelations, objects: expectedObjects };
  return withConnection(target, { purpose: "test" }, async (client) => {
    await client.query("BEGIN");
    await dropCopy(client, { schemas, createdSchemas, expected, mayHoldUnfencedRows: true, ...options });
    await client.query("COMMIT");
  });
}

/** Everything with a name, so that a missing or a left object shows. */
const inventory = (target: ConnectionTarget) =>
  ask(
    target,
    `SELECT type, identity FROM (
       SELECT 'pg_class'::regclass AS c, oid FROM pg_class WHERE relkind NOT IN ('t', 'i') UNION ALL SELECT 'pg_proc'::regclass, oid FROM pg_proc
       UNION ALL SELECT 'pg_type'::regclass, oid FROM pg_type WHERE typtype <> 'c' UNION ALL SELECT 'pg_operator'::regclass, oid FROM pg_operator
       UNION ALL SELECT 'pg_namespace'::regclass, oid FROM pg_namespace UNION ALL SELECT 'pg_collation'::regclass, oid FROM pg_collation
       UNION ALL SELECT 'pg_default_acl'::regclass, oid FROM pg_default_acl UNION ALL SELECT 'pg_constraint'::regclass, oid FROM pg_constraint
     ) o, pg_identify_object(c, o.oid, 0) WHERE o.oid >= 16384 OR schema = 'public' OR type = 'schema' ORDER BY 1, 2`,
  );

test("a whole copy goes without a trace, and can be made again", async () => {
  const target = await newTarget();
  const empty = await inventory(target);
  await copyAll(source, target);
  expect(await inventory(target)).not.toEqual(empty);
  await drop(target);
  expect(await inventory(target)).toEqual(empty);
  await copyAll(source, target);
  expect(await ask(target, "SELECT count(*)::int AS n FROM public.users")).toEqual([{ n: 500 }]);
});

test("any unfinished copy goes, too", async () => {
  const target = await newTarget();
  const empty = await inventory(target);
  const { entries } = await withSnapshot(source, (snapshot) =>
    dumpSchema({ source, schemas, snapshot, minimumMajor: 17, timeoutMs: 60_000 }),
  );
  const { definitions } = planSteps(entries, ["public"]);
  for (const count of [0, 1, 5, 12, 20, definitions.length]) {
    await withConnection(target, { purpose: "test" }, (client) =>
      client
        .query("SET check_function_bodies = off")
        .then(() => applyEntries(client, definitions.slice(0, count))),
    );
    await drop(target);
    expect(await inventory(target)).toEqual(empty);
  }
});

test("objects that need each other across kinds go", async () => {
  const target = await newTarget();
  const empty = await inventory(target);
  await ask(
    target,
    `CREATE TABLE public.loop (id int);
     CREATE FUNCTION public.of_loop(l public.loop) RETURNS int LANGUAGE sql AS 'SELECT 1';
     CREATE FUNCTION public.next_loop() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT max(id) FROM public.loop; END;
     ALTER TABLE public.loop ALTER id SET DEFAULT public.next_loop();
     ALTER TABLE public.loop ADD CHECK (public.of_loop(loop.*) = 1);`,
  );
  await drop(target, { expected: { relations: ["public.loop"] } });
  expect(await inventory(target)).toEqual(empty);
});

describe("refuses, and leaves everything,", () => {
  test.each([
    ["a view", "CREATE VIEW llm_assistant.v AS SELECT email FROM public.users", "llm_assistant.v"],
    [
      "a view on a view",
      "CREATE VIEW llm_assistant.v AS SELECT n FROM public.by_key; CREATE VIEW llm_assistant.w AS SELECT * FROM llm_assistant.v",
      "llm_assistant.v",
    ],
    [
      "a foreign key",
      "CREATE TABLE llm_assistant.c (u int CONSTRAINT uses_user REFERENCES public.users)",
      "uses_user",
    ],
    ["a column's type", "CREATE TABLE llm_assistant.c (m public.mood)", "llm_assistant.c"],
    [
      "a column's default",
      "CREATE TABLE llm_assistant.c (n int DEFAULT nextval('public.users_id_seq'))",
      "llm_assistant.c",
    ],
    [
      "a function with an SQL body",
      "CREATE FUNCTION llm_assistant.f() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM public.users; END",
      "function llm_assistant.f()",
    ],
    ["a publication", "CREATE PUBLICATION p FOR TABLE public.users", "publication"],
  ])("%s that uses the copy", async (_what, ddl, named) => {
    const target = await newFilledTarget();
    await ask(target, ddl);
    const full = await inventory(target);
    await expect(drop(target)).rejects.toMatchObject({
      code: "COPY_HAS_DEPENDENTS",
      message: expect.stringContaining(named),
    });
    expect(await inventory(target)).toEqual(full);
  });

  test.each([
    ["a relation", "CREATE TABLE public.precious (a int)", "public.precious"],
    [
      "a function",
      "CREATE FUNCTION public.clean(value int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
      "ROUTINE public.clean(integer)",
    ],
    ["a type", "CREATE TYPE medical_records.stage AS ENUM ('one')", "TYPE medical_records.stage"],
    [
      "an operator",
      "CREATE OPERATOR public.<<< (leftarg = int, rightarg = int, function = int4lt)",
      "OPERATOR public.<<<",
    ],
  ])("%s that no copy made", async (_what, ddl, named) => {
    const target = await newFilledTarget();
    await ask(target, ddl);
    const full = await inventory(target);
    await expect(drop(target)).rejects.toMatchObject({
      code: "COPY_NOT_OURS",
      message: expect.stringContaining(named),
    });
    expect(await inventory(target)).toEqual(full);
  });

  test("rows that are behind no fence, where no load wrote any", async () => {
    const target = await newTarget();
    await ask(target, "CREATE TABLE public.users (id int); INSERT INTO public.users VALUES (1)");
    await expect(drop(target, { mayHoldUnfencedRows: false })).rejects.toMatchObject({
      code: "COPY_NOT_OURS",
      message: expect.stringContaining("public.users"),
    });
    expect(await ask(target, "SELECT id FROM public.users")).toEqual([{ id: 1 }]);
    await ask(target, "DELETE FROM public.users");
    await drop(target, { mayHoldUnfencedRows: false });
    expect(await ask(target, "SELECT to_regclass('public.users') AS users")).toEqual([{ users: null }]);
  });

  test("rows behind a fence that does not hold everybody", async () => {
    const target = await newFilledTarget();
    await withConnection(target, { purpose: "test" }, async (client) => {
      await ensureJournal(client);
      await closeTargetFence(client, { tables: await listTables(client, schemas), schemas });
      await client.query("DROP EVENT TRIGGER pgvector_cutover_ddl");
      await client.query("DROP EVENT TRIGGER pgvector_cutover_drop");
      await client.query("ALTER TABLE public.log_2024 ENABLE TRIGGER pgvector_cutover_fence");
    });
    await expect(drop(target, { mayHoldUnfencedRows: false })).rejects.toMatchObject({
      code: "COPY_NOT_OURS",
      message: expect.stringMatching(/fence: public\.log_2024\. /),
    });
    await ask(target, "ALTER TABLE public.log_2024 ENABLE ALWAYS TRIGGER pgvector_cutover_fence");
    await drop(target, { mayHoldUnfencedRows: false });
    expect(await ask(target, "SELECT to_regclass('public.users') AS users")).toEqual([{ users: null }]);
  });
});

test("a function of the protected schema that names the copy in its text is no obstacle", async () => {
  const target = await newFilledTarget();
  await ask(
    target,
    "CREATE FUNCTION llm_assistant.f() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM public.users'",
  );
  await drop(target);
  expect(await ask(target, "SELECT 'llm_assistant.f()'::regprocedure::text AS f")).toEqual([
    { f: "llm_assistant.f()" },
  ]);
});
