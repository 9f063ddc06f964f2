import { afterAll, beforeAll, expect, it } from "vitest";
import { connect, withConnection } from "../../components/postgres/connection.ts";
import { eachRow } from "../../components/postgres/each-row.ts";
import { createDatabase, type TestDatabase } from "../world/postgres/databases.ts";
import { sharedServers } from "../world/postgres/shared.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase(sharedServers().target);
});

afterAll(() => database?.drop());

const series = { text: "SELECT n FROM generate_series(1, $1::int) AS n", values: [1_000] };

it.each([true, false])("hands over each row and ends with the statement, pipelined %s", async (pipeline) => {
  await withConnection(database.connection, { purpose: "test", pipeline }, async (client) => {
    const numbers: number[] = [];
    await eachRow<{ n: number }>(client, series, ({ n }) => numbers.push(n));
    expect(numbers).toEqual(Array.from({ length: 1_000 }, (_, index) => index + 1));
  });
});

it("visits nothing after a visit that failed, and leaves the session as it was", async () => {
  await withConnection(database.connection, { purpose: "test", pipeline: true }, async (client) => {
    let visits = 0;
    const failing = eachRow(client, series, () => {
      visits += 1;
      throw new Error("enough");
    });
    const [behind] = await Promise.all([
      client.query("SELECT 2 AS two"),
      expect(failing).rejects.toThrow("enough"),
    ]);
    expect([visits, behind.rows]).toEqual([1, [{ two: 2 }]]);
  });
});

it("fails as the server says, after the rows that came before", async () => {
  await withConnection(database.connection, { purpose: "test" }, async (client) => {
    const dividing = { text: "SELECT 1 / (2 - n) AS share FROM generate_series(1, 3) AS n" };
    await expect(eachRow(client, dividing, () => {})).rejects.toMatchObject({ code: "22012" });
    await expect(eachRow(client, { text: "SELECT" }, () => {})).resolves.toBeUndefined();
  });
});

it("fails on a session that is lost or over", async () => {
  const client = await connect(database.connection, { purpose: "test" });
  const { rows } = await client.query("SELECT pg_backend_pid() AS pid");
  const sleeping = eachRow(client, { text: "SELECT pg_sleep(60)" }, () => {});
  await Promise.all([
    expect(sleeping).rejects.toThrow(),
    withConnection(database.connection, { purpose: "test" }, (other) =>
      other.query("SELECT pg_terminate_backend($1)", [rows[0].pid]),
    ),
  ]);
  await expect(eachRow(client, series, () => {})).rejects.toThrow();
});
