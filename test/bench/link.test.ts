import { expect, test } from "vitest";
import { Direction, type Flow } from "../../bench/link.ts";

/** A line of 16 KiB a millisecond and 20 ms; what arrives is noted with its time. */
function line() {
  let now = 0;
  const direction = new Direction({ bytesPerSecond: 16 * 1024 * 1_000, delayMs: 20 });
  const arrivals: Array<[flow: string, at: number, bytes: number]> = [];
  const flow = (name: string): Flow => ({
    pending: [],
    deliver: (bytes) => void arrivals.push([name, now, bytes.length]),
  });
  const play = () => {
    for (let next = direction.advance(now); next !== undefined; next = direction.advance(now)) now = next;
  };
  return { direction, arrivals, flow, play };
}

test("bytes arrive after the time they take and the delay", () => {
  const { direction, arrivals, flow, play } = line();
  direction.send(flow("a"), Buffer.alloc(32 * 1024));
  play();
  expect(arrivals).toEqual([
    ["a", 21, 16 * 1024],
    ["a", 22, 16 * 1024],
  ]);
});

test("connections take turns, so that a short message does not wait for a long one's end", () => {
  const { direction, arrivals, flow, play } = line();
  direction.send(flow("long"), Buffer.alloc(64 * 1024));
  direction.send(flow("short"), Buffer.alloc(1024));
  play();
  expect(arrivals.map(([name]) => name)).toEqual(["long", "short", "long", "long", "long"]);
  expect(arrivals.reduce((sum, [, , bytes]) => sum + bytes, 0)).toBe(65 * 1024);
});

test("a line that was idle has saved nothing up", () => {
  const { direction, arrivals, flow } = line();
  direction.advance(1_000);
  direction.send(flow("a"), Buffer.alloc(16 * 1024));
  expect(direction.advance(1_000)).toBe(1_021);
  expect(arrivals).toEqual([]);
});
