import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect, withConnection } from "../../../components/postgres/connection.ts";
import {
  compareFingerprints,
  fingerprintProtected,
  fingerprintStructure,
  type ProtectedFingerprint,
  protectedFingerprintSchema,
} from "../../../components/postgres/fingerprint/fingerprint.ts";
import { createDatabase, type TestDatabase } from "../../world/postgres/databases.ts";
import { startServer } from "../../world/postgres/server.ts";
import { sharedServers } from "../../world/postgres/shared.ts";
import { loadTargetFixture } from "../../world/postgres/target-fixture.ts";

const { target } = sharedServers();
const schemas = ["llm_assistant"];
let database: TestDatabase;
let reader: pg.Client;

beforeAll(async () => {
  database = await createDatabase(target);
  await loadTargetFixture(database.connection, { hasPgvector: target.hasPgvector });
  reader = await connect(database.connection, { purpose: "test", readOnly: true });
});

afterAll(async () => {
  await reader?.end();
  await database?.drop();
});

/** What two fingerprints, taken before and after the statements of one session that then ends, differ in. */
async function changesBy(statements: string, settings = "") {
  const before = await fingerprintProtected(reader, schemas);
  await withConnection(database.connection, { purpose: "test" }, (client) =>
    client.query(`${settings} ${statements}`),
  );
  return compareFingerprints(before, await fingerprintProtected(reader, schemas)).map(
    ({ object, aspect, provablyTheirs }) => `${aspect} of ${object}${provablyTheirs ? " (theirs)" : ""}`,
  );
}

it("is the same twice, survives JSON, and holds no content", async () => {
  const before = await fingerprintProtected(reader, schemas);
  const text = JSON.stringify(before);
  const read = protectedFingerprintSchema.parse(JSON.parse(text));
  expect(compareFingerprints(read, await fingerprintProtected(reader, schemas))).toEqual([]);
  expect(Object.keys(before.tables)).toHaveLength(6);
  expect(before.tables["llm_assistant.llm_docs_chunks"]?.rows).toBe("63");
  expect(text).not.toContain("appointments");
  expect(before.extension === null).toBe(!target.hasPgvector);
});

it("goes on beside a writer that holds its locks", async () => {
  await withConnection(database.connection, { purpose: "test" }, async (writer) => {
    await writer.query("BEGIN; UPDATE llm_assistant.llm_query_cache SET hits = hits + 1");
    const during = await fingerprintProtected(reader, schemas);
    expect(during.tables["llm_assistant.llm_query_cache"]?.rows).toBe("40");
    const { rows } = await writer.query(
      "SELECT count(*)::int AS held FROM pg_locks WHERE pid = $1 AND mode <> 'AccessShareLock' AND relation IS NOT NULL",
      [(reader as pg.Client & { processID: number }).processID],
    );
    expect(rows).toEqual([{ held: 0 }]);
    await writer.query("ROLLBACK");
  });
});

