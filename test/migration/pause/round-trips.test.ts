import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { afterEach, beforeEach, expect, it } from "vitest";
import { assertCatalogueUnchanged } from "../../../components/migration/gate/gate.ts";
import { beginMigration, ensureJournal, transition } from "../../../components/migration/journal/journal.ts";
import { pauseWrites } from "../../../components/migration/pause/write-pause.ts";
import { hashCatalogue } from "../../../components/postgres/catalogue/catalogue.ts";
import { type ConnectionTarget, connect, withConnection } from "../../../components/postgres/connection.ts";
import {
  closeSourceFence,
  closeTargetFence,
  inTransaction,
  isTargetFenceOpen,
  limitSourceFence,
  openSourceFence,
  readFence,
  removeFence,
} from "../../../components/postgres/fence/fence.ts";
import { startWireProxy, type WireProxy } from "../../protocol/wire-proxy.ts";
import { createDatabase, type TestDatabase } from "../../world/postgres/databases.ts";
import { sharedServers } from "../../world/postgres/shared.ts";
import { loadingRecord, switchingRecord } from "../records.ts";

/** Between here and a distant server each costs 40 to 150 ms, in which nobody can write. */
const servers = sharedServers();
const schemas = ["public"];
const tables = ["a", "b", "c", "d"].map((name) => ({ schema: "public", name }));
let database: TestDatabase;
let proxy: WireProxy;
let distant: ConnectionTarget;

beforeEach(async () => {
  database = await createDatabase(servers.source);
  proxy = await startWireProxy({ host: servers.source.host, port: servers.source.port });
  distant = { ...database.connection, host: "127.0.0.1", port: proxy.port, tls: "off" };
  await withConnection(database.connection, { purpose: "test" }, (client) =>
    client.query(tables.map(({ name }) => `create table public.${name} (id int primary key);`).join(" ")),
  );
});

afterEach(async () => {
  await proxy.close();
  await database.drop();
});

/** Statements that a session sent when it had the answers to all those before: what it waited for, and how it began. */
async function waitsOf(work: () => Promise<unknown>): Promise<string[]> {
  const unanswered = new Map<number, number>();
  const waits: string[] = [];
  proxy.intercept(async ({ stage, connection, text }) => {
    const before = unanswered.get(connection) ?? 0;
    if (stage === "before") {
      unanswered.set(connection, before + 1);
      if (before === 0) waits.push(text.trim().split(/\s+/).slice(0, 2).join(" ").toLowerCase());
    } else {
      // As long as the answer is under way, everything comes that is sent without it.
      await delay(20);
      unanswered.set(connection, before - 1);
    }
    return "go-on";
  });
  try {
    await work();
    return waits;
  } finally {
    proxy.intercept(undefined);
  }
}

function overThere(
  purpose: string,
  use: (client: pg.Client) => Promise<void>,
  pipeline = false,
): Promise<void> {
  return withConnection(distant, { purpose, pipeline }, use);
}

it("the source's fence closes in three round trips beside its transaction, and is read in two", async () => {
  await overThere("lock", async (client) => {
    const waits = await waitsOf(() =>
      inTransaction(client, () =>
        closeSourceFence(client, { tables, schemas, migrationId: "m1", epoch: 1, yieldAfterMs: 60_000 }),
      ),
    );
    expect(waits).toEqual([
      "begin",
      "create schema",
      "select setval('pgvector_cutover.passed',",
      "create or",
      "commit",
    ]);
    expect(await waitsOf(() => readFence(client, schemas))).toHaveLength(2);
    expect(await waitsOf(() => limitSourceFence(client, schemas, null))).toHaveLength(5);
    expect(await readFence(client, schemas)).toMatchObject({
      unfenced: [],
      eventTriggers: true,
      witness: { migrationId: "m1", epoch: 1, yielded: false, yieldsAt: null },
    });
    await openSourceFence(client, "m1");
    const removal = await waitsOf(() => removeFence(client));
    expect(removal.filter((text) => text === "set local")).toHaveLength(1 + tables.length);
    expect(removal).toHaveLength(1 + tables.length + 3);
  });
});

it("the target's fence closes in one, and opens with the promotion's", async () => {
  await overThere("control", async (client) => {
    await ensureJournal(client);
    expect(await waitsOf(() => closeTargetFence(client, { tables, schemas }))).toHaveLength(1);
    expect(await readFence(client, schemas)).toMatchObject({ unfenced: [], eventTriggers: true });
    const owner = await beginMigration(client, "m1", loadingRecord());
    const promote = transition.bind(undefined, client, owner, "loading", switchingRecord(), "promoted", {
      opensFence: true,
    });
    expect(await waitsOf(promote)).toHaveLength(1);
    expect(await isTargetFenceOpen(client)).toBe(true);
    await client.query("update pgvector_cutover.fence set open = false");
    await expect(promote()).rejects.toMatchObject({ code: "JOURNAL_LOST" });
    expect(await isTargetFenceOpen(client)).toBe(false);
  });
});

it("the whole catalogue is compared in two", async () => {
  await overThere(
    "seal",
    async (client) => {
      const sourceCatalogue = await hashCatalogue(client, schemas);
      const waits = await waitsOf(() => assertCatalogueUnchanged(client, schemas, { sourceCatalogue }));
      expect(waits.length).toBeLessThanOrEqual(2);
    },
    true,
  );
});

it("between the locks and all that the snapshot shows there is one", async () => {
  const lockSession = await connect(distant, { purpose: "lock" });
  const paused: Array<Awaited<ReturnType<typeof pauseWrites>>> = [];
  try {
    const waits = await waitsOf(async () => {
      paused.push(
        await pauseWrites({
          source: distant,
          lockSession,
          schemas,
          lockTimeoutMs: 10_000,
          pauseLimitMs: 60_000,
          reporter: { step: () => {}, detail: () => {} },
          isEngineAlive: async () => true,
        }),
      );
    });
    expect(waits.slice(waits.indexOf("lock table"))).toEqual(["lock table", "begin transaction"]);
    expect(paused[0]?.tables.map(({ name }) => name)).toEqual(["a", "b", "c", "d"]);
  } finally {
    await paused[0]?.release();
    await lockSession.end();
  }
});

it("a session of many statements at once is opened in one round trip beside the login's", async () => {
  const { signal } = new AbortController();
  const admit = async (client: pg.Client) => void (await client.query("select 'admitted'"));
  const opened = async (pipeline: boolean) => {
    const waits = await waitsOf(async () => {
      const client = await connect(
        { ...distant, admission: { signal, admit } },
        { purpose: "gate", pipeline },
      );
      await client.end();
    });
    return waits.length;
  };
  expect([await opened(true), await opened(false)]).toEqual([1, 2]);
});
