import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ConnectionTarget, withConnection } from "../../../components/postgres/connection.ts";
import { createDatabase, type TestDatabase } from "./databases.ts";
import { sharedServers } from "./shared.ts";
import { loadSourceFixture, sentinelMarker } from "./source-fixture.ts";
import { loadTargetFixture } from "./target-fixture.ts";

const { source, target } = sharedServers();

describe("the source", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createDatabase(source);
    await loadSourceFixture(database.connection);
  });
  afterAll(() => database?.drop());

  test("has at least 35 tables and 200,000 rows in three schemas", async () => {
    const counts = await countRows(database.connection);
    expect(counts.size).toBeGreaterThanOrEqual(35);
    expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(200_000);
    const schemas = new Set([...counts.keys()].map((name) => name.split(".")[0]));
    expect([...schemas].sort()).toEqual(["medical_records", "practice_management", "public"]);
    const empty = [...counts].filter(([, count]) => count === 0).map(([name]) => name);
    expect(empty.sort()).toEqual(["public.AppWrite", "public.WriterProgress"]);
  });

  test("has one of each kind of object that a copy can lose", async () => {
    const [kinds] = await query(
      database.connection,
      `SELECT
        (SELECT count(DISTINCT relkind)::int FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'i', 'I', 'S') AND ${ours("relnamespace")}) AS relations,
        (SELECT count(DISTINCT typtype)::int FROM pg_type WHERE typtype IN ('e', 'd', 'c') AND ${ours("typnamespace")}) AS types,
        (SELECT count(DISTINCT contype)::int FROM pg_constraint WHERE contype IN ('c', 'f', 'p', 'u', 'x') AND ${ours("connamespace")}) AS constraints,
        (SELECT count(DISTINCT amname)::int FROM pg_class JOIN pg_am a ON a.oid = relam WHERE relkind = 'i' AND ${ours("relnamespace")}) AS methods,
        (SELECT count(*) > 0 FROM pg_index WHERE indpred IS NOT NULL AND indrelid >= 16384) AS partial,
        (SELECT count(*) > 0 FROM pg_attribute WHERE attisdropped AND attrelid >= 16384) AS gap,
        (SELECT count(*)::int FROM (SELECT DISTINCT attidentity, attgenerated FROM pg_attribute WHERE attrelid >= 16384) kinds) AS computed,
        (SELECT count(*)::int FROM pg_trigger WHERE NOT tgisinternal) AS triggers,
        (SELECT count(*) >= 3 FROM pg_description WHERE objoid >= 16384) AS comments`,
    );
    expect(kinds).toEqual({
      relations: 7,
      types: 3,
      constraints: 5,
      methods: 4,
      partial: true,
      gap: true,
      computed: 4,
      triggers: 2,
      comments: true,
    });
  });

  test("has foreign keys from each of the three schemas to another", async () => {
    const crossing = await query(
      database.connection,
      `SELECT DISTINCT c.relnamespace::regnamespace::text AS schema FROM pg_constraint k
        JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class f ON f.oid = k.confrelid
        WHERE k.contype = 'f' AND c.relnamespace <> f.relnamespace ORDER BY 1`,
    );
    expect(crossing).toEqual([
      { schema: "medical_records" },
      { schema: "practice_management" },
      { schema: "public" },
    ]);
  });

  test("marks every patient's name and record number", async () => {
    const unmarked = await query(
      database.connection,
      `SELECT count(*)::int AS count FROM medical_records.patients
        WHERE mrn NOT LIKE '${sentinelMarker}%' OR "fullName" NOT LIKE '${sentinelMarker}%'`,
    );
    expect(unmarked).toEqual([{ count: 0 }]);
  });

  test("works for the application: sequences go on, triggers fire, unqualified names resolve", async () => {
    const [result] = await query(
      database.connection,
      `WITH claim AS (INSERT INTO practice_management.claims (policy_id, invoice_id)
          SELECT policy_id, invoice_id FROM practice_management.claims LIMIT 1 RETURNING id),
        provider AS (INSERT INTO practice_management.providers (id, practice_id, display_name, phone)
          SELECT gen_random_uuid(), id, 'new', '+34 600 000 001' FROM practice_management.practices LIMIT 1 RETURNING phone_digits)
        SELECT (SELECT phone_digits FROM provider) AS digits, (SELECT id FROM claim) > (SELECT max(id) FROM practice_management.claims) AS later`,
      "public",
    );
    expect(result).toEqual({ digits: "34600000001", later: true });
    const audited = "SELECT count(*)::int AS count FROM public.\"AuditLog\" WHERE action = 'UPDATE'";
    const before = await query(database.connection, audited);
    await query(database.connection, "UPDATE medical_records.patients SET sex = 'F' WHERE mrn LIKE '%1'");
    expect(await query(database.connection, audited)).not.toEqual(before);
  });

  test("is the same in every run, at any size", async () => {
    const hashes = await Promise.all(
      [1, 2].map(async () => {
        const small = await createDatabase(source);
        await loadSourceFixture(small.connection, { rows: 500 });
        const notes = `SELECT md5(string_agg(t::text, '' ORDER BY t::text)) AS notes FROM medical_records.clinical_notes t`;
        const hash = await query(small.connection, notes);
        await small.drop();
        return hash;
      }),
    );
    expect(hashes[0]).toEqual(hashes[1]);
  });
});

