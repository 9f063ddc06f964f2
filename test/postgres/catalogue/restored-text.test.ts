import { expect, test } from "vitest";
import { asRestored } from "../../../components/postgres/catalogue/restored-text.ts";

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
  [
    "a IN ('x', 'it''s') for a varchar",
    "CHECK (((a)::text = ANY ((ARRAY['x'::character varying, 'it''s'::character varying])::text[])))",
    "CHECK (((a)::text = ANY (ARRAY[('x'::character varying)::text, ('it''s'::character varying)::text])))",
  ],
  [
    "b = ANY (ARRAY[1, NULL]) for a float8",
    "(b = ANY ((ARRAY[1, NULL::integer])::double precision[]))",
    "(b = ANY (ARRAY[(1)::double precision, (NULL::integer)::double precision]))",
  ],
  [
    "EXISTS (SELECT 'x' …), and constants of other types in a subquery",
    `(EXISTS ( SELECT 'x'::text, NULL::text, '-1'::integer, '1.5'::numeric, 'a'::public."Kind", '2024-01-01 00:00:00'::timestamp(3) without time zone, '{}'::character varying(9)[]\n FROM item))`,
    `(EXISTS ( SELECT 'x'::text AS text, NULL::text AS text, '-1'::integer AS int4, '1.5'::numeric AS "numeric", 'a'::public."Kind" AS "Kind", '2024-01-01 00:00:00'::timestamp(3) without time zone AS "timestamp", '{}'::character varying(9)[] AS "varchar"\n FROM item))`,
  ],
  [
    "a row of a type that got attributes since",
    "(x = ANY (ARRAY[ROW(NULL::daterange, 1, NULL, ROW(NULL)::q)::public.p]))",
    "(x = ANY (ARRAY[ROW(NULL::daterange, 1, NULL::numeric(4,2), ROW(NULL::integer[])::q)::public.p]))",
  ],
])("%s is the same", (_condition, before, after) => {
  expect(asRestored(before)).toBe(asRestored(after));
});

test.each([
  ["((a AND b) OR c)", "(a AND b OR c)"],
  ["(a AND (b OR c))", "((a AND b) OR c)"],
  ["(NOT (a AND b))", "(NOT a AND b)"],
  ["(((a AND b)) = c)", "((a AND b) = c)"],
  ["(a = ANY ((ARRAY['x', 'y'])::text[]))", "(a = ANY (ARRAY[('x')::text, ('z')::text]))"],
  ["(a = ANY ((ARRAY['x', 'y'])::text[]))", "(a = ANY (ARRAY[('x')::bpchar, ('y')::bpchar]))"],
  ["(a = ANY ((ARRAY['x', 'y'])::text[]))", "(a = ALL (ARRAY[('x')::text, ('y')::text]))"],
  ["(x = '((a AND b) AND c)')", "(x = '(a AND b AND c)')"],
  ['("((a AND b) AND c)")', '("(a AND b AND c)")'],
  ["(ROW(1, NULL) = a)", "(ROW(1, NULL::integer) = a)"],
  ["ROW(1, NULL)::pair", "ROW(1, 2::integer)::pair"],
  ["ROW((a IS NULL)::integer, 1)::pair", "ROW((a IS NULL)::text, 1)::pair"],
  ["( SELECT 'x'::text)", "( SELECT 'x'::text AS word)"],
  ["( SELECT 'x'::text AS text)", "( SELECT 'x'::bpchar AS text)"],
  ["( SELECT a.x::text)", "( SELECT a.x::text AS text)"],
  ["( SELECT 'x'::text FROM a)", "( SELECT 'x'::text FROM a AS text)"],
])("%s is not %s", (before, after) => {
  expect(asRestored(before)).not.toBe(asRestored(after));
});

test.each([
  "",
  "(",
  "a) b ((AND c",
  "f(a, (b AND c)) ",
  "(ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)",
  "(ARRAY[ARRAY[1]])::int[]",
  "(ARRAY[1])::text",
  "(ARRAY[a][1] || ARRAY[b])::int[]",
])("%s stays as it is", (text) => {
  expect(asRestored(text)).toBe(text);
});
