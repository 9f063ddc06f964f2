import { describe, expect, test } from "vitest";
import { judgeHistory } from "./checker.ts";
import type { HistoryInput } from "./history.ts";
import {
  acknowledged,
  confirmed,
  drawn,
  extended,
  newDatabase,
  oldDatabase,
  orderlyHistory,
  read,
  refused,
  row,
  unknown,
} from "./history-fixture.ts";

const orderly = orderlyHistory();

test("an orderly history has no violation, in whatever order its entries come", () => {
  expect(judgeHistory(orderly).violations).toEqual([]);
  const backwards = { ...orderly, entries: orderly.entries.toReversed() };
  expect(judgeHistory(backwards)).toEqual(judgeHistory(orderly));
});

test("nothing at all is in order", () => {
  const nothing = { ...orderly, entries: [], stored: { rows: [], progress: [] } };
  expect(judgeHistory(nothing).violations).toEqual([]);
});

test("a long history is judged like a short one", () => {
  const entries = Array.from({ length: 200_000 }, (_, index) =>
    acknowledged("api/a", index + 1, index, oldDatabase),
  );
  const rows = entries.slice(0, -1).map(({ writer, sequence }) => row(writer, sequence));
  const history = {
    ...orderly,
    entries,
    stored: { rows, progress: [{ writer: "api/a", sequence: 199_999 }] },
  };
  expect(judgeHistory(history).violations).toEqual([{ rule: "LOST", count: 1, example: "api/a#200000" }]);
});

const onlyOld: HistoryInput = {
  ...orderly,
  entries: orderly.entries.filter(({ database }) => database === oldDatabase),
  stored: {
    rows: orderly.stored.rows.filter(({ writer }) => writer === "api/a"),
    progress: [{ writer: "api/a", sequence: 3 }],
  },
  active: "old",
};

test("an attempt that was aborted is in order", () => {
  expect(judgeHistory(onlyOld).violations).toEqual([]);
});

/** Each breaks one rule by the least change. */
const broken: ReadonlyArray<
  [what: string, history: HistoryInput, rule: string, count: number, example: string]