describe("the target", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createDatabase(target);
    await loadTargetFixture(database.connection, target);
  });
  afterAll(() => database?.drop());

  test("has the six tables of llm_assistant, 63 chunks among them, and nothing of the application", async () => {
    const counts = await countRows(database.connection);
    expect(Object.fromEntries(counts)).toEqual({
      "llm_assistant.llm_conv_memory": 60,
      "llm_assistant.llm_docs_chunks": 63,
      "llm_assistant.llm_docs_hashes": 7,
      "llm_assistant.llm_docs_versions": 3,
      "llm_assistant.llm_module_summaries": 7,
      "llm_assistant.llm_query_cache": 40,
    });
  });

  test("has HNSW indexes where there is pgvector", async () => {
    const hnsw = `SELECT count(*)::int AS count FROM pg_class JOIN pg_am a ON a.oid = relam WHERE amname = 'hnsw'`;
    expect(await query(database.connection, hnsw)).toEqual([{ count: target.hasPgvector ? 4 : 0 }]);
  });

  test("search_chunks and detect_modules answer", async () => {
    const search = `SELECT id::int FROM llm_assistant.search_chunks(
      (SELECT embedding FROM llm_assistant.llm_docs_chunks WHERE id = 20), 1)`;
    expect(await query(database.connection, search)).toEqual([{ id: 20 }]);
    const detect = "SELECT llm_assistant.detect_modules('How does billing treat a patient?') AS module";
    expect(await query(database.connection, detect)).toEqual([{ module: "billing" }, { module: "patients" }]);
  });
});

function ours(column: string): string {
  return `${column} = ANY (ARRAY['public', 'medical_records', 'practice_management']::regnamespace[])`;
}

/** Exact counts by `schema.table`, of ordinary tables and partitions. */
async function countRows(connection: ConnectionTarget): Promise<Map<string, number>> {
  const rows = await query(
    connection,
    `SELECT nspname || '.' || relname AS name,
        (xpath('/row/count/text()', query_to_xml(format('SELECT count(*) FROM %I.%I', nspname, relname), false, true, '')))[1]::text::int AS count
      FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
      WHERE relkind = 'r' AND nspname !~ '^(pg_|information_schema)' ORDER BY 1`,
  );
  return new Map(rows.map(({ name, count }) => [String(name), Number(count)]));
}

async function query(
  connection: ConnectionTarget,
  statement: string,
  searchPath = "pg_catalog",
): Promise<Record<string, unknown>[]> {
  return withConnection(connection, { purpose: "test" }, async (client) => {
    await client.query("SELECT set_config('search_path', $1, false)", [searchPath]);
    return (await client.query(statement)).rows;
  });
}
