import type pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readCatalogueMark } from "../../../components/postgres/catalogue/catalogue-mark.ts";
import { connect } from "../../../components/postgres/connection.ts";
import { createDatabase, type TestDatabase } from "../../world/postgres/databases.ts";
import { sharedServers } from "../../world/postgres/shared.ts";

let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await createDatabase(sharedServers().source);
  client = await connect(database.connection, { purpose: "test" });
  await client.query(`
    create schema care;
    create type care.mood as enum ('calm', 'tense');
    create table care.patient (id serial primary key, name text not null, mood care.mood);
    create function care.label(text) returns text language sql immutable as 'select $1';
    create view care.calm as select id from care.patient where mood = 'calm';
    create materialized view care.names as select name from care.patient;
    create role mark_reader`);
});

afterAll(async () => {
  await client?.query("drop owned by mark_reader cascade; drop role mark_reader");
  await client?.end();
  await database?.drop();
});

it.each([
  "insert into care.patient (name) select 'Ada' || n from generate_series(1, 2000) n",
  "select nextval('care.patient_id_seq')",
  "update care.patient set name = 'Eve'",
  "analyze care.patient",
  "vacuum care.patient",
  "create role mark_newcomer; drop role mark_newcomer",
])("stays the same over what defines nothing: %s", async (statement) => {
  const before = await readCatalogueMark(client);
  await client.query(statement);
  expect(await readCatalogueMark(client)).toBe(before);
});

it.each([
  "alter table care.patient add column born date",
  "alter table care.patient alter column born set default current_date",
  "alter table care.patient alter column born drop default",
  "alter table care.patient drop column born",
  "create index patient_name on care.patient (name)",
  "alter index care.patient_name set (fillfactor = 70)",
  "drop index care.patient_name",
  "create or replace function care.label(text) returns text language sql immutable as 'select upper($1)'",
  "alter function care.label(text) set work_mem = '8MB'",
  "alter type care.mood add value 'glad'",
  "alter sequence care.patient_id_seq increment 2",
  "create or replace view care.calm as select id from care.patient where mood = 'tense'",
  "comment on table care.patient is 'who comes'",
  "grant select on care.patient to mark_reader",
  "alter default privileges in schema care grant select on tables to mark_reader",
  "create rule quiet as on delete to care.patient do instead nothing",
  "alter table care.patient enable row level security",
  "create policy own on care.patient using (true)",
  "drop policy own on care.patient",
  "alter table care.patient add constraint named check (name <> '')",
  "alter table care.patient cluster on patient_pkey",
  "alter schema care owner to mark_reader",
])("changes with %s", async (statement) => {
  const before = await readCatalogueMark(client);
  await client.query(statement);
  expect(await readCatalogueMark(client)).not.toBe(before);
});

it("is the same however many processes of the server answer", async () => {
  const before = await readCatalogueMark(client);
  await client.query(`
    set min_parallel_table_scan_size = 0;
    set min_parallel_index_scan_size = 0;
    set parallel_setup_cost = 0;
    set parallel_tuple_cost = 0;
    set max_parallel_workers_per_gather = 4`);
  const marks: string[] = [];
  for (let attempt = 0; attempt < 20; attempt++) marks.push(await readCatalogueMark(client));
  await client.query("reset all; set search_path = pg_catalog");
  expect(new Set(marks)).toEqual(new Set([before]));
});
