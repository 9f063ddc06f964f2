import { expect, test } from "vitest";
import { regrouped } from "../../../components/postgres/catalogue/conditions.ts";

/** What PostgreSQL 15 writes of a condition before and after it was restored once. */
test.each([
  [
    "a BETWEEN 1 AND 5 AND b > 0",
    "CHECK ((((a >= 1) AND (a <= 5)) AND (b > 0)))",
    "CHECK (((a >= 1) AND (a <= 5) AND (b > 0)))",
  ],
  [
    "a BETWEEN SYMMETRIC 5 AND 1 OR b IS NULL",
    "CHECK (((((a >= 5) AND (a <= 1)) OR ((a >= 1) AND (a <= 5))) OR (b IS NULL)))",
    "CHECK ((((a >= 5) AND (a <= 1)) OR ((a >= 1) AND (a <= 5)) OR (b IS NULL)))",
  ],
])("%s is the same", (_condition, before, after) => {
  expect(regrouped(before)).toBe(regrouped(after));
});

test.each([
  ["((a AND b) OR c)", "(a AND b OR c)"],
  ["(a AND (b OR c))", "((a AND b) OR c)"],
  ["(NOT (a AND b))", "(NOT a AND b)"],
  ["(((a AND b)) = c)", "((a AND b) = c)"],
  ["(x = '((a AND b) AND c)')", "(x = '(a AND b AND c)')"],
  ['("((a AND b) AND c)")', '("(a AND b AND c)")'],
])("%s is not %s", (before, after) => {
  expect(regrouped(before)).not.toBe(regrouped(after));
});

test.each(["", "(", "a) b ((AND c", "f(a, (b AND c)) ", "(ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)"])(
  "%s stays as it is",
  (text) => {
    expect(regrouped(text)).toBe(text);
  },
);
