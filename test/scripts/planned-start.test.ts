import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import { parseStart, waitUntil, whyTooLate } from "../../scripts/cutover/planned-start.ts";
import { askToGo } from "../../scripts/cutover/question.ts";

const now = new Date("2026-11-27T00:00:00Z");

describe("a planned start", () => {
  test.for([
    ["2026-11-27T02:00+01:00", "2026-11-27T01:00:00.000Z"],
    ["2026-11-27T02:00:30Z", "2026-11-27T02:00:30.000Z"],
    ["2026-11-26T20:30-05:00", "2026-11-27T01:30:00.000Z"],
  ])("%s is %s", ([text = "", instant]) => {
    expect(parseStart(text, now).toISOString()).toBe(instant);
  });

  test.for([
    "2026-11-27T02:00",
    "2026-11-27 02:00Z",
    "2026-11-27",
    "02:00",
    "2026-13-27T02:00Z",
    "tomorrow",
    "",
    "2026-11-27T00:00Z",
    "2026-11-26T23:59Z",
    "2026-12-05T00:00Z",
  ])("%j is refused", (text) => {
    expect(() => parseStart(text, now)).toThrow(/^--at/);
  });
});

describe("right before Pulumi starts", () => {
  const startsAt = new Date("2026-11-27T02:00Z");
  const after = (minutes: number) => new Date(startsAt.getTime() + minutes * 60_000);

  test.for<[lookedAt: number, now: number, why: string | undefined]>([
    [1, 1, undefined],
    [1, 11, undefined],
    [15, 20, undefined],
    [1, 12, "What was looked at is older than 10 min."],
    [1, 6 * 60, "What was looked at is older than 10 min."],
    [6 * 60, 6 * 60, "The start was missed by more than 20 min."],
  ])("looked %i minutes after the planned start, at minute %i: %s", ([lookedAt, now, why]) => {
    expect(whyTooLate({ startsAt, lookedAt: after(lookedAt) }, after(now))).toBe(why);
  });

  test("without a planned start only the look counts", () => {
    expect(whyTooLate({ startsAt: null, lookedAt: after(600) }, after(601))).toBeUndefined();
    expect(whyTooLate({ startsAt: null, lookedAt: after(1) }, after(600))).toMatch(/older/);
  });
});

/** Waits by a clock that the waiting itself moves on. */
async function countdown(aheadMs: number, { isTerminal = false, beforeMs = 900_000, stopAtMs = -1 } = {}) {
  let time = 0;
  const lines: string[] = [];
  const reminders: number[] = [];
  const stop = new AbortController();
  const wait = waitUntil(new Date(aheadMs), {
    show: (line) => void lines.push(line),
    isTerminal,
    reminder: { beforeMs, remind: () => void reminders.push(aheadMs - time) },
    signal: stop.signal,
    now: () => time,
    sleep: async (ms) => {
      time += ms;
      if (stopAtMs >= 0 && time >= stopAtMs) stop.abort();
    },
  });
  const ended = await wait.then(
    () => "started",
    () => "stopped",
  );
  return { ended, time, lines, reminders, left: lines.map((line) => /in (.+)\. Ctrl-C/.exec(line)?.[1]) };
}

describe("the countdown", () => {
  test("shows a line now and then where none can be replaced", async () => {
    const { ended, time, left } = await countdown(2 * 3_600_000 + 5_000);
    expect(ended).toBe("started");
    expect(time).toBe(2 * 3_600_000 + 5_000);
    expect(left).toEqual([
      ...["2 h 0 min", "2 h 0 min", "1 h 0 min", "30 min", "15 min", "10 min", "5 min", "2 min", "1 min"],
      ...["30 s", "10 s"],
    ]);
  });

  test("shows every second on a terminal", async () => {
    expect((await countdown(3_000, { isTerminal: true })).left).toEqual(["3 s", "2 s", "1 s"]);
  });

  test("reminds once, a quarter of an hour before, or at once where less is left", async () => {
    expect((await countdown(3_600_000)).reminders).toEqual([900_000]);
    expect((await countdown(60_000)).reminders).toEqual([60_000]);
  });

  test("ends early when it is stopped", async () => {
    const { ended, time } = await countdown(3_600_000, { stopAtMs: 5_000 });
    expect({ ended, time }).toEqual({ ended: "stopped", time: 5_000 });
  });
});

/** A terminal as streams. */
function terminal() {
  const input = new PassThrough();
  const output = new PassThrough();
  const isAsked = new Promise<void>((resolve) => output.on("data", () => resolve()));
  return { input, output, isAsked };
}

describe("the question", () => {
  const never = new AbortController().signal;

  test.for([
    ["go", true],
    [" GO ", true],
    ["yes", false],
    ["y", false],
    ["no", false],
    ["go!", false],
    ["", false],
  ] as const)("%j is a go: %s", async ([answer, expected]) => {
    const { input, output, isAsked } = terminal();
    const asked = askToGo({ input, output }, never);
    await isAsked;
    input.write(`${answer}\n`);
    expect(await asked).toBe(expected);
  });

  test("what was typed before it was asked is no answer", async () => {
    const { input, output, isAsked } = terminal();
    input.write("go\n");
    const asked = askToGo({ input, output }, never);
    await isAsked;
    input.write("no\n");
    expect(await asked).toBe(false);
  });

  test("the end of the input, silence and an interruption are a no", async () => {
    const ended = terminal();
    const first = askToGo(ended, never);
    await ended.isAsked;
    ended.input.end();
    expect(await first).toBe(false);
    expect(await askToGo(terminal(), never, 200)).toBe(false);
    expect(await askToGo(terminal(), AbortSignal.abort())).toBe(false);
  });
});
