import { expect, test } from "vitest";
import { measure, parseTimes } from "../../bench/measure.ts";
import { descendants, parsePss, parseStat } from "../../bench/process-tree.ts";
import { rotated, spreadOf } from "../../bench/statistics.ts";
import { StepClock } from "../../bench/step-clock.ts";

test("a process is told from a name that holds parentheses", () => {
  expect(parseStat("42 (a) b (c)) S 7 1 1")).toEqual({ pid: 42, parent: 7 });
});

test("descendants are found through all generations, and nobody else", () => {
  const processes = [
    { pid: 4, parent: 3 },
    { pid: 3, parent: 2 },
    { pid: 2, parent: 1 },
    { pid: 9, parent: 1 },
  ];
  expect(descendants(2, processes)).toEqual([2, 3, 4]);
});

test("memory is the proportional share; a process that has ended has none", () => {
  expect(parsePss("Rss:  9 kB\nPss:      12 kB\nPss_Dirty: 3 kB\n")).toBe(12 * 1024);
  expect(parsePss("")).toBe(0);
});

test("the shell's times are those of itself and its children", () => {
  expect(parseTimes("0m0.001s 0m0.002s\n1m1.500s 0m0.500s\n")).toBeCloseTo(62_003);
});

test("the spread of an even count has the mean of the middle two; of none there is none", () => {
  expect(spreadOf([4, 1, 3, 2])).toEqual({ median: 2.5, min: 1, max: 4 });
  expect(() => spreadOf([])).toThrow(TypeError);
});

test("each repetition begins with another tool, and all of them run", () => {
  expect([0, 1, 2, 3].map((by) => rotated(["a", "b", "c"], by).join(""))).toEqual([
    "abc",
    "bca",
    "cab",
    "abc",
  ]);
});

test("the clock gives each step its time, the last one until the end", () => {
  let now = 0;
  const clock = new StepClock(() => now);
  clock.step("Copy");
  now = 5;
  clock.detail("schema read by pg_dump 17.5 (wasm)");
  now = 25;
  clock.step("Gate");
  now = 32;
  expect(clock.finish()).toEqual({ copy: 5, load: 20, gate: 7 });
  expect(clock.dumpClient).toBe("pg_dump 17.5 (wasm)");
});

test("a program's children are counted, and a failing part of a pipe fails the run", async () => {
  const { signal } = new AbortController();
  const command = (script: string) => ({ script, environment: {} });
  const worked = await measure(
    command("(i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done) && echo done"),
    signal,
  );
  expect(worked).toMatchObject({ ok: true, output: "done\n" });
  expect(worked.ok && worked.measurement.cpuMs).toBeGreaterThan(0);
  expect(worked.ok && worked.measurement.machineCpuMs).toBeGreaterThan(0);
  expect(await measure(command("(echo why >&2; exit 3) | cat"), signal)).toEqual({
    ok: false,
    reason: "exit code 3: why",
  });
});

test("an interrupted tool is ended with all of its processes", async () => {
  const interrupt = new AbortController();
  const run = measure({ script: "sleep 600 | sleep 600", environment: {} }, interrupt.signal);
  interrupt.abort(new Error("interrupted"));
  await expect(run).rejects.toThrow("interrupted");
});
