import fc from "fast-check";
import { quoteLiteral } from "../../components/postgres/identifiers.ts";
import type { Dice } from "./dice.ts";

/** What the expressions on a column may be made of. */
export type TypeFamily =
  | "number"
  | "text"
  | "moment"
  | "json"
  | "boolean"
  | "array"
  | "range"
  | "enum"
  | "composite"
  | "other";

export interface ColumnType {
  readonly sql: string;
  readonly family: TypeFamily;
  /** Has a btree operator class, and so may be a key. */
  readonly isOrdered: boolean;
  readonly isCollatable: boolean;
  /** An SQL expression without a column in it. */
  value(dice: Dice): string;
}

/** Any of PostgreSQL's own types. */
export function builtInType(dice: Dice): ColumnType {
  const [sql, family, values] = dice.pick(builtIns);
  return ofValues(sql, family, (one) => (family === "text" ? aText(one, sql) : one.pick(values)));
}

export function enumType(sql: string, labels: readonly string[]): ColumnType {
  return { ...ofValues(sql, "enum", (dice) => dice.pick(labels)) };
}

export function domainType(sql: string, base: ColumnType): ColumnType {
  return { ...base, sql, value: (dice) => `CAST(${base.value(dice)} AS ${sql})` };
}

export function compositeType(sql: string, parts: readonly ColumnType[]): ColumnType {
  return {
    sql,
    family: "composite",
    isOrdered: parts.every(({ isOrdered }) => isOrdered),
    isCollatable: false,
    value: (dice) => `CAST(ROW(${parts.map((part) => orNull(part, dice)).join(", ")}) AS ${sql})`,
  };
}

export function rangeType(sql: string): ColumnType {
  return ofValues(sql, "range", (dice) => dice.pick(["empty", "(,)", "[1,3)", "[5,)"]));
}

export function arrayOf(element: ColumnType): ColumnType {
  const sql = `${element.sql}[]`;
  const row = (dice: Dice, count: number) =>
    Array.from({ length: count }, () => orNull(element, dice)).join(", ");
  return {
    sql,
    family: "array",
    isOrdered: element.isOrdered,
    isCollatable: element.isCollatable,
    value: (dice) => {
      const shape = dice.between(0, 3);
      if (shape === 0) return `CAST('{}' AS ${sql})`;
      if (shape === 1) return `CAST(ARRAY[[${row(dice, 2)}], [${row(dice, 2)}]] AS ${sql})`;
      if (shape === 2) return `CAST('[0:1]={NULL,NULL}' AS ${sql})`;
      return `CAST(ARRAY[${row(dice, dice.between(1, 3))}] AS ${sql})`;
    },
  };
}

/** A value, or now and then none. */
export function orNull(type: ColumnType, dice: Dice): string {
  return dice.once(4) ? "NULL" : type.value(dice);
}

/** A type by its name, with the values that a column of it is given. */
export function plainType(sql: string, family: TypeFamily, values: readonly string[]): ColumnType {
  return ofValues(sql, family, (dice) => dice.pick(values));
}

