import { expect, test } from "vitest";
import { withConnection } from "../../../components/postgres/connection.ts";
import { sharedServers } from "../postgres/shared.ts";
import { type Container, startContainer } from "../railway/container.ts";
import { eventually } from "../railway/test-world.ts";
import { appCommand } from "./app-command.ts";
import { type AppDatabase, createAppDatabase } from "./app-database.ts";
import { judgeHistory, type Verdict } from "./checker.ts";
import { startCommitCutter } from "./commit-cutter.ts";
import type { LedgerEntry } from "./ledger.ts";
import { type WriterSettings, writerVariables } from "./writer-settings.ts";

interface AppOptions {
  readonly deployment?: string;
  readonly writers?: Partial<WriterSettings>;
  /** Where the private name leads to, instead of straight to the server. */
  readonly port?: number;
}

/** Starts one deployment whose `DATABASE_URL` names a private host that only the network map resolves. */
function startApp(
  database: AppDatabase,
  { deployment = "first", writers = {}, port = database.connection.port }: AppOptions = {},
): Promise<Container> {
  const { user, password, host } = database.connection;
  return startContainer(appCommand, {
    ...writerVariables({ lanes: ["plain", "plain"], intervalMs: 5, ...writers }),
    DATABASE_URL: `postgresql://${user}:${password}@postgres.railway.internal:5432/${database.connection.database}`,
    WORLD_PRIVATE_NETWORK: JSON.stringify({ "postgres.railway.internal:5432": { host, port } }),
    SERVICE_NAME: "api",
    DEPLOYMENT_ID: deployment,
    WORLD_LEDGER: `${database.ledgerFolder}/${deployment}.jsonl`,
  });
}

async function judge(database: AppDatabase): Promise<Verdict> {
  return judgeHistory({
    entries: await database.readEntries(),
    stored: await database.readStored(),
    oldDatabase: database.address,
    newDatabase: "elsewhere",
    active: "old",
  });
}

async function count(database: AppDatabase, matches: (entry: LedgerEntry) => boolean): Promise<number> {
  return (await database.readEntries()).filter(matches).length;
}

/** Waits until there are more such entries than now. */
async function awaitMore(
  database: AppDatabase,
  matches: (entry: LedgerEntry) => boolean,
  more = 1,
): Promise<void> {
  const before = await count(database, matches);
  await eventually(async () => (await count(database, matches)) >= before + more);
}

const isAcknowledged = ({ event }: LedgerEntry) => event === "acknowledged";
const isRefused = (sqlState: string) => (entry: LedgerEntry) =>
  entry.event === "refused" && entry.sqlState === sqlState;

function administrate(statement: string) {
  return withConnection(sharedServers().source.connection("postgres"), { purpose: "world" }, (client) =>
    client.query(statement),
  );
}

