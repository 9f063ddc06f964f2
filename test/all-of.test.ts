import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { allOf, allUnlessOneFails } from "../components/all-of.ts";

test("everything has ended when it fails, with the first failure in order", async () => {
  let isAtWork = true;
  const slow = delay(30).then(() => {
    isAtWork = false;
    throw new Error("slow");
  });
  await expect(allOf([slow, Promise.reject(new Error("quick"))])).rejects.toThrow("slow");
  expect(isAtWork).toBe(false);
});

test("what is cut short by a failure does not pass for its cause", async () => {
  const cut = Promise.withResolvers<never>();
  const failures: unknown[] = [];
  const work = allUnlessOneFails([cut.promise, Promise.reject(new Error("cause"))], (failure) => {
    failures.push(failure);
    cut.reject(new Error("cut short"));
  });
  await expect(work).rejects.toThrow("cause");
  expect(failures).toEqual([new Error("cause")]);
});

test("the results come in order", async () => {
  const slow = delay(5).then(() => "slow");
  await expect(allUnlessOneFails([slow, Promise.resolve(2)], () => {})).resolves.toEqual(["slow", 2]);
});
