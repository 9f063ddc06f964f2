import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { maintenanceDatabase } from "../../../components/migration/fence/maintenance.ts";
import {
  assertNobodyReturned,
  assertNothingReplicated,
  emptySource,
  foreignSessions,
  waitUntilEmpty,
} from "../../../components/migration/fence/source-sessions.ts";
import type { Acceptance } from "../../../components/migration/inputs.ts";
import { connect, withConnection } from "../../../components/postgres/connection.ts";
import { closeSourceFence, inTransaction, setSeal } from "../../../components/postgres/fence/fence.ts";
import { listTables } from "../../../components/postgres/relations.ts";
import { createDatabase, type TestDatabase } from "../../world/postgres/databases.ts";
import { defaultDatabase, startServer } from "../../world/postgres/server.ts";
import { sharedServers } from "../../world/postgres/shared.ts";

const servers = sharedServers();
let database: TestDatabase;
let maintenance: pg.Client;

beforeEach(async () => {
  database = await createDatabase(servers.source);
  const { connection } = database;
  maintenance = await connect(connection, {
    purpose: "control",
    database: maintenanceDatabase(connection),
  });
});
afterEach(async () => {
  await maintenance.end();
  await database.drop();
});

/** A session of somebody else, with what else its login says. */
async function stranger(name: string, login: Partial<pg.ClientConfig> = {}): Promise<pg.Client> {
  const { host, port, user, password, database: inside } = database.connection;
  const client = new pg.Client({
    host,
    port,
    user,
    password,
    database: inside,
    application_name: name,
    ...login,
  });
  client.on("error", () => {});
  await client.connect();
  return client;
}

interface Consumer {
  /** How often it came. */
  visits(): number;
  readonly refused: Promise<void>;
}

/** A consumer that comes back as soon as it is ended, for as long as the database lets it. */
async function insistent(name: string): Promise<Consumer> {
  const first = await stranger(name);
  let visits = 1;
  const insist = async (client: pg.Client): Promise<void> => {
    await new Promise((resolve) => client.once("end", resolve));
    const next = await stranger(name).catch(() => undefined);
    if (next === undefined) return;
    visits += 1;
    await insist(next);
  };
  return { visits: () => visits, refused: insist(first) };
}

/** @param consumer who is back by the time that everybody was given to come back */
const empty = async (consumer: Consumer, accept: readonly Acceptance[] = []) => {
  const { database: name } = database.connection;
  const before = consumer.visits();
  const emptied = await emptySource(maintenance, name);
  await expect.poll(consumer.visits).toBeGreaterThan(before);
  await assertNobodyReturned(maintenance, emptied, { database: name, settleMs: 300, accept });
};

const seal = () => setSeal(maintenance, database.connection.database, true);
const reason = "it only watches";

describe("emptying the source", () => {
  it("names who comes back", async () => {
    const consumer = await insistent("nightly");
    await expect(empty(consumer)).rejects.toMatchObject({
      code: "SOURCE_STILL_USED",
      message: expect.stringContaining("nightly from 127.0.0.1"),
    });
    await seal();
    await waitUntilEmpty(maintenance, database.connection.database);
    await consumer.refused;
  });

  it.each([
    ["nightly", "nightly"],
    ["", "unnamed"],
  ])(
    "lets a consumer that is accepted by name (%o) come back until the seal cuts it off",
    async (name, object) => {
      const consumer = await insistent(name);
      await empty(consumer, [{ code: "SOURCE_STILL_USED", object, reason }]);
      await expect(
        empty(consumer, [{ code: "SOURCE_STILL_USED", object: "another", reason }]),
      ).rejects.toMatchObject({ code: "SOURCE_STILL_USED" });
      await seal();
      await waitUntilEmpty(maintenance, database.connection.database);
      await consumer.refused;
      expect(await foreignSessions(maintenance, database.connection.database)).toEqual([]);
    },
  );

  it("ends those that stream changes from the database, too", async () => {
    await stranger("warehouse", { replication: "database" } as pg.ClientConfig);
    const [found] = await foreignSessions(maintenance, database.connection.database);
    expect(found).toMatchObject({ name: "warehouse", kind: "walsender" });
    await seal();
    await waitUntilEmpty(maintenance, database.connection.database);
    expect(await foreignSessions(maintenance, database.connection.database)).toEqual([]);
  });
});