describe("what its own users drop while it is looked at is in nobody's way:", () => {
  const asOwner = (statements: string) =>
    withConnection(database.connection, { purpose: "test" }, (client) => client.query(statements));

  it.each([
    {
      what: "a table",
      create: "CREATE TABLE llm_assistant.staging (id int)",
      drop: "DROP TABLE llm_assistant.staging",
      at: /FROM ONLY "?llm_assistant"?\."?staging/,
    },
    {
      what: "a column",
      create: "CREATE TABLE llm_assistant.staging (id int, note text)",
      drop: "ALTER TABLE llm_assistant.staging DROP COLUMN note",
      at: /FROM ONLY "?llm_assistant"?\."?staging/,
    },
    {
      what: "a sequence",
      create: "CREATE SEQUENCE llm_assistant.staging",
      drop: "DROP SEQUENCE llm_assistant.staging",
      at: /is_called .*"?llm_assistant"?\."?staging/s,
    },
  ])("$what", async ({ create, drop, at }) => {
    await asOwner(create);
    const hashed: string[] = [];
    let dropped = 0;
    const query = async (...call: Parameters<pg.Client["query"]>) => {
      const [statement] = call as readonly unknown[];
      const text = typeof statement === "string" ? statement : (statement as { text: string }).text;
      if (dropped === 0 && at.test(text)) {
        dropped = 1;
        await asOwner(drop);
      }
      const table = /FROM ONLY (\S+)/.exec(text)?.[1];
      if (table !== undefined) hashed.push(table);
      return reader.query(...call);
    };
    const client = new Proxy(reader, {
      get: (target, name) => (name === "query" ? query : Reflect.get(target, name)),
    });
    try {
      const seen = await fingerprintProtected(client, schemas);
      expect(dropped).toBe(1);
      // What was read before is not read again: a large table takes minutes.
      expect(hashed.filter((table) => !table.includes("staging"))).toHaveLength(
        Object.keys(seen.tables).filter((table) => !table.includes("staging")).length,
      );
      expect(Object.keys(seen.sequences)).not.toContain("llm_assistant.staging");
    } finally {
      await asOwner(
        "DROP TABLE IF EXISTS llm_assistant.staging; DROP SEQUENCE IF EXISTS llm_assistant.staging",
      );
    }
  });

  it("views, whose definitions the server opens one by one", async () => {
    // Wherever the server begins, it comes by the one that waits before it has read all others.
    const others = Array.from({ length: 40 }, (_, index) => `llm_assistant.report_${index}`);
    const held = "llm_assistant.report_held";
    const made = [...others.slice(20), held, ...others.slice(0, 20)].map(
      (view) => `CREATE VIEW ${view} AS SELECT id FROM llm_assistant.${view === held ? "other" : "staging"}`,
    );
    await asOwner(
      `CREATE TABLE llm_assistant.staging (id int); CREATE TABLE llm_assistant.other (id int); ${made.join("; ")}`,
    );
    const pid = (reader as pg.Client & { processID: number }).processID;
    await withConnection(database.connection, { purpose: "test" }, async (owner) => {
      await owner.query("BEGIN; LOCK TABLE llm_assistant.other IN ACCESS EXCLUSIVE MODE");
      const looking = fingerprintStructure(reader, schemas).then(
        (structure) => Object.keys(structure),
        (error: unknown) => error,
      );
      await expect
        .poll(async () => {
          const { rows } = await owner.query(
            "SELECT count(*)::int AS waiting FROM pg_locks WHERE pid = $1 AND NOT granted",
            [pid],
          );
          return rows;
        })
        .toEqual([{ waiting: 1 }]);
      await asOwner(`DROP VIEW ${others.join(", ")}`);
      await owner.query("COMMIT");
      const seen = await looking;
      await asOwner("DROP TABLE llm_assistant.staging, llm_assistant.other CASCADE");
      expect(seen).not.toBeInstanceOf(Error);
      expect(String(seen).match(/view llm_assistant\.report_\w+/g)).toEqual([`view ${held}`]);
    });
  });
});

describe("what is never theirs", () => {
  it.each([
    [
      "REINDEX INDEX llm_assistant.llm_docs_chunks_module_idx",
      ["identity of index llm_assistant.llm_docs_chunks_module_idx"],
    ],
    [
      "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'llm_assistant.llm_docs_chunks_module_idx'::regclass",
      ["definition of index llm_assistant.llm_docs_chunks_module_idx"],
    ],
    [
      "DROP INDEX llm_assistant.llm_conv_memory_conversation_idx",
      ["missing of index llm_assistant.llm_conv_memory_conversation_idx"],
    ],
    [
      "CREATE OR REPLACE FUNCTION llm_assistant.detect_modules(question text) RETURNS SETOF text LANGUAGE sql STABLE SET search_path = llm_assistant, public AS 'SELECT NULL::text'",
      ["definition of function llm_assistant.detect_modules(text)"],
    ],
    ["GRANT USAGE ON SCHEMA llm_assistant TO PUBLIC", ["definition of schema llm_assistant"]],
    ["ALTER SCHEMA llm_assistant OWNER TO pg_monitor", ["definition of schema llm_assistant"]],
    [
      "ALTER DEFAULT PRIVILEGES IN SCHEMA llm_assistant GRANT SELECT ON TABLES TO pg_monitor",
      ["added of default privileges llm_assistant.postgres on tables"],
    ],
    ["COMMENT ON SCHEMA llm_assistant IS 'x'", ["definition of schema llm_assistant"]],
    [
      "SELECT setval('llm_assistant.llm_docs_chunks_id_seq', 1)",
      ["position of sequence llm_assistant.llm_docs_chunks_id_seq"],
    ],
    [
      "ALTER TABLE llm_assistant.llm_docs_hashes ADD COLUMN extra int",
      ["added of column llm_assistant.llm_docs_hashes.extra", "rows of table llm_assistant.llm_docs_hashes"],
    ],
  ])("%s", async (statements, expected) => {
    expect(await changesBy(statements)).toEqual(expected);
  });

  it("rows that changed without a counted write", async () => {
    expect(
      await changesBy("UPDATE llm_assistant.llm_query_cache SET hits = hits + 1", "SET track_counts = off;"),
    ).toEqual(["rows of table llm_assistant.llm_query_cache"]);
  });

  it.skipIf(!target.hasPgvector)("the vector extension in another schema", async () => {
    expect(await changesBy("CREATE SCHEMA elsewhere; ALTER EXTENSION vector SET SCHEMA elsewhere")).toContain(
      "version of extension vector",
    );
  });
});

