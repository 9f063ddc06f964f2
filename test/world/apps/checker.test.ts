import { expect, test } from "vitest";
import { type HistoryInput, judgeHistory } from "./checker.ts";
import type { LedgerEntry } from "./ledger.ts";

const oldDatabase = "127.0.0.1:5401";
const newDatabase = "127.0.0.1:5402";

/** Writes 1 to 3 on the old database, a refused one, then 1 and 2 of a new deployment on the new database. */
function orderlyHistory(): HistoryInput {
  return {
    entries: [
      acknowledged("api/a/0", 1, 100, oldDatabase),
      acknowledged("api/a/0", 2, 200, oldDatabase),
      acknowledged("api/a/0", 3, 300, oldDatabase),
      rejected("api/a/0", 4, 350, oldDatabase),
      acknowledged("api/b/0", 1, 1_000, newDatabase),
      acknowledged("api/b/0", 2, 1_100, newDatabase),
    ],
    stored: {
      rows: [row("api/a/0", 1), row("api/a/0", 2), row("api/a/0", 3), row("api/b/0", 1), row("api/b/0", 2)],
      progress: [
        { writer: "api/a/0", sequence: 3 },
        { writer: "api/b/0", sequence: 2 },
      ],
    },
    oldDatabase,
    newDatabase,
  };
}

test("an orderly history has no violation, and its measures are right", () => {
  expect(judgeHistory(orderlyHistory())).toEqual({
    violations: [],
    acknowledged: 5,
    rejected: 1,
    switchPauseMs: 700,
    longestPauseMs: 700,
    writesPerSecond: 5,
  });
});

test("a row that was committed without an acknowledgement is no violation", () => {
  const history = orderlyHistory();
  expect(judgeHistory(withRows(history, [...history.stored.rows, row("api/a/0", 4)])).violations).toEqual([]);
});

test("an acknowledged write that the database lacks is LOST", () => {
  const history = orderlyHistory();
  const rows = history.stored.rows.filter((one) => one.id !== "api/a/0-3");
  expect(judgeHistory(withRows(history, rows)).violations).toEqual([
    { rule: "LOST", count: 1, example: "api/a/0#3" },
  ]);
});

test("a row with another sequence than was acknowledged is ALTERED", () => {
  const history = orderlyHistory();
  const rows = history.stored.rows.map((one) => (one.id === "api/a/0-3" ? { ...one, sequence: 33 } : one));
  expect(judgeHistory(withRows(history, rows)).violations).toEqual([
    { rule: "ALTERED", count: 1, example: "api/a/0#3" },
  ]);
});

test.each([
  ["the same id twice", row("api/a/0", 2)],
  ["the same sequence under another id", { ...row("api/a/0", 2), id: "another" }],
])("a write that is there twice is DOUBLED: %s", (_what, extra) => {
  const history = orderlyHistory();
  const rules = judgeHistory(withRows(history, [...history.stored.rows, extra])).violations.map(
    (one) => one.rule,
  );
  expect(new Set(rules)).toEqual(new Set(["DOUBLED"]));
});

test("a writer's progress behind its acknowledged writes is PROGRESS_BEHIND", () => {
  const history = orderlyHistory();
  const progress = history.stored.progress.filter((one) => one.writer !== "api/a/0");
  const { violations } = judgeHistory({ ...history, stored: { ...history.stored, progress } });
  expect(violations).toEqual([{ rule: "PROGRESS_BEHIND", count: 3, example: "api/a/0#1" }]);
});

test("an acknowledgement of the old database after the first of the new one is TWO_WRITERS", () => {
  const history = orderlyHistory();
  const late = acknowledged("api/a/0", 4, 1_050, oldDatabase);
  const { violations } = judgeHistory({
    ...history,
    entries: [...history.entries, late],
    stored: {
      rows: [...history.stored.rows, row("api/a/0", 4)],
      progress: [
        { writer: "api/a/0", sequence: 4 },
        { writer: "api/b/0", sequence: 2 },
      ],
    },
  });
  expect(violations).toEqual([{ rule: "TWO_WRITERS", count: 1, example: "api/a/0#4" }]);
});

test("an acknowledgement of a third database is UNKNOWN_DATABASE", () => {
  const history = orderlyHistory();
  const { violations } = judgeHistory({ ...history, newDatabase: "127.0.0.1:5403" });
  expect(violations).toEqual([{ rule: "UNKNOWN_DATABASE", count: 2, example: "api/b/0#1" }]);
});

test("without a write on the new database there is no switch pause", () => {
  const history = orderlyHistory();
  const entries = history.entries.filter((entry) => entry.database === oldDatabase);
  expect(judgeHistory({ ...history, entries })).toMatchObject({ switchPauseMs: null, longestPauseMs: 100 });
  expect(judgeHistory({ ...history, entries: [] })).toMatchObject({ writesPerSecond: 0, longestPauseMs: 0 });
});

function acknowledged(writer: string, sequence: number, at: number, database: string): LedgerEntry {
  return { ...attempt(writer, sequence, at, database), outcome: "acknowledged", acknowledgedAtMs: at };
}

function rejected(writer: string, sequence: number, at: number, database: string): LedgerEntry {
  return {
    ...attempt(writer, sequence, at, database),
    outcome: "rejected",
    rejectedAtMs: at,
    sqlState: "25006",
  };
}

function attempt(writer: string, sequence: number, at: number, database: string) {
  return { writer, sequence, id: `${writer}-${sequence}`, startedAtMs: at - 5, database };
}

function row(writer: string, sequence: number) {
  return { id: `${writer}-${sequence}`, writer, sequence };
}

function withRows(history: HistoryInput, rows: HistoryInput["stored"]["rows"]): HistoryInput {
  return { ...history, stored: { ...history.stored, rows } };
}
