import type pg from "pg";
import { afterEach, beforeEach, expect, it } from "vitest";
import { syncSequences } from "../../../components/migration/copy/sequence-sync.ts";
import { connect } from "../../../components/postgres/connection.ts";
import { createDatabase, type TestDatabase } from "../../world/postgres/databases.ts";
import { sharedServers } from "../../world/postgres/shared.ts";

const servers = sharedServers();
let databases: TestDatabase[];
let open: pg.Client[];
let source: pg.Client;
let target: pg.Client;

beforeEach(async () => {
  databases = await Promise.all([createDatabase(servers.source), createDatabase(servers.target)]);
  open = [];
  [source, target] = [await session("source"), await session("target")];
});
afterEach(async () => {
  await Promise.all(open.map((client) => client.end()));
  await Promise.all(databases.map((database) => database.drop()));
});

async function session(side: "source" | "target"): Promise<pg.Client> {
  const database = databases[side === "source" ? 0 : 1] as TestDatabase;
  const client = await connect(database.connection, { purpose: "test" });
  open.push(client);
  return client;
}

const sync = () => syncSequences(source, target, ["public"]);

/** What each side hands out next. Draws it. */
async function next(client: pg.Client): Promise<string> {
  return (await client.query("select nextval('public.s')::text as next")).rows[0].next;
}

it.each([
  ["by a few", "", "setval('public.s', 7)"],
  ["by many", "", "setval('public.s', 5000000)"],
  ["to a number that nobody has drawn", "", "setval('public.s', 7, false)"],
  ["down", "increment -3 maxvalue 9 start 9", "setval('public.s', -60)"],
  ["down by many", "increment -3 maxvalue 9 start 9", "setval('public.s', -60000)"],
  [
    "from one end to the other",
    "minvalue -9223372036854775807 start -9223372036854775807",
    "setval('public.s', 9)",
  ],
  ["to its last number but one", "maxvalue 900", "setval('public.s', 899)"],
])("leads the target's sequence forward %s", async (_how, options, move) => {
  for (const client of [source, target]) await client.query(`create sequence public.s ${options}`);
  await source.query(`select ${move}`);
  await sync();
  await sync();
  expect(await next(target)).toBe(await next(source));
});

it("leads a sequence to its very end", async () => {
  for (const client of [source, target]) await client.query("create sequence public.s maxvalue 900");
  await source.query("select setval('public.s', 900)");
  await sync();
  await expect(next(target)).rejects.toMatchObject({ code: "2200H" });
});

it("passes a number over rather than giving it twice where sessions draw ahead", async () => {
  for (const client of [source, target]) await client.query("create sequence public.s cache 20");
  for (const drawn of [3, 50]) {
    await source.query("select setval('public.s', $1::bigint)", [drawn]);
    await sync();
    expect(Number(await next(await session("target")))).toBeGreaterThan(drawn);
  }
});

it("leaves a sequence alone that is ahead", async () => {
  for (const client of [source, target]) await client.query("create sequence public.s");
  await source.query("select setval('public.s', 7)");
  await target.query("select setval('public.s', 5000)");
  await sync();
  expect(await next(target)).toBe("5001");
});

it("gives no number twice while others draw from the target", async () => {
  for (const client of [source, target]) await client.query("create sequence public.s");
  const drawn: string[] = [];
  let isOver = false;
  const draw = async (client: pg.Client) => {
    while (!isOver) drawn.push(await next(client));
  };
  const drawers = [await session("target"), await session("target")].map(draw);
  try {
    for (let round = 0; round < 400; round++) {
      // Hardly ahead when it is read, the source is overtaken a moment later.
      const at = await target.query("select last_value::text as value from public.s");
      await source.query("select setval('public.s', $1::bigint + $2)", [at.rows[0].value, 2 + (round % 40)]);
      await sync();
    }
  } finally {
    isOver = true;
    await Promise.all(drawers);
  }
  expect(drawn.length).toBeGreaterThan(400);
  expect(new Set(drawn).size).toBe(drawn.length);
});
