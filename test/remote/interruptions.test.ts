import { expect, test } from "vitest";
import { createInterrupter } from "../../components/remote/interruptions.ts";

test("the same Ctrl-C from the terminal and from npm is one; another one leaves the run alone", () => {
  let time = 5_000;
  const interrupter = createInterrupter(() => time);
  interrupter.interrupt();
  time += 3;
  interrupter.interrupt();
  expect([interrupter.first.aborted, interrupter.second.aborted]).toEqual([true, false]);
  time += 1_000;
  interrupter.interrupt();
  expect(interrupter.second.aborted).toBe(true);
});

test.each([
  ["SIGTERM", "leave", "second"],
  ["a terminal that is gone", "hangUp", "gone"],
] as const)("%s says why nothing was started", (_what, arrives, signal) => {
  const interrupter = createInterrupter(() => 0);
  interrupter[arrives]();
  expect(() => interrupter[signal].throwIfAborted()).toThrow(
    expect.objectContaining({ code: "REMOTE_INTERRUPTED" }),
  );
  expect(interrupter.first.aborted).toBe(false);
});