> = [
  ["an acknowledged write that is not there", withRows(({ id }) => id !== "api/a-2"), "LOST", 1, "api/a#2"],
  [
    "a write that a retry found, and that is not there any more",
    extended(orderly, [unknown("api/c", 1, 300, oldDatabase), confirmed("api/c", 1, 310, oldDatabase)]),
    "LOST",
    1,
    "api/c#1",
  ],
  [
    "a write of the old database that only the old one has",
    extended(orderly, [acknowledged("job/x", 1, 340, oldDatabase)]),
    "LOST",
    1,
    "job/x#1",
  ],
  [
    "a row with another sequence than was written",
    withRows((one) => (one.id === "api/a-2" ? { ...one, sequence: 22 } : one), { "api/a": 22 }),
    "ALTERED",
    1,
    "api/a#2",
  ],
  [
    "a row of another writer than wrote it",
    withRows((one) => (one.id === "api/a-2" ? { ...one, writer: "api/z" } : one), { "api/z": 2 }),
    "ALTERED",
    1,
    "api/a#2",
  ],
  ["a row that is there twice", extended(orderly, [], [row("api/a", 2)]), "DOUBLED", 2, "api/a#2"],
  [
    "a write that is there under two ids",
    extended(orderly, [], [{ ...row("api/a", 2), id: "another" }]),
    "DOUBLED",
    1,
    "api/a#2",
  ],
  [
    "a row nobody acknowledged that is there twice",
    extended(orderly, [], [row("api/a", 4), row("api/a", 4)], { "api/a": 4 }),
    "DOUBLED",
    2,
    "api/a#4",
  ],
  [
    "a row without the progress of its transaction",
    extended(orderly, [], [row("api/a", 4)]),
    "TORN",
    1,
    "api/a: row 4, progress 3",
  ],
  [
    "progress without the row of its transaction",
    extended(orderly, [], [], { "api/a": 4 }),
    "TORN",
    1,
    "api/a: row 3, progress 4",
  ],
  [
    "progress of a writer without any row",
    extended(orderly, [], [], { "api/c": 1 }),
    "TORN",
    1,
    "api/c: row 0, progress 1",
  ],
  [
    "a commit sent to the old database after the new one had acknowledged a write",
    extended(orderly, [acknowledged("api/a", 4, 1_003, oldDatabase)], [row("api/a", 4)], { "api/a": 4 }),
    "TWO_WRITERS",
    1,
    "api/a#4",
  ],
  [
    "one of unknown outcome that was found in the old database",
    extended(
      orderly,
      [unknown("api/a", 4, 1_010, oldDatabase), confirmed("api/a", 4, 1_050, oldDatabase)],
      [row("api/a", 4)],
      { "api/a": 4 },
    ),
    "TWO_WRITERS",
    1,
    "api/a#4",
  ],
  [
    "a write to the old database that was refused before, too early",
    extended(
      orderly,
      [unknown("api/a", 4, 360, oldDatabase), acknowledged("api/a", 4, 1_010, oldDatabase)],
      [row("api/a", 4)],
      { "api/a": 4 },
    ),
    "TWO_WRITERS",
    1,
    "api/a#4",
  ],
  [
    "a write of the new database when nothing was promoted",
    extended(onlyOld, [acknowledged("api/b", 1, 340, newDatabase)], [row("api/b", 1)], { "api/b": 1 }),
    "NOT_PROMOTED",
    1,
    "api/b#1",
  ],
  [
    "an acknowledgement of a third database",
    extended(orderly, [acknowledged("api/c", 1, 340, "127.0.0.1:5403")], [row("api/c", 1)], { "api/c": 1 }),
    "UNKNOWN_DATABASE",
    1,
    "api/c#1",
  ],
  [
    "the old database without a write that it had acknowledged",
    extended(orderly, [read("api/a", 340, oldDatabase, 1, ["api/a-2"])]),
    "STALE_READ",
    1,
    "api/a#2",
  ],
  [
    "the new database without one",
    extended(orderly, [read("api/b", 1_050, newDatabase, 0, ["api/b-1"])]),
    "STALE_READ",
    1,
    "api/b#1",
  ],
  [
    "the new database without one of the old, once it has taken over",
    extended(orderly, [read("api/a", 1_050, newDatabase, 0, ["api/a-1"])]),
    "STALE_READ",
    1,
    "api/a#1",
  ],
  [
    "the old database without one while it was fenced, in an attempt that was aborted",
    extended(onlyOld, [read("api/a", 2_000, oldDatabase, 0, ["api/a-1", "api/a-3"])]),
    "STALE_READ",
    2,
    "api/a#1",
  ],
  [
    "a number of the old database that the new one gives again",
    extended(orderly, [drawn("api/n", 1_050, newDatabase, 7)]),
    "NUMBER_TWICE",
    1,
    "api/n: 7",
  ],
  [
    "a number that one database gives twice",
    extended(orderly, [drawn("api/m", 340, oldDatabase, 7), drawn("api/m", 345, oldDatabase, 7)]),
    "NUMBER_TWICE",
    1,
    "api/m: 7",
  ],
];

describe("broken", () => {
  test.each(broken)("%s", (_what, history, rule, count, example) => {
    expect(judgeHistory(history).violations).toEqual([{ rule, count, example }]);
  });

  test("every rule is broken by one of these", () => {
    const rules = new Set(broken.map(([, , rule]) => rule));
    expect([...rules].sort()).toEqual(
      [
        ...["ALTERED", "DOUBLED", "LOST", "NOT_PROMOTED", "NUMBER_TWICE", "STALE_READ", "TORN"],
        ...["TWO_WRITERS", "UNKNOWN_DATABASE"],
      ].sort(),
    );
  });

  test("a history that breaks several rules shows each", () => {
    const history = extended({ ...orderly, stored: { rows: [], progress: [] } }, [
      acknowledged("api/a", 4, 1_050, oldDatabase),
    ]);
    expect(judgeHistory(history).violations.map(({ rule, count }) => [rule, count])).toEqual([
      ["LOST", 6],
      ["TWO_WRITERS", 1],
    ]);
  });

  test("a write of the new database excuses nothing in the old one as long as nothing was promoted", () => {
    const history = extended(onlyOld, [
      acknowledged("api/b", 1, 330, newDatabase),
      read("api/a", 345, oldDatabase, 0, ["api/a-3"]),
      read("api/b", 345, newDatabase, 0, ["api/b-1"]),
    ]);
    expect(judgeHistory(history).violations.map(({ rule, count }) => [rule, count])).toEqual([
      ["LOST", 1],
      ["NOT_PROMOTED", 1],
      ["STALE_READ", 1],
    ]);
  });
});