describe("what is theirs", () => {
  it("rows and the sequence behind them, where writes were counted", async () => {
    expect(
      await changesBy(
        "INSERT INTO llm_assistant.llm_conv_memory (conversation_id, role, content) VALUES (gen_random_uuid(), 'user', 'hello')",
      ),
    ).toEqual([
      "position of sequence llm_assistant.llm_conv_memory_id_seq (theirs)",
      "rows of table llm_assistant.llm_conv_memory (theirs)",
    ]);
  });

  it("is decided table by table", async () => {
    const before = await fingerprintProtected(reader, schemas);
    const changed = (name: string, writes: number): ProtectedFingerprint["tables"] => {
      const table = before.tables[name] as ProtectedFingerprint["tables"][string];
      return { [name]: { ...table, rows: "1", writesAtEnd: table.writesAtStart + writes } };
    };
    const after = {
      ...before,
      tables: {
        ...before.tables,
        ...changed("llm_assistant.llm_query_cache", 1),
        ...changed("llm_assistant.llm_docs_hashes", 0),
      },
    };
    expect(compareFingerprints(before, after)).toEqual([
      { object: "table llm_assistant.llm_docs_hashes", aspect: "rows", provablyTheirs: false },
      { object: "table llm_assistant.llm_query_cache", aspect: "rows", provablyTheirs: true },
    ]);
  });
});

describe("a crash of the server", () => {
  it("puts its sequences forward by itself, and nothing else", async () => {
    const server = await startServer({ role: "target" });
    const read = () =>
      withConnection(server.connection(), { purpose: "test" }, (client) =>
        fingerprintProtected(client, ["llm_assistant"]),
      );
    try {
      await withConnection(server.connection(), { purpose: "test" }, (client) =>
        client.query(`
          CREATE SCHEMA llm_assistant; CREATE SEQUENCE llm_assistant.up; CREATE SEQUENCE llm_assistant.down INCREMENT -3;
          CREATE SEQUENCE llm_assistant.moved; CHECKPOINT;
          SELECT nextval('llm_assistant.up'), nextval('llm_assistant.down'), nextval('llm_assistant.moved')`),
      );
      const before = await read();
      await server.stop("immediate");
      await server.start();
      const after = await read();
      expect(after.sequences["llm_assistant.up"]?.lastValue).not.toBe("1");
      expect(compareFingerprints(before, after)).toEqual([]);
      await withConnection(server.connection(), { purpose: "test" }, (client) =>
        client.query("SELECT nextval('llm_assistant.moved'), setval('llm_assistant.up', 1)"),
      );
      const objects = compareFingerprints(before, await read()).map(({ object }) => object);
      expect(objects).toEqual(["sequence llm_assistant.moved"]);
      expect(compareFingerprints(after, await read())).toHaveLength(2);
    } finally {
      await server.dispose();
    }
  });
});
