import { expect, test } from "vitest";
import { withConnection } from "../../../components/postgres/connection.ts";
import { setSeal } from "../../../components/postgres/fence/fence.ts";
import { sharedServers } from "../postgres/shared.ts";
import { eventually } from "../railway/test-world.ts";
import { createAppDatabase } from "./app-database.ts";
import { monotonicMs } from "./clock.ts";
import { startStraightJob } from "./straight-job.ts";

test("it never gives up on its database, and its writes are in the ledgers like everybody's", async () => {
  await using database = await createAppDatabase();
  const { connection, ledgerFolder, address } = database;
  const job = await startStraightJob({
    ...{ name: "nightly-export", connection, ledgerFolder },
    writers: { lanes: ["plain", "long"], intervalMs: 5, holdMs: 20 },
  });
  const awaitEntry = async (event: string, sqlState: string | null) => {
    const sinceMs = monotonicMs();
    await eventually(async () =>
      (await database.readEntries()).some(
        (entry) =>
          entry.event === event &&
          entry.startedAtMs > sinceMs &&
          (sqlState === null || (entry.event === "refused" && entry.sqlState === sqlState)),
      ),
    );
  };
  const maintain = (sealed: boolean) =>
    withConnection(sharedServers().source.connection("postgres"), { purpose: "test" }, async (client) => {
      await setSeal(client, connection.database, sealed);
      await client.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", [
        connection.database,
      ]);
    });
  await awaitEntry("acknowledged", null);
  for (let time = 0; time < 2; time++) {
    await maintain(true);
    await awaitEntry("refused", "55000");
    await maintain(false);
    await awaitEntry("acknowledged", null);
  }
  await job.terminate(5_000);
  const entries = await database.readEntries();
  const { rows } = await database.readStored();
  const writers = ["nightly-export/by-hand/plain-0", "nightly-export/by-hand/long-1"];
  expect([...new Set(entries.map(({ writer }) => writer))].toSorted()).toEqual(writers.toSorted());
  expect(new Set(entries.map((entry) => entry.database))).toEqual(new Set([address]));
  expect(rows.length).toBeGreaterThanOrEqual(
    entries.filter(({ event }) => event === "acknowledged" || event === "confirmed").length,
  );
});
