import { expect, test } from "vitest";
import { shareSessions } from "../../components/postgres/load-sessions.ts";

test.each([
  ["room for all", 4, { source: 90, target: 90 }, { readers: 4, writers: 6 }],
  ["a full source", 4, { source: 2, target: 90 }, { readers: 1, writers: 6 }],
  [
    "a full target: no reader is left without a writer",
    4,
    { source: 90, target: 4 },
    { readers: 1, writers: 1 },
  ],
])("%s", (_name, workers, free, shared) => {
  expect(shareSessions(workers, free)).toEqual(shared);
});
