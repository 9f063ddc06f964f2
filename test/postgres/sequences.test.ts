import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect } from "../../components/postgres/connection.ts";
import {
  advancesBeyond,
  readSequences,
  type SequenceState,
  setSequences,
} from "../../components/postgres/sequences.ts";
import { createDatabase, type TestDatabase } from "../world/postgres/databases.ts";
import { sharedServers } from "../world/postgres/shared.ts";

let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await createDatabase(sharedServers().source);
  client = await connect(database.connection, { purpose: "test" });
});

afterAll(async () => {
  await client?.end();
  await database?.drop();
});

it("reads positions without moving them, and sets them exactly", async () => {
  await client.query(`
    CREATE SCHEMA a; CREATE SCHEMA b;
    CREATE SEQUENCE a.fresh;
    CREATE SEQUENCE a."Odd ""\\ name" INCREMENT -3 MAXVALUE 9 START 9;
    CREATE SEQUENCE a.wide START 9223372036854775807;
    SELECT nextval('a."Odd ""\\ name"'), nextval('a."Odd ""\\ name"'), nextval('a.wide');
    CREATE SEQUENCE b.fresh;
    CREATE SEQUENCE b."Odd ""\\ name" INCREMENT -3 MAXVALUE 9 START 9;
    CREATE SEQUENCE b.wide;
  `);
  const states = await readSequences(client, ["a"]);
  expect(states).toEqual([
    { schema: "a", name: 'Odd "\\ name', lastValue: "6", isCalled: true, increment: "-3" },
    { schema: "a", name: "fresh", lastValue: "1", isCalled: false, increment: "1" },
    { schema: "a", name: "wide", lastValue: "9223372036854775807", isCalled: true, increment: "1" },
  ]);
  expect(await readSequences(client, ["a"])).toEqual(states);

  const copies = states.map((state) => ({ ...state, schema: "b" }));
  await setSequences(client, copies);
  expect(await readSequences(client, ["b"])).toEqual(copies);
  const { rows } = await client.query(
    `SELECT nextval('b.fresh')::text AS fresh, nextval('b."Odd ""\\ name"')::text AS odd`,
  );
  expect(rows).toEqual([{ fresh: "1", odd: "3" }]);
});

it("reads more sequences than fit one statement", async () => {
  await client.query(`
    CREATE SCHEMA many;
    DO $$ BEGIN FOR i IN 1..450 LOOP EXECUTE format('CREATE SEQUENCE many.s%s START %s', i, i); END LOOP; END $$`);
  const states = await readSequences(client, ["many"]);
  expect(states).toHaveLength(450);
  expect(states.every(({ name, lastValue }) => name === `s${lastValue}`)).toBe(true);
});

it("sets none when one is missing", async () => {
  await client.query("CREATE SCHEMA c; CREATE SEQUENCE c.present");
  const state = { schema: "c", lastValue: "5", isCalled: true, increment: "1" };
  await expect(
    setSequences(client, [
      { ...state, name: "present" },
      { ...state, name: "absent" },
    ]),
  ).rejects.toMatchObject({ code: "SEQUENCE_MISSING", message: expect.stringContaining("c.absent") });
  expect(await readSequences(client, ["c"])).toMatchObject([{ lastValue: "1", isCalled: false }]);
});

describe("advancesBeyond", () => {
  const at = (lastValue: string, isCalled: boolean, increment = "1"): SequenceState => ({
    schema: "s",
    name: "n",
    lastValue,
    isCalled,
    increment,
  });

  it.each([
    [at("5", true), at("4", true), true],
    [at("5", true), at("5", true), false],
    [at("1", true), at("1", false), true],
    [at("2", false), at("1", true), false],
    [at("4", true), at("5", true), false],
    [at("-5", true, "-1"), at("-4", true, "-1"), true],
    [at("-4", true, "-1"), at("-5", true, "-1"), false],
    [at("9223372036854775807", true), at("9223372036854775806", true), true],
  ])("%o beyond %o: %s", (state, other, expected) => {
    expect(advancesBeyond(state, other)).toBe(expected);
  });
});
