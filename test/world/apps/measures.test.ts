import { expect, test } from "vitest";
import type { HistoryInput } from "./history.ts";
import { sortOut } from "./history.ts";
import {
  acknowledged,
  confirmed,
  newDatabase,
  oldDatabase,
  orderlyHistory,
  refused,
  unknown,
} from "./history-fixture.ts";
import type { LedgerEntry } from "./ledger.ts";
import { type Measures, measure } from "./measures.ts";

const orderly = orderlyHistory();

function measured(entries: readonly LedgerEntry[], history: HistoryInput = orderly): Measures {
  return measure(sortOut({ ...history, entries }));
}

test("the measures of an orderly history", () => {
  expect(measured(orderly.entries)).toEqual({
    acknowledged: 5,
    rejected: 1,
    unknown: 0,
    readBack: 2,
    drawn: 2,
    // From the start of the refused attempt, at 340, to the first acknowledgement of the new database.
    switchPauseMs: 660,
    longestPauseMs: 660,
    inFlightAtFence: 1,
    // Five in the 300 ms that are left without the pause.
    writesPerSecond: 5 / 0.3,
  });
});

test("without a history there is nothing to measure", () => {
  expect(measured([])).toMatchObject({
    switchPauseMs: null,
    longestPauseMs: 0,
    inFlightAtFence: null,
    writesPerSecond: 0,
  });
});

test("a write of unknown outcome is rejected, and acknowledged once a retry finds it", () => {
  const entries = [unknown("api/b", 3, 1_150, newDatabase), confirmed("api/b", 3, 1_200, newDatabase)];
  expect(measured([...orderly.entries, ...entries])).toMatchObject({
    acknowledged: 6,
    rejected: 2,
    unknown: 1,
  });
});

test("the pause begins with the first attempt that was kept waiting, not with the first refusal", () => {
  const waiting = { ...refused("api/c", 1, 800, oldDatabase), startedAtMs: 295 };
  expect(measured([...orderly.entries, waiting])).toMatchObject({ switchPauseMs: 705 });
});

test("what the old database acknowledged before it stopped does not lengthen the pause", () => {
  const entries = [refused("api/a", 1, 50, oldDatabase), unknown("api/c", 1, 250, oldDatabase)];
  expect(measured([...orderly.entries, ...entries])).toMatchObject({ switchPauseMs: 660 });
});

test("a long transaction is in flight, but its start is not the start of the pause", () => {
  const long = { ...refused("api/c", 1, 350, oldDatabase), startedAtMs: 20, kind: "long" as const };
  expect(measured([...orderly.entries, long])).toMatchObject({ switchPauseMs: 660, inFlightAtFence: 2 });
});

test("in flight is what had begun before the first refusal and ended no earlier", () => {
  const entries = [
    ...[345, 348].map((startedAtMs) => ({ ...refused("api/c", 1, 352, oldDatabase), startedAtMs })),
    { ...unknown("api/d", 1, 900, oldDatabase), startedAtMs: 349 },
    // Begun after it, or on the other database, or without having got as far as the fence.
    { ...refused("api/e", 1, 380, oldDatabase), startedAtMs: 351 },
    { ...refused("api/f", 1, 352, newDatabase), startedAtMs: 345 },
    { ...refused("api/g", 1, 346, oldDatabase), sqlState: "57P01" },
  ];
  expect(measured([...orderly.entries, ...entries])).toMatchObject({ inFlightAtFence: 4 });
});

test("in an attempt that was aborted, the pause ends with the next acknowledgement of the old database", () => {
  const waited = { ...acknowledged("api/a", 4, 900, oldDatabase), startedAtMs: 345 };
  const entries = [...orderly.entries.filter(({ database }) => database === oldDatabase), waited];
  expect(measured(entries, { ...orderly, active: "old" })).toMatchObject({
    switchPauseMs: null,
    longestPauseMs: 560,
    inFlightAtFence: 2,
  });
});

test("a pause in which nothing was refused had no fence", () => {
  const waited = { ...acknowledged("api/a", 4, 900, oldDatabase), startedAtMs: 345 };
  const entries = [acknowledged("api/a", 3, 300, oldDatabase), waited];
  expect(measured(entries)).toMatchObject({ longestPauseMs: 555, inFlightAtFence: null });
});

test("the pause of the switch need not be the longest", () => {
  const waited = { ...acknowledged("api/a", 0, 90, oldDatabase), startedAtMs: -5_000 };
  const earlier = acknowledged("api/a", -1, -4_990, oldDatabase);
  expect(measured([...orderly.entries, earlier, waited])).toMatchObject({
    switchPauseMs: 660,
    longestPauseMs: 5_090,
    inFlightAtFence: 1,
    writesPerSecond: 7 / 0.31,
  });
});

test("a time in which nobody tried is no pause", () => {
  const earlier = acknowledged("api/a", 0, -5_000, oldDatabase);
  expect(measured([...orderly.entries, earlier])).toMatchObject({ longestPauseMs: 660 });
});

test("one writer that is stuck while others go on is no pause", () => {
  const entries = [
    ...[-900, -500, -100].map((time) => acknowledged("api/a", time, time, oldDatabase)),
    { ...refused("api/c", 1, 50, oldDatabase), startedAtMs: -5_000, sqlState: "55P03" },
  ];
  expect(measured([...orderly.entries, ...entries])).toMatchObject({ longestPauseMs: 660 });
});

test("with nothing but long transactions, a pause lasts from acknowledgement to acknowledgement", () => {
  const entries = orderly.entries.map((entry) =>
    "kind" in entry ? { ...entry, kind: "long" as const } : entry,
  );
  expect(measured(entries)).toMatchObject({ switchPauseMs: 700, longestPauseMs: 700 });
});
