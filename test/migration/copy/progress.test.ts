import { expect, test } from "vitest";
import { describeLoadProgress } from "../../../components/migration/progress.ts";

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