/** Each looks like a broken rule and is none. */
const right: ReadonlyArray<[what: string, history: HistoryInput]> = [
  ["a refused write that is not there", extended(orderly, [refused("api/b", 3, 1_150, newDatabase)])],
  [
    "a write of unknown outcome that is not there",
    extended(orderly, [unknown("api/a", 4, 360, oldDatabase)]),
  ],
  [
    "a write of unknown outcome that is there",
    extended(orderly, [unknown("api/a", 4, 360, oldDatabase)], [row("api/a", 4)], { "api/a": 4 }),
  ],
  [
    "one that is there, was found by a retry, and once only",
    extended(
      orderly,
      [unknown("api/b", 3, 1_150, newDatabase), confirmed("api/b", 3, 1_200, newDatabase)],
      [row("api/b", 3)],
      { "api/b": 3 },
    ),
  ],
  [
    "a write that was committed after the ledgers were read",
    extended(orderly, [], [row("api/b", 3)], { "api/b": 3 }),
  ],
  [
    "the same sequence number of two writers",
    extended(orderly, [acknowledged("api/c", 1, 110, oldDatabase)], [row("api/c", 1)], { "api/c": 1 }),
  ],
  [
    "an acknowledgement of the old database that arrives after one of the new, its COMMIT sent before",
    extended(
      orderly,
      [{ ...acknowledged("api/a", 4, 1_500, oldDatabase), commitSentAtMs: 999 }],
      [row("api/a", 4)],
      { "api/a": 4 },
    ),
  ],
  [
    "a write of unknown outcome before the switch that a retry finds after it",
    extended(
      orderly,
      [
        unknown("api/a", 4, 360, oldDatabase),
        unknown("api/a", 4, 1_010, oldDatabase),
        confirmed("api/a", 4, 1_050, oldDatabase),
      ],
      [row("api/a", 4)],
      { "api/a": 4 },
    ),
  ],
  [
    "refusals of the old database after the switch",
    extended(orderly, [refused("job/x", 1, 1_050, oldDatabase), unknown("job/x", 1, 1_060, oldDatabase)]),
  ],
  [
    "refusals of the new database in an attempt that was aborted",
    extended(onlyOld, [refused("api/b", 1, 340, newDatabase)]),
  ],
  [
    "an address that was tried in vain and is neither of the two",
    extended(orderly, [refused("api/c", 1, 340, "nowhere.railway.internal:5432")]),
  ],
  [
    "a look that began before the write was acknowledged",
    extended(orderly, [read("api/a", 305, oldDatabase, 0, ["api/a-3"])]),
  ],
  [
    "the old database without a write that the new one acknowledged",
    extended(orderly, [read("api/b", 1_050, oldDatabase, 0, ["api/b-1"])]),
  ],
  [
    "the new database without one of the old, before it has taken over",
    extended(orderly, [read("api/a", 1_005, newDatabase, 0, ["api/a-1"])]),
  ],
  [
    "the old database without its own write when it was the active one no more",
    extended(orderly, [read("api/a", 1_050, oldDatabase, 0, ["api/a-1"])]),
  ],
  [
    "a look for a write that was never acknowledged",
    extended(orderly, [read("api/a", 400, oldDatabase, 0, ["api/a-4"])]),
  ],
  [
    "numbers that do not come in order, since sessions take several at once",
    extended(orderly, [drawn("api/m", 1_050, newDatabase, 8), drawn("api/n", 1_060, newDatabase, 2)]),
  ],
];

describe("suspicious and right", () => {
  test.each(right)("%s", (_what, history) => {
    expect(judgeHistory(history).violations).toEqual([]);
  });
});

type Row = HistoryInput["stored"]["rows"][number];

/** The orderly history with rows taken out or changed. */
function withRows(change: (one: Row) => Row | boolean, progress: Record<string, number> = {}): HistoryInput {
  const rows = orderly.stored.rows.flatMap((one) => {
    const changed = change(one);
    return typeof changed === "boolean" ? (changed ? [one] : []) : [changed];
  });
  return extended({ ...orderly, stored: { ...orderly.stored, rows } }, [], [], progress);
}