function endSessions(database: AppDatabase) {
  return administrate(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = '${database.connection.database}' AND application_name = 'api'`,
  );
}

test("it writes through several sessions of its name, records each acknowledgement, and ends in order", async () => {
  await using database = await createAppDatabase();
  const app = await startApp(database);
  await awaitMore(database, isAcknowledged, 5);
  expect((await fetch(`${app.url}/health`)).status).toBe(200);
  expect((await fetch(`${app.url}/`, { method: "POST" })).status).toBe(200);
  const sessions = await database.query(
    "SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name = 'api' AND datname = current_database()",
  );
  expect(sessions[0]?.count).toBeGreaterThanOrEqual(2);
  await app.terminate(5_000);
  expect(await app.exited).toBe(0);
  const verdict = await judge(database);
  expect(verdict).toMatchObject({ violations: [], rejected: 0 });
  // Nothing was under way when it ended: what is stored was acknowledged.
  expect(verdict.acknowledged).toBe((await database.readStored()).rows.length);
});

test("what is refused is tried again as the same write, and none is lost", async () => {
  await using database = await createAppDatabase();
  const app = await startApp(database);
  await awaitMore(database, isAcknowledged, 5);
  await database.query(`
    CREATE FUNCTION public.fence() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'fenced' USING ERRCODE = '25006'; END $$;
    CREATE TRIGGER fence BEFORE INSERT ON public."AppWrite" EXECUTE FUNCTION public.fence();`);
  await awaitMore(database, isRefused("25006"));
  expect((await fetch(`${app.url}/health`)).status).toBe(200);
  await database.query(`DROP TRIGGER fence ON public."AppWrite"`);
  await awaitMore(database, isAcknowledged, 5);
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
  await awaitMore(database, isAcknowledged, 5);
  await administrate(`ALTER DATABASE "${database.connection.database}" ALLOW_CONNECTIONS false`);
  await endSessions(database);
  await awaitMore(database, isRefused("55000"));
  expect((await fetch(`${app.url}/health`)).status).toBe(503);
  await administrate(`ALTER DATABASE "${database.connection.database}" ALLOW_CONNECTIONS true`);
  await awaitMore(database, isAcknowledged, 5);
  expect((await fetch(`${app.url}/health`)).status).toBe(200);
  await app.terminate(5_000);
  expect((await judge(database)).violations).toEqual([]);
});

test("a COMMIT without an answer is of unknown outcome, until the retry finds the row that it left", async () => {
  await using database = await createAppDatabase();
  const cutter = await startCommitCutter(database.connection, 4);
  const app = await startApp(database, { port: cutter.port });
  await awaitMore(database, ({ event }) => event === "confirmed", 3);
  await app.terminate(5_000);
  await cutter.close();
  const verdict = await judge(database);
  // What the cutter stands before is what counts, not the port that was connected to: no UNKNOWN_DATABASE.
  expect(verdict.violations).toEqual([]);
  expect(verdict.unknown).toBe(cutter.cuts());
  const entries = await database.readEntries();
  for (const { id } of entries.filter((entry) => entry.event === "confirmed")) {
    const events = entries.flatMap((entry) => ("id" in entry && entry.id === id ? [entry.event] : []));
    expect(events).toEqual(["unknown", "confirmed"]);
  }
});

test("it looks for what was acknowledged, also while it cannot write, and records what is missing", async () => {
  await using database = await createAppDatabase();
  const app = await startApp(database);
  const finds = (entry: LedgerEntry) => entry.event === "read" && entry.found === 2;
  await awaitMore(database, finds);
  await administrate(
    `ALTER DATABASE "${database.connection.database}" SET default_transaction_read_only = on`,
  );
  await endSessions(database);
  await awaitMore(database, isRefused("25006"));
  await awaitMore(database, finds);
  await database.query(`SET default_transaction_read_only = off; DELETE FROM public."AppWrite"`);
  await awaitMore(database, (entry) => entry.event === "read" && entry.missing.length === 2);
  await app.terminate(5_000);
  expect((await judge(database)).violations.map(({ rule }) => rule)).toEqual(["LOST", "TORN", "STALE_READ"]);
});

test("it draws numbers without writing, each once", async () => {
  await using database = await createAppDatabase();
  const apps = await Promise.all(
    ["first", "second"].map((deployment) =>
      startApp(database, { deployment, writers: { lanes: [], numberLanes: 2 } }),
    ),
  );
  await awaitMore(database, ({ event }) => event === "drawn", 40);
  await Promise.all(apps.map((app) => app.terminate(5_000)));
  expect(await judge(database)).toMatchObject({ violations: [], acknowledged: 0 });
  await database.query("SELECT setval('practice_management.claim_number', 500000)");
  const again = await startApp(database, { deployment: "third", writers: { lanes: [], numberLanes: 1 } });
  await awaitMore(database, ({ event }) => event === "drawn", 10);
  await again.terminate(5_000);
  expect((await judge(database)).violations.map(({ rule }) => rule)).toEqual(["NUMBER_TWICE"]);
});

test("a killed deployment that starts again goes on after its last stored write", async () => {
  await using database = await createAppDatabase();
  const killed = await startApp(database);
  await awaitMore(database, isAcknowledged, 5);
  await killed.terminate(0);
  const again = await startApp(database);
  await awaitMore(database, isAcknowledged, 5);
  await again.terminate(5_000);
  expect((await judge(database)).violations).toEqual([]);
});

test("two deployments of one service write side by side under names of their own", async () => {
  await using database = await createAppDatabase();
  const apps = await Promise.all(["first", "second"].map((deployment) => startApp(database, { deployment })));
  await eventually(
    async () => new Set((await database.readEntries()).map((entry) => entry.writer)).size === 4,
  );
  await Promise.all(apps.map((app) => app.terminate(5_000)));
  expect(await judge(database)).toMatchObject({ violations: [], rejected: 0 });
});

test("a private name that the network does not know, or an empty reference, is no database", async () => {
  await using database = await createAppDatabase();
  const environment = {
    ...writerVariables(),
    SERVICE_NAME: "api",
    DEPLOYMENT_ID: "first",
    WORLD_PRIVATE_NETWORK: "{}",
    WORLD_LEDGER: `${database.ledgerFolder}/first.jsonl`,
  };
  const app = await startContainer(appCommand, {
    ...environment,
    DATABASE_URL: "postgresql://u:p@nowhere.railway.internal:5432/railway",
  });
  expect((await fetch(`${app.url}/health`)).status).toBe(503);
  await app.terminate(5_000);
  await expect(startContainer(appCommand, { ...environment, DATABASE_URL: "" })).rejects.toThrow(
    "ended before it listened",
  );
});
