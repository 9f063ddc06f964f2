import { expect, test } from "vitest";
import { compareStructures } from "../../../components/migration/drift/structure.ts";

const code = "APP_STRUCTURE_CHANGED";
const told = (was: Record<string, string>, is: Record<string, string>) =>
  compareStructures(was, is, code).map((item) => `${item.code} ${item.object}: ${item.is}`);

const table = {
  "table public.users": "1",
  "column public.users.id": "2",
  'column public.users."e-mail"': "3",
  "constraint public.users.users_pkey": "4",
  "index public.users_pkey": "5",
};

test("what is the same is no drift", () => {
  expect(told(table, { ...table })).toEqual([]);
});

test("the parts of a table that is gone or new are told with it", () => {
  expect(told(table, {})).toEqual([
    "TABLE_MISSING table public.users: gone",
    "APP_STRUCTURE_CHANGED index public.users_pkey: gone",
  ]);
  expect(told({}, table)).toEqual([
    "APP_STRUCTURE_CHANGED table public.users: added",
    "APP_STRUCTURE_CHANGED index public.users_pkey: added",
  ]);
});

test("parts of a table that is only defined otherwise are told one by one", () => {
  const is = { ...table, "table public.users": "x", "column public.users.id": "y" };
  expect(told(table, is)).toEqual([
    "APP_STRUCTURE_CHANGED table public.users: defined otherwise",
    "APP_STRUCTURE_CHANGED column public.users.id: defined otherwise",
  ]);
});

test("a table whose name begins like another's is not its part", () => {
  const is = { ...table, "table public.user": "1" };
  expect(told({ ...table, "column public.users.id": "old" }, is)).toEqual([
    "APP_STRUCTURE_CHANGED table public.user: added",
    "APP_STRUCTURE_CHANGED column public.users.id: defined otherwise",
  ]);
});

test("of many only the first are named, and a table that is gone is always among them", () => {
  const columns = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`column public.a.c${n}`, "1"]));
  const items = told({ ...columns, ...table }, {});
  expect(items).toHaveLength(26);
  expect(items[0]).toBe("TABLE_MISSING table public.users: gone");
  expect(items.at(-1)).toBe("APP_STRUCTURE_CHANGED 17 more: changed");
});
