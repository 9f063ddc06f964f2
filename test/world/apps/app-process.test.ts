import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { withConnection } from "../../../components/postgres/connection.ts";
import { sharedServers } from "../postgres/shared.ts";
import { type Container, startContainer } from "../railway/container.ts";
import { eventually } from "../railway/test-world.ts";
import { type AppDatabase, createAppDatabase } from "./app-database.ts";
import { judgeHistory } from "./checker.ts";

const program = fileURLToPath(new URL("./app-process.ts", import.meta.url));

/** Starts one deployment whose `DATABASE_URL` names a private host that only the network map resolves. */
function startApp(database: AppDatabase, deployment = "first", intervalMs = 5): Promise<Container> {
  const { user, password, host, port } = database.connection;
  return startContainer([process.execPath, program], {
    DATABASE_URL: `postgresql://${user}:${password}@postgres.railway.internal:5432/${database.connection.database}`,
    WORLD_PRIVATE_NETWORK: JSON.stringify({ "postgres.railway.internal:5432": { host, port } }),
    SERVICE_NAME: "api",
    DEPLOYMENT_ID: deployment,
    WORLD_LEDGER: `${database.ledgerFolder}/${deployment}.jsonl`,
    WRITE_INTERVAL_MS: String(intervalMs),
  });
}

async function acknowledgedCount(database: AppDatabase): Promise<number> {
  return (await database.readEntries()).filter((entry) => entry.outcome === "acknowledged").length;
}

async function judge(database: AppDatabase) {
  return judgeHistory({
    entries: await database.readEntries(),
    stored: await database.readStored(),
    oldDatabase: database.address,
    newDatabase: "elsewhere",
  });
}

/** Rejections with that state, beyond those that were there before. */
async function awaitRejection(database: AppDatabase, sqlState: string): Promise<void> {
  await eventually(async () =>
    (await database.readEntries()).some(
      (entry) => entry.outcome === "rejected" && entry.sqlState === sqlState,
    ),
  );
}

async function awaitMoreWrites(database: AppDatabase): Promise<void> {
  const before = await acknowledgedCount(database);
  await eventually(async () => (await acknowledgedCount(database)) > before + 5);
}

test("it writes through several sessions of its name, records each acknowledgement, and ends in order", async () => {
  await using database = await createAppDatabase();
  const app = await startApp(database);
  await awaitMoreWrites(database);
  expect((await fetch(`${app.url}/health`)).status).toBe(200);
  expect((await fetch(`${app.url}/`, { method: "POST" })).status).toBe(200);
  const sessions = await database.query(
    "SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name = 'api' AND datname = current_database()",
  );
  expect(sessions[0]?.count).toBeGreaterThanOrEqual(2);
  await app.terminate(5_000);
  expect(await app.exited).toBe(0);
  const verdict = await judge(database);
  expect(verdict.violations).toEqual([]);
  // Nothing was under way when it ended: what is stored was acknowledged.
  expect(verdict.acknowledged).toBe((await database.readStored()).rows.length);
});

test("it keeps trying the same write while the database is read-only, and loses none", async () => {
  await using database = await createAppDatabase();
  const app = await startApp(database);
  await awaitMoreWrites(database);
  await database.query(`
    CREATE FUNCTION public.fence() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'fenced' USING ERRCODE = '25006'; END $$;
    CREATE TRIGGER fence BEFORE INSERT ON public."AppWrite" EXECUTE FUNCTION public.fence();`);
  await awaitRejection(database, "25006");
  expect((await fetch(`${app.url}/health`)).status).toBe(200);
  await database.query(`DROP TRIGGER fence ON public."AppWrite"`);
  await awaitMoreWrites(database);
  await app.terminate(5_000);
  expect((await judge(database)).violations).toEqual([]);
  const { rows } = await database.readStored();
  for (const writer of new Set(rows.map((row) => row.writer))) {
    const own = rows.filter((row) => row.writer === writer).map((row) => row.sequence);
    expect(own.toSorted((a, b) => a - b)).toEqual(own.map((_, index) => index + 1));
  }
});

test("ended sessions and a sealed database are survived", async () => {
  await using database = await createAppDatabase();
  const app = await startApp(database);
  await awaitMoreWrites(database);
  const name = database.connection.database;
  const administrate = (statement: string) =>
    withConnection(sharedServers().source.connection("postgres"), { purpose: "world" }, (client) =>
      client.query(statement),
    );
  await administrate(`ALTER DATABASE "${name}" ALLOW_CONNECTIONS false`);
  await administrate(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}' AND application_name = 'api'`,
  );
  await awaitRejection(database, "55000");
  expect((await fetch(`${app.url}/health`)).status).toBe(503);
  await administrate(`ALTER DATABASE "${name}" ALLOW_CONNECTIONS true`);
  await awaitMoreWrites(database);
  expect((await fetch(`${app.url}/health`)).status).toBe(200);
  await app.terminate(5_000);
  expect((await judge(database)).violations).toEqual([]);
});

test("a killed deployment that starts again goes on after its last stored write", async () => {
  await using database = await createAppDatabase();
  const killed = await startApp(database);
  await awaitMoreWrites(database);
  await killed.terminate(0);
  const again = await startApp(database);
  await awaitMoreWrites(database);
  await again.terminate(5_000);
  expect((await judge(database)).violations).toEqual([]);
});

test("two deployments of one service write side by side under names of their own", async () => {
  await using database = await createAppDatabase();
  const apps = await Promise.all([startApp(database, "first"), startApp(database, "second")]);
  await eventually(
    async () => new Set((await database.readEntries()).map((entry) => entry.writer)).size === 4,
  );
  await Promise.all(apps.map((app) => app.terminate(5_000)));
  const entries = await database.readEntries();
  expect(entries.filter((entry) => entry.outcome === "rejected")).toEqual([]);
  expect((await judge(database)).violations).toEqual([]);
});

test("a private name that the network does not know, or an empty reference, is no database", async () => {
  await using database = await createAppDatabase();
  const environment = {
    SERVICE_NAME: "api",
    DEPLOYMENT_ID: "first",
    WORLD_PRIVATE_NETWORK: "{}",
    WORLD_LEDGER: `${database.ledgerFolder}/first.jsonl`,
  };
  const app = await startContainer([process.execPath, program], {
    ...environment,
    DATABASE_URL: "postgresql://u:p@nowhere.railway.internal:5432/railway",
  });
  expect((await fetch(`${app.url}/health`)).status).toBe(503);
  await app.terminate(5_000);
  await expect(
    startContainer([process.execPath, program], { ...environment, DATABASE_URL: "" }),
  ).rejects.toThrow("ended before it listened");
});
