import { expect, test } from "vitest";
import { connect, withConnection } from "../../../components/postgres/connection.ts";
import { createDatabase } from "./databases.ts";
import { sharedServers } from "./shared.ts";

const { source } = sharedServers();

test("a copy of a template has its content and is apart from it", async () => {
  const template = await createDatabase(source);
  await query(template.connection, "CREATE TABLE public.original AS SELECT 1 AS value");
  const copy = await createDatabase(source, { template: template.connection.database });
  await query(copy.connection, "UPDATE public.original SET value = 2");
  expect(await query(template.connection, "SELECT value FROM public.original")).toEqual([{ value: 1 }]);
  expect(await query(copy.connection, "SELECT value FROM public.original")).toEqual([{ value: 2 }]);
  await Promise.all([template.drop(), copy.drop()]);
});

test("drop ends sessions, works on a sealed database, and may be repeated", async () => {
  const database = await createDatabase(source);
  const session = await connect(database.connection, { purpose: "test" });
  await query(
    source.connection("postgres"),
    `ALTER DATABASE "${database.connection.database}" ALLOW_CONNECTIONS false`,
  );
  await database.drop();
  await database.drop();
  await expect(session.query("SELECT 1")).rejects.toThrow();
  await expect(connect(database.connection, { purpose: "test" })).rejects.toMatchObject({
    code: "DATABASE_NOT_FOUND",
  });
});

test("many at once do not get in each other's way", async () => {
  const databases = await Promise.all(Array.from({ length: 4 }, () => createDatabase(source)));
  expect(new Set(databases.map(({ connection }) => connection.database)).size).toBe(4);
  await Promise.all(databases.map((database) => database.drop()));
});

async function query(connection: Parameters<typeof connect>[0], statement: string): Promise<unknown[]> {
  return withConnection(
    connection,
    { purpose: "test" },
    async (client) => (await client.query(statement)).rows,
  );
}
