import { expect, test } from "vitest";
import {
  describeGateProgress,
  describeLoadProgress,
  throttled,
} from "../../../components/migration/progress.ts";
import { describeStep, whilePaused } from "../../../components/migration/reporter.ts";

const progress = {
  phase: "rows",
  tablesDone: 37,
  tablesTotal: 38,
  rows: 120_000,
  estimatedRows: 9_000_000,
  bytes: 61_000_000,
  sizeBytes: 45_100_000,
  sizeBytesTotal: 980_200_000,
  inFlight: ["public.visits"],
} as const;

test("while the last table is copied for minutes, its name and what was sent tell that it goes on", () => {
  expect(describeLoadProgress(progress)).toBe(
    "rows: 37 of 38 tables done, 120,000 rows, 45.1 of 980.2 MB; 61.0 MB sent; at work: public.visits",
  );
  expect(describeLoadProgress({ ...progress, bytes: 62_000_000 })).not.toBe(describeLoadProgress(progress));
});

test("a few of many are named, and none where nothing is at work", () => {
  const inFlight = ["a", "b", "c", "d", "e"];
  expect(describeLoadProgress({ ...progress, inFlight })).toMatch(/; at work: a, b, c and 2 more$/);
  expect(describeLoadProgress({ ...progress, inFlight: [] })).toMatch(/ MB sent$/);
});

test("the gate tells both sides, and each table at work once", () => {
  const side = { tablesDone: 12, tablesTotal: 38, sizeBytes: 30_140_000, sizeBytesTotal: 80_200_000 };
  const source = { ...side, inFlight: ["public.visits"] };
  expect(describeGateProgress({ source })).toBe(
    "compared: source 12 of 38 tables, 30.1 of 80.2 MB; at work: public.visits",
  );
  const target = { ...side, tablesDone: 3, sizeBytes: 0, inFlight: ["public.visits", "public.notes"] };
  expect(describeGateProgress({ source, target })).toBe(
    "compared: source 12 of 38 tables, 30.1 of 80.2 MB; target 3 of 38 tables, 0.0 of 80.2 MB; at work: public.visits, public.notes",
  );
});

test("one line in some seconds is enough", () => {
  let now = 0;
  const lines: string[] = [];
  const tell = throttled<number>({ step: () => {}, detail: (line) => lines.push(line) }, String, () => now);
  for (const progress of [1, 2, 3, 4, 5, 6]) {
    now += 1_000;
    tell(progress);
  }
  expect(lines).toEqual(["3", "6"]);
});

test("while writes are paused each step says for how long, and nothing else does", () => {
  let now = Date.parse("2026-11-27T01:00:12Z");
  const lines: string[] = [];
  const reporter = {
    step: (text: string, writesPausedMs?: number) => lines.push(describeStep(text, writesPausedMs)),
    detail: (text: string) => lines.push(text),
  };
  const paused = whilePaused(reporter, new Date("2026-11-27T01:00:00Z"), () => now);
  reporter.step("Pause writes");
  paused.step("Copy");
  paused.detail("rows: …");
  now += 60_000;
  paused.step("Gate");
  // Another machine's clock, or one that was set back.
  now = 0;
  paused.step("Promote");
  expect(lines).toEqual([
    "Pause writes",
    "Copy (writes paused for 12 s)",
    "rows: …",
    "Gate (writes paused for 1 min 12 s)",
    "Promote (writes paused for 0 s)",
  ]);
});