function ofValues(sql: string, family: TypeFamily, choose: (dice: Dice) => string): ColumnType {
  return {
    sql,
    family,
    isOrdered: !unordered.has(sql.replace(/\(.*/, "")),
    isCollatable: family === "text" && sql !== '"char"',
    value: (dice) => `CAST(${constant(choose(dice))} AS ${sql})`,
  };
}

/** A long one is one that repeats itself. */
function constant(text: string): string {
  if (text.length < 200) return quoteLiteral(text);
  return `repeat(${quoteLiteral(text.slice(0, 12))}, ${Math.ceil(text.length / 12)})`;
}

const anyText = fc.string({ unit: "binary", maxLength: 40 });

function aText(dice: Dice, sql: string): string {
  const most = Number(/\((\d+)\)/.exec(sql)?.[1] ?? (sql === '"char"' ? 1 : sql === "name" ? 15 : 9_000));
  const text = dice.once(2) ? dice.pick(awkwardTexts) : dice.value(anyText).replaceAll("\0", "");
  const cut = [...text].slice(0, most).join("");
  return sql === '"char"' && Buffer.byteLength(cut) > 1 ? "x" : cut;
}

const awkwardTexts = [
  "",
  " ",
  "NULL",
  "\\N",
  "\\.",
  "a\tb\nc\r\n",
  "\u0001\u007f",
  "\\x41",
  '"quoted", {array}',
  "it's",
  "İıß",
  "e\u0301 é",
  "\u202e\ufeff",
  "lorem ipsum ".repeat(700),
];

const days = ["2020-02-29", "4713-01-01 BC", "5874897-12-31", "infinity", "-infinity", "1582-10-10"];
const moments = [
  "2020-02-29 23:59:59.999999",
  "4713-01-01 00:00:00 BC",
  "294276-12-31 23:59:59.999999",
  "infinity",
  "-infinity",
  "2025-03-30 02:30:00",
];
const spans = [
  "0",
  "178000000 years",
  "-178000000 years",
  "1 mon -2 days 03:04:05.000006",
  "24:00:00",
  "-1 day",
];
const whole = (most: string) => ["0", most, `-${most}`, "1", "7"];
const documents = [
  '{"a": 1.0,  "a": 2}',
  "null",
  "[]",
  '"\\u00e9\\ud83d\\ude00"',
  '{"b": {"c": [1, 1e400]}}',
  "1.00",
];

/**
 * The types, and values of them from the ordinary to the very ends, the last ones those of extensions. Not those whose values a server gives out (`xid8`,
 * `pg_lsn`): the preflight refuses them.
 */
const builtIns: ReadonlyArray<readonly [sql: string, family: TypeFamily, values: readonly string[]]> = [
  ["integer", "number", whole("2147483647")],
  ["text", "text", []],
  ["bigint", "number", whole("9223372036854775807")],
  ["smallint", "number", whole("32767")],
  ["timestamp with time zone", "moment", moments],
  ["boolean", "boolean", ["true", "false"]],
  ["jsonb", "json", documents],
  [
    "numeric",
    "number",
    ["0", "1.00", "-0.000", "NaN", "Infinity", "-Infinity", "1e-300", "9".repeat(300), "1e500"],
  ],
  ["numeric(12,4)", "number", ["0", "-99999999.9999", "NaN", "1"]],
  ["numeric(3,-2)", "number", ["0", "12300"]],
  ["double precision", "number", ["0", "-0", "NaN", "5e-324", "1.7976931348623157e308", "-Infinity", "0.1"]],
  ["real", "number", ["0", "-0", "NaN", "1e-45", "3.4028235e38", "Infinity", "0.1"]],
  ["character varying(30)", "text", []],
  ["character(6)", "text", []],
  ["name", "text", []],
  ['"char"', "text", []],
  ["uuid", "other", ["6f9619ff-8b86-d011-b42d-00cf4fc964ff", "00000000-0000-0000-0000-000000000000"]],
  ["bytea", "other", ["", "\\x00", "\\xdeadbeef5c0a0d0927", `\\x${"00ff".repeat(30)}`]],
  ["date", "moment", days],
  ["timestamp", "moment", moments],
  ["timestamp(3)", "moment", moments.slice(0, 2)],
  ["time", "other", ["00:00", "24:00:00", "23:59:59.999999"]],
  ["time with time zone", "other", ["00:00:00+15:59", "24:00:00-15:59"]],
  ["interval", "other", spans],
  ["interval year to month", "other", ["1 year 2 mons", "0"]],
  ["interval second(2)", "other", ["1.23 seconds"]],
  ["money", "other", ["0", "-92233720368547758.08", "12.34"]],
  ["json", "json", documents],
  ["jsonpath", "other", ["$", "$.a ? (@ > 1)", 'strict $."b c"[*]']],
  ["xml", "other", ["<a/>", 'x<b c="1">é</b>', ""]],
  ["inet", "other", ["::1/64", "10.0.0.1", "0.0.0.0/0"]],
  ["cidr", "other", ["10.0.0.0/8", "::/0"]],
  ["macaddr", "other", ["08:00:2b:01:02:03"]],
  ["macaddr8", "other", ["08:00:2b:01:02:03:04:05"]],
  ["bit(5)", "other", ["10101"]],
  ["bit varying(9)", "other", ["", "101010101"]],
  ["point", "other", ["(0,-0)", "(NaN,Infinity)", "(1.5,2)"]],
  ["line", "other", ["{1,-1,0}"]],
  ["lseg", "other", ["[(0,0),(1,1)]"]],
  ["box", "other", ["((0,0),(1,1))"]],
  ["path", "other", ["[(0,0),(1,1)]", "((0,0),(1,1))"]],
  ["polygon", "other", ["((0,0),(1,1.5))"]],
  ["circle", "other", ["<(0,0),1>"]],
  ["tsvector", "other", ["", "a:1A b:2", "'it''s':3C"]],
  ["tsquery", "other", ["", "a & !b", "a <-> b:*"]],
  ["int4range", "range", ["empty", "(,)", "[1,5)", "[2147483646,)"]],
  ["numrange", "range", ["[1.0,1.00]", "(,0)"]],
  ["tstzrange", "range", ["[2020-01-01 00:00+00,infinity)", "empty"]],
  ["daterange", "range", ["[2020-01-01,2020-02-01)", "(,)"]],
  ["int8multirange", "range", ["{}", "{[1,3),[5,)}"]],
  ["citext", "text", []],
  ["hstore", "other", ["", '"a b"=>NULL, c=>"\\"d"']],
  ["ltree", "other", ["", "Top.Science_1"]],
];

const unordered = new Set([
  "json",
  "jsonpath",
  "xml",
  "point",
  "line",
  "lseg",
  "box",
  "path",
  "polygon",
  "circle",
  "pg_snapshot",
]);
