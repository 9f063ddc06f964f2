import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect } from "../../../components/postgres/connection.ts";
import { hashLargeObjects, hashTable } from "../../../components/postgres/content/content-hash.ts";
import { hashTables } from "../../../components/postgres/content/hash-tables.ts";
import { listTables } from "../../../components/postgres/relations.ts";
import { createDatabase, type TestDatabase } from "../../world/postgres/databases.ts";
import { sharedServers } from "../../world/postgres/shared.ts";

let databases: TestDatabase[];
let source: pg.Client;
let target: pg.Client;

beforeAll(async () => {
  const servers = sharedServers();
  databases = [await createDatabase(servers.source), await createDatabase(servers.target)];
  [source, target] = (await Promise.all(
    databases.map(({ connection }) => connect(connection, { purpose: "test" })),
  )) as [pg.Client, pg.Client];
  // Other oids on the target than on the source, also for built-in names that are looked up.
  await target.query(
    "CREATE TYPE public.filler AS ENUM ('a'); CREATE TABLE public.filler_table(a public.filler)",
  );
  await target.query("DROP TABLE public.filler_table; DROP TYPE public.filler");
});

afterAll(async () => {
  await Promise.all([source?.end(), target?.end()]);
  await Promise.all((databases ?? []).map((database) => database.drop()));
});

/** The digest of one table that holds the given rows of the given columns. */
async function digestOf(client: pg.Client, columns: string, rows: string): Promise<string> {
  await client.query("DROP TABLE IF EXISTS public.sample");
  await client.query(`CREATE TABLE public.sample(${columns})`);
  if (rows !== "") await client.query(`INSERT INTO public.sample VALUES ${rows}`);
  const [table] = await listTables(client, ["public"]);
  if (table === undefined) throw new Error("the sample table is not listed");
  const { rows: count, hash } = await hashTable(client, table);
  return `${count} ${hash}`;
}

describe("contents that differ", () => {
  it.each([
    ["NULL and the empty text", "a text", "(NULL)", "('')"],
    ["a border between columns", "a text, b text", "('a','bc')", "('ab','c')"],
    ["two NULL columns", "a text, b text", "(NULL,'x')", "('x',NULL)"],
    ["a value swapped between rows", "a int, b int", "(1,10),(2,20)", "(1,20),(2,10)"],
    ["a repeated row", "a int", "(1),(1),(2)", "(1),(2),(2)"],
    ["0 and -0", "a float8", "('0')", "('-0')"],
    ["0 and -0 in a float4", "a float4", "('0')", "('-0')"],
    ["the scale of a numeric", "a numeric", "(1.0)", "(1.00)"],
    ["the scale of a numeric in jsonb", "a jsonb", `('{"a":1.0}')`, `('{"a":1.00}')`],
    ["white space in json", "a json", `('{"a":1}')`, `('{"a": 1}')`],
    ["a microsecond", "a timestamptz", "('2025-01-01 10:00+00')", "('2025-01-01 10:00:00.000001+00')"],
    ["2^32 and 1, alike to the hash of int8", "a bigint", "(4294967296)", "(1)"],
    ["one byte", "a bytea", "('\\x00ff')", "('\\x00fe')"],
    ["one day and 24 hours", "a interval", "('1 day')", "('24 hours')"],
    ["letter case under a collation that ignores it", "a text COLLATE public.loose", "('a')", "('A')"],
    ["trailing blanks", "a bpchar", "('a')", "('a ')"],
    ["a row of NULLs and NULL", "a public.pair", "(ROW(NULL,NULL)::public.pair)", "(NULL)"],
    ["a point", "a point", "('(1,2)')", "('(2,1)')"],
    ["the order in an array", "a text[]", "('{a,b}')", "('{b,a}')"],
    ["an enum's label", "a public.grade", "('low')", "('high')"],
    ["offset of a time", "a timetz", "('10:00+01')", "('09:00+00')"],
  ])("%s", async (_name, columns, before, after) => {
    await prepareTypes(source);
    expect(await digestOf(source, columns, before)).not.toBe(await digestOf(source, columns, after));
  });
});