/**
 * A session reads the settings of its role after it has been let in and before it is in any list of sessions
 * (`InitPostgres` in PostgreSQL's postinit.c): whoever locks them holds it in its start. They are the whole server's, so
 * it is one of the test's own.
 */
describe("a session that was let in before the seal and is still starting", () => {
  const sealed = defaultDatabase;
  let own: pg.Client;
  let starting: Promise<pg.Client>;
  let letItStart: () => Promise<unknown>;

  beforeEach(async () => {
    const server = await startServer({ role: "source" });
    const holder = await connect(server.connection("postgres"), { purpose: "test" });
    own = await connect(server.connection("postgres"), { purpose: "control" });
    await holder.query("begin; lock table pg_db_role_setting in access exclusive mode");
    letItStart = () => holder.query("rollback");
    const { host, port, user, password } = server.connection();
    starting = stranger("slow", { host, port, user, password, database: sealed });
    starting.catch(() => {});
    const waiting = "select from pg_locks where relation = 'pg_db_role_setting'::regclass and not granted";
    await expect.poll(async () => (await own.query(waiting)).rowCount).toBe(1);
    expect(await foreignSessions(own, sealed)).toEqual([]);
    await setSeal(own, sealed, true);
    return async () => {
      await Promise.all([holder.end(), own.end()]);
      await server.dispose();
    };
  });

  it("is waited for, and ended", async () => {
    let isEmpty = false;
    const emptied = waitUntilEmpty(own, sealed).then(() => {
      isEmpty = true;
    });
    await delay(300);
    expect(isEmpty).toBe(false);
    await letItStart();
    await emptied;
    // It may be ended before it learns that it has started.
    await expect(starting.then((client) => client.query("select 1"))).rejects.toThrow();
  });

  it("is given up on in time", async () => {
    await expect(waitUntilEmpty(own, sealed, 300)).rejects.toMatchObject({ code: "SOURCE_STILL_USED" });
    await letItStart();
    await waitUntilEmpty(own, sealed);
  });
});

it("finds logical replication into the source, which passes its fence", async () => {
  const publisher = await startServer({ role: "target", settings: { wal_level: "logical" } });
  onTestFinished(() => publisher.dispose());
  const origin = publisher.connection();
  const { connection } = database;
  const ddl = "create table public.patient (id int primary key)";
  await withConnection(origin, { purpose: "test" }, async (client) => {
    await client.query(`${ddl}; create publication feed for table public.patient`);
  });
  await withConnection(connection, { purpose: "test" }, async (client) => {
    await client.query(ddl);
    await client.query(
      `create subscription feed connection 'host=${origin.host} port=${origin.port} user=${origin.user} password=${origin.password} dbname=${origin.database}' publication feed`,
    );
    await expect
      .poll(async () => (await client.query("select srsubstate as state from pg_subscription_rel")).rows)
      .toEqual([{ state: "r" }]);
    await inTransaction(client, async () =>
      closeSourceFence(client, {
        tables: await listTables(client, ["public"]),
        ...{ schemas: ["public"], migrationId: "m1", epoch: 1, yieldAfterMs: null },
      }),
    );
    await withConnection(origin, { purpose: "test" }, (other) =>
      other.query("insert into public.patient values (1)"),
    );
    await expect
      .poll(async () => (await client.query("select id from public.patient")).rows)
      .toEqual([{ id: 1 }]);

    const used = { code: "SOURCE_STILL_USED", message: expect.stringContaining("subscription feed") };
    await expect(emptySource(maintenance, connection.database)).rejects.toMatchObject(used);
    await expect(waitUntilEmpty(maintenance, connection.database)).rejects.toMatchObject(used);
    await client.query("alter subscription feed disable; alter subscription feed set (slot_name = none)");
    await expect
      .poll(() => assertNothingReplicated(maintenance, connection.database).then(() => "quiet", String))
      .toBe("quiet");
    await client.query("drop subscription feed");
  });
});
