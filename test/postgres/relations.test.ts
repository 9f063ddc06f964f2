import type pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { connect } from "../../components/postgres/connection.ts";
import { currentMajor, listSchemas, listTables } from "../../components/postgres/relations.ts";
import { createDatabase, type TestDatabase } from "../world/postgres/databases.ts";
import { sharedServers } from "../world/postgres/shared.ts";

let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await createDatabase(sharedServers().source);
  client = await connect(database.connection, { purpose: "test" });
  await client.query(`
    CREATE SCHEMA "Odd ""Name""";
    CREATE TYPE public.mood AS ENUM ('sad');
    CREATE TABLE public.plain(
      id bigint GENERATED ALWAYS AS IDENTITY, gone int, name varchar(20) NOT NULL, moods public.mood[], mood public.mood,
      doubled int GENERATED ALWAYS AS (2 * 3) STORED);
    ALTER TABLE public.plain DROP COLUMN gone;
    ALTER TABLE public.plain ENABLE ROW LEVEL SECURITY;
    INSERT INTO public.plain(name) SELECT 'n' FROM generate_series(1, 1000);
    CREATE INDEX plain_name ON public.plain (name);
    CREATE TABLE public.whole(a int) PARTITION BY LIST (a);
    CREATE TABLE public.part PARTITION OF public.whole DEFAULT;
    CREATE TABLE "Odd ""Name"""."T.t"();
    CREATE VIEW public.no_table AS SELECT 1;
    CREATE TABLE public.of_extension(a int);
    INSERT INTO pg_depend SELECT 'pg_class'::regclass, 'public.of_extension'::regclass, 0, 'pg_extension'::regclass, oid, 0, 'e'
      FROM pg_extension WHERE extname = 'plpgsql';
  `);
});

afterAll(async () => {
  await client?.end();
  await database?.drop();
});

it("lists ordinary and partitioned tables, but neither views nor what belongs to an extension", async () => {
  const tables = await listTables(client, ["public", 'Odd "Name"']);
  expect(tables.map(({ schema, name, kind, isPartition }) => [schema, name, kind, isPartition])).toEqual([
    ['Odd "Name"', "T.t", "table", false],
    ["public", "part", "table", true],
    ["public", "plain", "table", false],
    ["public", "whole", "partitioned", false],
  ]);
});

it("tells sizes, estimates, row security and columns", async () => {
  await client.query("ANALYZE public.plain");
  const plain = (await listTables(client, ["public"])).find(({ name }) => name === "plain");
  expect(plain).toMatchObject({ estimatedRows: 1000, hasRowSecurity: true });
  expect(plain?.sizeBytes).toBeGreaterThan(20_000);
  expect(plain?.indexBytes).toBeGreaterThan(8_000);
  expect(plain?.columns).toEqual([
    {
      name: "id",
      type: "bigint",
      typeKind: "base",
      builtInType: "int8",
      generated: "no",
      isIdentity: true,
      notNull: true,
    },
    {
      name: "name",
      type: "character varying(20)",
      typeKind: "base",
      builtInType: "varchar",
      generated: "no",
      isIdentity: false,
      notNull: true,
    },
    {
      name: "moods",
      type: "public.mood[]",
      typeKind: "array",
      builtInType: null,
      generated: "no",
      isIdentity: false,
      notNull: false,
    },
    {
      name: "mood",
      type: "public.mood",
      typeKind: "enum",
      builtInType: null,
      generated: "no",
      isIdentity: false,
      notNull: false,
    },
    {
      name: "doubled",
      type: "integer",
      typeKind: "base",
      builtInType: "int4",
      generated: "stored",
      isIdentity: false,
      notNull: false,
    },
  ]);
});

it("says which schemas exist", async () => {
  expect(await listSchemas(client, ["public", "practice_managment", 'Odd "Name"'])).toEqual([
    'Odd "Name"',
    "public",
  ]);
});

it("reads the major version", async () => {
  expect(await currentMajor(client)).toBe(sharedServers().source.majorVersion);
});