describe("contents that are the same", () => {
  it("in another physical order", async () => {
    expect(await digestOf(source, "a int, b text", "(1,'x'),(2,'y')")).toBe(
      await digestOf(source, "a int, b text", "(2,'y'),(1,'x')"),
    );
  });

  it("with the columns in another order", async () => {
    expect(await digestOf(source, "a int, b text", "(1,'x')")).toBe(
      await digestOf(source, "b text, a int", "('x',1)"),
    );
  });

  it.each(["float4", "float8"])("whatever the bits of a NaN, which text does not keep: %s", async (type) => {
    expect(await digestOf(source, `a ${type}`, `('NaN'), (-'NaN'::${type})`)).toBe(
      await digestOf(source, `a ${type}`, "('NaN'), ('NaN')"),
    );
  });

  it.each([
    ["an enum with other oids", "a public.grade, b public.grade[]", "('low', '{high,low}')"],
    ["a composite type with other oids", "a public.pair", "(ROW(1,'x')::public.pair)"],
    ["a domain", "a public.score", "(1.50)"],
    ["a range", "a public.grades", "('[low,high]')"],
    [
      "values of many built-in types",
      "a bool, b int2, c int8, d float8, e numeric, f text, g uuid, h jsonb, i xml, j inet, k interval, l tsvector, m money, n bit(3), o timestamptz, p int4range, q date, r time",
      `(true, -1, -5, 0.1, 1.10, 'ä\u{1F600}', '6f9619ff-8b86-d011-b42d-00cf4fc964ff', '{"b":[1,null]}', '<a/>',
        '10.0.0.1/24', '1 mon 2 days', 'a:1 b:2', 12.5, B'101', 'infinity', '[1,5)', '2025-02-03', '10:11:12.123456')`,
    ],
  ])("on servers of two majors: %s", async (_name, columns, rows) => {
    await Promise.all([prepareTypes(source), prepareTypes(target)]);
    expect(await digestOf(source, columns, rows)).toBe(await digestOf(target, columns, rows));
  });
});

describe("hashTables", () => {
  it("counts a partition's rows once, and a parent's without its children's", async () => {
    await source.query(`
      CREATE SCHEMA parts;
      CREATE TABLE parts.whole(a int) PARTITION BY LIST (a);
      CREATE TABLE parts.one PARTITION OF parts.whole FOR VALUES IN (1);
      CREATE TABLE parts.rest PARTITION OF parts.whole DEFAULT;
      INSERT INTO parts.whole VALUES (1), (2), (3);
      CREATE TABLE parts.parent(a int);
      CREATE TABLE parts.child() INHERITS (parts.parent);
      INSERT INTO parts.parent VALUES (1);
      INSERT INTO parts.child VALUES (2), (3);
    `);
    const digests = await hashAll(await listTables(source, ["parts"]));
    expect(digests.map(({ name, rows }) => [name, rows])).toEqual([
      ["child", "2"],
      ["one", "1"],
      ["parent", "1"],
      ["rest", "2"],
      ["whole", "0"],
    ]);
  });

  it("reads under an exported snapshot", async () => {
    await source.query("CREATE SCHEMA still; CREATE TABLE still.t(a int); INSERT INTO still.t VALUES (1)");
    const tables = await listTables(source, ["still"]);
    const before = await hashAll(tables);
    await source.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
    const { rows } = await source.query("SELECT pg_export_snapshot() AS snapshot");
    const writer = await connect(connectionOf(0), { purpose: "test" });
    await writer.query("INSERT INTO still.t VALUES (2)");
    await writer.end();
    expect(await hashAll(tables, rows[0].snapshot)).toEqual(before);
    await source.query("COMMIT");
    expect(await hashAll(tables)).not.toEqual(before);
  });

  it("leaves out a table whose columns are not as declared, and goes on", async () => {
    await source.query("CREATE SCHEMA odd; CREATE TABLE odd.gone(a int); CREATE TABLE odd.kept(a int)");
    const tables = await listTables(source, ["odd"]);
    await source.query("ALTER TABLE odd.gone RENAME COLUMN a TO b");
    const mismatches: string[] = [];
    const digests = await hashTables({
      connect: () => connect(connectionOf(0), { purpose: "test", readOnly: true }),
      tables,
      workers: 1,
      onMismatch: ({ name }) => mismatches.push(name),
    });
    expect(mismatches).toEqual(["gone"]);
    expect(digests.map(({ name }) => name)).toEqual(["kept"]);
    await expect(hashAll(tables)).rejects.toMatchObject({ code: "42703" });
  });
});

it("hashes large objects by number and content", async () => {
  const empty = await hashLargeObjects(source);
  expect(empty).toEqual({ count: "0", hash: "0".repeat(32) });
  await source.query("SELECT lo_from_bytea(4711, '\\x0001')");
  const one = await hashLargeObjects(source);
  await source.query("SELECT lo_put(4711, 1, '\\x02')");
  const changed = await hashLargeObjects(source);
  expect(one.count).toBe("1");
  expect(changed.hash).not.toBe(one.hash);
  await source.query("SELECT lo_unlink(4711)");
  expect(await hashLargeObjects(source)).toEqual(empty);
});

const prepared = new WeakSet<pg.Client>();

async function prepareTypes(client: pg.Client): Promise<void> {
  if (prepared.has(client)) return;
  prepared.add(client);
  await client.query(`
    CREATE TYPE public.grade AS ENUM ('low', 'high');
    CREATE TYPE public.pair AS (a int, b text);
    CREATE DOMAIN public.score AS numeric;
    CREATE TYPE public.grades AS RANGE (subtype = public.grade);
    CREATE COLLATION public.loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
  `);
}

function connectionOf(index: number) {
  const database = databases[index];
  if (database === undefined) throw new Error("no such database");
  return database.connection;
}

function hashAll(tables: Awaited<ReturnType<typeof listTables>>, snapshot?: string) {
  return hashTables({
    connect: () => connect(connectionOf(0), { purpose: "test", readOnly: true }),
    tables,
    workers: 2,
    snapshot,
  });
}
