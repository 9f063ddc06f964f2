import { expect, test } from "vitest";
import { type AppDatabase, createAppDatabase } from "../apps/app-database.ts";
import { judgeHistory } from "../apps/checker.ts";
import { buildHealthcareWorld, healthcareServiceNames } from "./healthcare-world.ts";
import { defaultPace } from "./pace.ts";
import { startSimulator } from "./simulator.ts";
import { eventually, schemaSdl } from "./test-world.ts";

function accountOf({ connection }: AppDatabase) {
  const { host, port, user, password, database } = connection;
  // The servers are shared by all tests: these may not stop them.
  return { user, password, database, server: { host, port, stop: async () => {}, start: async () => {} } };
}

test("four services write to Postgres, and each moves with its own deployment while the others go on", async () => {
  await using source = await createAppDatabase("source");
  await using target = await createAppDatabase("target");
  const simulator = await startSimulator({
    schemaSdl,
    world: buildHealthcareWorld({
      postgres: accountOf(source),
      pgvector: accountOf(target),
      ledgerFolder: source.ledgerFolder,
    }),
    pace: { ...defaultPace, initializingMs: [10, 20], buildingMs: [50, 100], deployingMs: [10, 20] },
  });
  try {
    const writersOn = async (address: string) => {
      const entries = await source.readEntries();
      const there = entries.filter((entry) => entry.event === "acknowledged" && entry.database === address);
      return new Set(there.map((entry) => entry.writer.split("/").slice(0, -2).join("/")));
    };
    await eventually(async () => (await writersOn(source.address)).size === healthcareServiceNames.length);
    const [sessions] = await source.query(
      "SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name LIKE '@healthcare/%' AND datname = current_database()",
    );
    expect(sessions?.count).toBeGreaterThanOrEqual(8);

    simulator.setVariableByHand("@healthcare/api", "DATABASE_URL", "${{pgvector.DATABASE_URL}}", {
      deploy: true,
    });
    await simulator.settle();
    await eventually(async () => (await writersOn(target.address)).has("@healthcare/api"));
    expect([...(await writersOn(target.address))]).toEqual(["@healthcare/api"]);
    // A server notices some time after its client's end that it has gone.
    await expect
      .poll(() =>
        source.query(
          "SELECT DISTINCT application_name AS name FROM pg_stat_activity WHERE application_name LIKE '@healthcare/%' AND datname = current_database() ORDER BY 1",
        ),
      )
      .toEqual(
        healthcareServiceNames
          .filter((name) => name !== "@healthcare/api")
          .toSorted()
          .map((name) => ({ name })),
      );
  } finally {
    await simulator.stop();
  }
  // Without a cutover around it, this is the split brain that the checker exists for.
  const verdict = judgeHistory({
    entries: await source.readEntries(),
    stored: await target.readStored(),
    oldDatabase: source.address,
    newDatabase: target.address,
    active: "new",
  });
  expect(verdict.violations.map((one) => one.rule)).toEqual(expect.arrayContaining(["LOST", "TWO_WRITERS"]));
});
