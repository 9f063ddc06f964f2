import { describe, expect, onTestFinished, test } from "vitest";
import {
  checkSourceActivity,
  readActivity,
} from "../../../components/migration/preflight/database/activity.ts";
import { checkWritePause } from "../../../components/migration/preflight/write-pause.ts";
import { withConnection } from "../../../components/postgres/connection.ts";
import { createDatabase } from "../../world/postgres/databases.ts";
import { sharedServers } from "../../world/postgres/shared.ts";

describe("the estimate of the write pause", () => {
  const estimates = (copyMs: number | null) =>
    ({ copyMs, gateMs: 1_000 }) as Parameters<typeof checkWritePause>[0];

  test("longer than the limit is a warning", () => {
    expect(checkWritePause(estimates(60_000), 60_000)).toMatchObject([
      { code: "WRITE_PAUSE_LIMIT_SHORT", severity: "warning" },
    ]);
  });

  test("within the limit, or unknown, is none", () => {
    expect(checkWritePause(estimates(59_000), 60_000)).toEqual([]);
    expect(checkWritePause(estimates(null), 60_000)).toEqual([]);
  });
});

test("transactions that have been open for long are one warning with the names of their applications", async () => {
  const database = await createDatabase(sharedServers().source);
  onTestFinished(() => database.drop());
  await withConnection(database.connection, { purpose: "nightly" }, async (writer) => {
    await writer.query("BEGIN");
    await writer.query("SELECT txid_current()");
    await withConnection(database.connection, { purpose: "test" }, async (client) => {
      expect(checkSourceActivity(await readActivity(client, 0))).toMatchObject([
        { code: "LONG_TRANSACTION", severity: "warning", why: expect.stringMatching(/nightly \(\d+ s\)/) },
      ]);
      expect(checkSourceActivity(await readActivity(client))).toEqual([]);
    });
  });
});
