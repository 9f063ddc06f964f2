import { describe, expect, test } from "vitest";
import { checkSourceActivity } from "../../components/migration/preflight/database/activity.ts";
import { checkWritePause } from "../../components/migration/preflight/write-pause.ts";

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

test("transactions that have been open for long are one warning with the names of their applications", () => {
  const nothing = {
    preparedTransactions: [],
    replicationSlots: [],
    publications: [],
    subscriptions: [],
    eventTriggers: [],
  };
  const longTransactions = [{ application: "nightly", seconds: 320 }];
  expect(checkSourceActivity({ ...nothing, longTransactions })).toMatchObject([
    { code: "LONG_TRANSACTION", severity: "warning", why: expect.stringContaining("nightly (320 s)") },
  ]);
});
