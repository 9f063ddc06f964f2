import { expect, test } from "vitest";
import { judgeGoals } from "../../bench/goals.ts";
import { limitOf } from "../../bench/limit.ts";
import { pausedPhases, pauseWorldRows, summarizePause } from "../../bench/pause.ts";
import { renderComparison, renderPauses, renderTable } from "../../bench/report.ts";
import { type Comparison, summarize } from "../../bench/result.ts";
import { missingFrom } from "../../bench/verify.ts";

const run = (wallMs: number) => ({
  measurement: { wallMs, cpuMs: 100, machineCpuMs: 200, peakBytes: 1_048_576 },
  phasesMs: { rows: wallMs / 2 },
});

const comparison: Comparison = {
  ...{ size: "1.5GB", title: "1.5 GB", line: "loopback", tables: 33 },
  ...{ dataBytes: 100 * 1_048_576, indexBytes: 0, limit: null },
  tools: [
    summarize("ours", "ours", [run(900), run(1_000), run(5_000)]),
    summarize("pgcopydb", "pgcopydb", [run(2_000)]),
    { name: "dump-psql", title: "pg_dump | psql", failed: "exit code 3" },
  ],
};

test("a tool's row has the median, the extremes, the speed and the ratio; a failed one is never fast", () => {
  const rows = renderComparison(comparison).split("\n");
  const cells = (name: string) =>
    rows
      .find((row) => row.startsWith(`| ${name}`))
      ?.split(/(?<!\\)\|/)
      .map((cell) => cell.trim());
  expect(cells("ours")).toEqual([
    "",
    "ours",
    "1.0 (0.90–5.0)",
    "100",
    "0.10",
    "0.20",
    "1",
    "0.50",
    "",
    "",
    "",
    "",
  ]);
  expect(cells("pg_dump")?.slice(2, 4)).toEqual(["failed", ""]);
  expect(rows).toContain("- pg_dump | psql failed: exit code 3");
  expect(rows).toContain("- ours: rows 0.50 s");
});

test("a goal is met, missed, or not measured", () => {
  const judged = judgeGoals({ comparisons: [comparison], pauses: [], preview: null });
  const of = (what: string) => judged.find((goal) => goal.what === what);
  expect(of("1.5GB: ours / pgcopydb")).toMatchObject({ measured: "0.50", met: true });
  expect(of("1.5GB: ours / pg_dump | psql")).toMatchObject({ measured: "not measured", met: null });
  const slower = {
    ...comparison,
    size: "tables",
    tools: [summarize("ours", "", [run(9)]), summarize("pgcopydb", "", [run(3)])],
  };
  expect(
    judgeGoals({ comparisons: [slower], pauses: [], preview: null }).find(
      ({ what }) => what === "tables: ours / pgcopydb",
    ),
  ).toMatchObject({ met: false });
});

test("the write pause is judged by the database of the real project's size", () => {
  const pauses = pauseWorldRows.map((worldRows, index) =>
    summarizePause(worldRows, [{ dataBytes: worldRows, phasesMs: { load: 1_500 + index * 1_000 } }]),
  );
  const judged = judgeGoals({ comparisons: [], pauses, preview: null });
  expect(judged.find(({ what }) => what.includes("write pause"))).toMatchObject({
    measured: "1.5 s",
    met: true,
  });
  expect(renderPauses(pauses).split("\n").at(-1)).toContain("2.5 (2.5–2.5)");
});

test("a bar in a cell does not end it", () => {
  expect(renderTable(["a"], [["x | y"]])).toBe("| a      |\n| ------ |\n| x \\| y |");
});

test("the limit is the longer one of reading and writing, and the indexes", () => {
  expect(limitOf({ readMs: 5, writeMs: 7, indexesMs: 2 })).toBe(9);
});

test("the write pause counts from the locks to the promotion without the services' switch", () => {
  const phases = {
    preflight: 1,
    "pause writes": 2,
    gate: 4,
    "switch: a": 8,
    promote: 16,
    "take the target's fence down": 32,
  };
  expect(pausedPhases(phases)).toEqual({ "pause writes": 2, gate: 4, promote: 16 });
});

test("a copy that lacks rows, an index, a constraint or statistics does not count", () => {
  const whole = { rows: new Map([["a.b", 3]]), indexes: 2, constraints: 2, unanalyzed: [] };
  expect(missingFrom(whole, whole)).toEqual([]);
  expect(
    missingFrom(whole, { rows: new Map([["a.b", 2]]), indexes: 1, constraints: 1, unanalyzed: ["a.b"] }),
  ).toEqual(["a.b has 2 of 3 rows", "1 of 2 indexes", "1 of 2 constraints", "1 tables without statistics"]);
});
