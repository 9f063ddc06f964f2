import type pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connect, withConnection } from "../../components/postgres/connection.ts";
import { inTurn } from "../../components/postgres/in-turn.ts";
import { createDatabase, type TestDatabase } from "../world/postgres/databases.ts";
import { sharedServers } from "../world/postgres/shared.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase(sharedServers().target);
});

afterAll(() => database?.drop());

/** What is begun before anything has been answered shows how many round trips it takes. */
async function begunAtOnce(client: pg.Client): Promise<{ begun: number; results: readonly number[] }> {
  let begun = 0;
  let answered = false;
  const results = await inTurn(
    client,
    [1, 2, 3].map((number) => async () => {
      if (!answered) begun++;
      const { rows } = await client.query("SELECT $1::int AS n", [number]);
      answered = true;
      return rows[0].n as number;
    }),
  );
  return { begun, results };
}

test.each([
  [true, 3],
  [false, 1],
])("pipelined %s: %i of three at once, the results in order", async (pipeline, begun) => {
  await withConnection(database.connection, { purpose: "test", pipeline }, async (client) => {
    expect(await begunAtOnce(client)).toEqual({ begun, results: [1, 2, 3] });
  });
});

test.each([true, false])(
  "pipelined %s: a failure is that of the first that fails, and leaves nothing at work",
  async (pipeline) => {
    const client = await connect(database.connection, { purpose: "test", pipeline });
    let ended = 0;
    const work = (statement: string) => async () => {
      await client.query(statement).finally(() => ended++);
    };
    const failing = inTurn(client, [work("SELECT 1"), work("SELECT 1/0"), work("SELECT nothing")]);
    await expect(failing).rejects.toMatchObject({ code: "22012" });
    expect(ended).toBe(pipeline ? 3 : 2);
    await client.end();
  },
);
