import { expect, test } from "vitest";
import { stretchPollDelayMs, watchDelayMs } from "../../components/railway/request-budget.ts";

const now = new Date("2026-11-26T03:00:00Z");
const budgetOf = (remaining: number) => ({
  limit: 1_000,
  remaining,
  resetsAt: new Date(now.getTime() + 1_800_000),
});

test("who only watches leaves half of the budget to who works", () => {
  expect(watchDelayMs(15_000, undefined, now)).toBe(15_000);
  expect(watchDelayMs(15_000, budgetOf(501), now)).toBe(15_000);
  expect(watchDelayMs(15_000, budgetOf(500), now)).toBe(120_000);
  expect(watchDelayMs(15_000, { ...budgetOf(500), resetsAt: undefined }, now)).toBe(120_000);
  expect(watchDelayMs(100, budgetOf(500), now)).toBe(800);
});

test("who works slows down only when little is left", () => {
  expect(stretchPollDelayMs(3_000, budgetOf(500), now)).toBe(3_000);
  expect(stretchPollDelayMs(3_000, budgetOf(100), now)).toBe(18_000);
});
