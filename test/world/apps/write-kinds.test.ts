import pg from "pg";
import { afterEach, beforeEach, expect, test } from "vitest";
import { connect, withConnection } from "../../../components/postgres/connection.ts";
import {
  closeSourceFence,
  dropSourceSchema,
  openSourceFence,
  removeFence,
} from "../../../components/postgres/fence/fence.ts";
import { sharedServers } from "../postgres/shared.ts";
import type { Container } from "../railway/container.ts";
import { eventually } from "../railway/test-world.ts";
import { type AppDatabase, createAppDatabase } from "./app-database.ts";
import { judgeHistory } from "./checker.ts";
import { monotonicMs } from "./clock.ts";
import type { LedgerEvent } from "./ledger.ts";
import { startStraightJob } from "./straight-job.ts";
import { openTransaction, type WriteKind, writeKinds } from "./write-kinds.ts";

let database: AppDatabase;
let app: Container;

beforeEach(async () => {
  database = await createAppDatabase();
  app = await startStraightJob({
    name: "job",
    connection: database.connection,
    ledgerFolder: database.ledgerFolder,
    writers: { lanes: writeKinds, numberLanes: 1, intervalMs: 5, holdMs: 40, role: database.role },
  });
});

afterEach(async () => {
  await app?.terminate(5_000);
  await database?.[Symbol.asyncDispose]();
});

/** Attempts that began at that time or later. */
async function attemptsSince(startedAtMs: number) {
  const entries = await database.readEntries();
  return entries.filter(
    (entry): entry is LedgerEvent<"acknowledged" | "refused"> =>
      (entry.event === "acknowledged" || entry.event === "refused") && entry.startedAtMs >= startedAtMs,
  );
}

/** Waits until each of the kinds had an attempt that ended so, begun after this call. */
async function awaitEach(kinds: readonly WriteKind[], event: string, sqlState?: string): Promise<void> {
  const sinceMs = monotonicMs();
  await eventually(async () => {
    const attempts = await attemptsSince(sinceMs);
    const seen = attempts.filter(
      (one) => one.event === event && (one.event !== "refused" || one.sqlState === sqlState),
    );
    return kinds.every((kind) => seen.some((one) => one.kind === kind));
  });
}

async function judge() {
  return judgeHistory({
    entries: await database.readEntries(),
    stored: await database.readStored(),
    oldDatabase: database.address,
    newDatabase: "elsewhere",
    active: "old",
  });
}

test("every kind writes, is refused behind the fence, and goes on after it", async () => {
  await awaitEach(writeKinds, "acknowledged");
  const locks = await connect(database.connection, { purpose: "test" });
  const tables = ["AppWrite", "WriterProgress"].map((name) => ({ schema: "public", name }));
  await locks.query(
    `BEGIN; LOCK TABLE public."AppWrite", public."WriterProgress" IN SHARE ROW EXCLUSIVE MODE`,
  );
  // All of them wait, the one whose snapshot is older than the fence among them.
  await eventually(async () => {
    const [waiting] = await database.query(
      `SELECT count(*)::int AS count FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'job' AND wait_event_type = 'Lock'`,
    );
    return waiting?.count === writeKinds.length;
  });
  const fence = { tables, schemas: ["public"], migrationId: "test", epoch: 1, yieldAfterMs: null };
  await closeSourceFence(locks, fence);
  await locks.query("COMMIT");
  await locks.end();
  const fencedAtMs = monotonicMs();
  await awaitEach(writeKinds, "refused", "25006");
  const openedAtMs = monotonicMs();
  await withConnection(database.connection, { purpose: "test" }, async (client) => {
    await openSourceFence(client, fence.migrationId);
    await awaitEach(writeKinds, "acknowledged");
    await removeFence(client);
    await dropSourceSchema(client);
  });
  await awaitEach(writeKinds, "acknowledged");

  await app.terminate(5_000);
  const entries = await database.readEntries();
  const behindTheFence = entries.filter(
    (entry) =>
      entry.event === "acknowledged" && entry.commitSentAtMs > fencedAtMs && entry.endedAtMs < openedAtMs,
  );
  expect(behindTheFence).toEqual([]);
  expect(await judge()).toMatchObject({ violations: [], inFlightAtFence: writeKinds.length });
  // Neither the fence nor its locks hold a sequence.
  const drawn = entries.filter(
    (entry) => entry.event === "drawn" && entry.startedAtMs > fencedAtMs && entry.endedAtMs < openedAtMs,
  );
  expect(drawn.length).toBeGreaterThan(0);
});

test.each<[WriteKind, object]>([
  ["plain", { isolation: "read committed", role: "origin", prepared: [] }],
  ["long", { isolation: "repeatable read", role: "origin", prepared: [] }],
  ["replica", { isolation: "read committed", role: "replica", prepared: [] }],
  ["prepared", { isolation: "read committed", role: "origin", prepared: ["insertWrite", "saveProgress"] }],
])("a transaction of kind %s is what it says", async (kind, expected) => {
  await withConnection(database.connection, { purpose: "test" }, async (client) => {
    await openTransaction(client, kind, { writer: "test", sequence: 1, id: "test" }, 0);
    const { rows } = await client.query(
      `SELECT current_setting('transaction_isolation') AS isolation, current_setting('session_replication_role') AS role,
              ARRAY(SELECT name FROM pg_prepared_statements WHERE name <> '' ORDER BY 1) AS prepared`,
    );
    expect(rows).toEqual([expected]);
  });
});

test("a read-only default stops those that do not override it, and no others", async () => {
  await awaitEach(writeKinds, "acknowledged");
  const { database: name } = database.connection;
  await withConnection(sharedServers().source.connection("postgres"), { purpose: "test" }, async (client) => {
    await client.query(`ALTER DATABASE ${pg.escapeIdentifier(name)} SET default_transaction_read_only = on`);
    await client.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", [name]);
  });
  const sinceMs = monotonicMs();
  await awaitEach(["plain", "long", "prepared"], "refused", "25006");
  await awaitEach(["replica", "own-role"], "acknowledged");
  const attempts = await attemptsSince(sinceMs);
  const refused = attempts.filter((one) => one.event === "refused" && one.sqlState === "25006");
  expect(new Set(refused.map(({ kind }) => kind))).toEqual(new Set(["plain", "long", "prepared"]));
});

test("the role of its own is no superuser, and has no more than it was granted", async () => {
  await awaitEach(["own-role"], "acknowledged");
  const [role] = await database.query("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = $1", [
    database.role.user,
  ]);
  expect(role).toEqual({ rolsuper: false, rolbypassrls: false });
  await database.query(`REVOKE INSERT ON public."AppWrite" FROM "${database.role.user}"`);
  await awaitEach(["own-role"], "refused", "42501");
  await awaitEach(["plain"], "acknowledged");
});
