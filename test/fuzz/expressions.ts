import type { Dice } from "./dice.ts";
import type { TypeFamily } from "./types.ts";

/** A column as an expression names it. */
export interface Operand {
  /** Quoted, and qualified where the statement needs that. */
  readonly sql: string;
  readonly family: TypeFamily;
  /** A constant of its type. */
  value?(dice: Dice): string;
}

/** A condition over some columns: what a check, a policy, a partial index or a view may say. */
export function condition(operands: readonly Operand[], dice: Dice, depth = 2): string {
  if (depth > 0 && dice.once(3)) {
    const parts = [condition(operands, dice, depth - 1), condition(operands, dice, depth - 1)];
    return dice.pick([
      `(${parts.join(" AND ")})`,
      `(${parts.join(" OR ")})`,
      `(NOT ${parts[0]})`,
      `((${parts[0]}) IS NOT TRUE)`,
      `(CASE WHEN ${parts[0]} THEN ${parts[1]} ELSE true END)`,
    ]);
  }
  const { sql, family, value } = dice.pick(operands);
  const withConstants = value === undefined ? [] : conditionsWithConstants;
  return dice
    .pick([...conditionsOnAll, ...withConstants, ...(conditionsOn[family] ?? [])])
    .replaceAll("§v", () => value?.(dice) ?? "NULL")
    .replaceAll("§", () => sql);
}

/** A value made of one column, immutable where it stands in an index or a generated column. */
export function derived(operand: Operand, dice: Dice): { readonly sql: string; readonly type: string } {
  const [sql, type] = dice.pick([...valuesOnAll, ...(valuesOn[operand.family] ?? [])]);
  return { sql: sql.replaceAll("§", () => operand.sql), type };
}

const conditionsOnAll = [
  "(§ IS NULL)",
  "(§ IS NOT NULL)",
  "(§ IS NOT DISTINCT FROM §)",
  "(num_nulls(§, NULL) > 0)",
  "(pg_typeof(§) <> 'regclass'::regtype)",
];

const conditionsWithConstants = [
  "(§ = §v OR true)",
  "(§ IN (§v, §v) OR § NOT IN (§v, §v, §v) OR true)",
  "(§ BETWEEN §v AND §v OR true)",
  "(§ IS DISTINCT FROM §v OR true)",
  "(CASE § WHEN §v THEN false ELSE true END OR true)",
  "(COALESCE(§, §v) IS NOT NULL OR true)",
];

const conditionsOn: Partial<Record<TypeFamily, readonly string[]>> = {
  number: [
    "(§ > 0 OR § <= 0)",
    "(§ BETWEEN SYMMETRIC 10 AND -5 OR true)",
    "(§ IN (1, 2, 3) OR § NOT IN (1, 2))",
    "(§ <> ALL (ARRAY[77, 78]))",
    "(- § < 5 OR true)",
    "((§, 1) < (2, 3) OR true)",
    "(§::text ~ '^[^x]*$')",
  ],
  text: [
    "(§ LIKE '%a!%' ESCAPE '!' OR true)",
    "(§ NOT ILIKE '_x_%')",
    "(§ SIMILAR TO '%(a|b)%' OR true)",
    "(§ !~* '^never$')",
    "(§ COLLATE \"C\" >= '' OR true)",
    "(§ = ANY (ARRAY['a', 'b']) OR true)",
    "(§ <> ALL ('{a,b}') OR true)",
    "(length(§) < 10000)",
    "(position('zzz' IN §) = 0 OR true)",
    "(starts_with(§::text, 'a') OR true)",
    "(trim(BOTH 'x' FROM §) <> 'never' OR true)",
  ],
  moment: [
    "(EXTRACT(year FROM §) > -5000)",
    "(§ > '2020-01-01' OR true)",
    "(isfinite(§) OR true)",
    "(§ BETWEEN '2000-01-01' AND '2030-01-01' OR true)",
  ],
  json: [
    "(json_typeof(§::json) <> 'x')",
    "(§::jsonb ? 'a' OR true)",
    "(§::jsonb @> '{}' OR true)",
    "(§ IS JSON OR true)",
  ],
  boolean: ["(§ OR NOT §)", "(§ IS TRUE OR § IS NOT TRUE)", "(§ IS UNKNOWN OR true)"],
  array: ["(cardinality(§) < 100)", "(array_length(§, 1) > 0 OR true)", "(§ <> '{}' OR true)"],
  range: ["(isempty(§) OR true)", "(§ && § OR true)", "(lower_inf(§) OR true)"],
  enum: ["(§ = §)", "(§::text <> 'never')"],
  composite: ["((§).* IS NOT NULL OR true)", "(§ IS DISTINCT FROM NULL)"],
};

const valuesOnAll = [
  ["§", ""],
  ["(§ IS NULL)", "boolean"],
  ["num_nonnulls(§, NULL)", "integer"],
  ["CASE WHEN § IS NULL THEN 1 ELSE 2 END", "integer"],
] as const;

const valuesOn: Partial<Record<TypeFamily, ReadonlyArray<readonly [sql: string, type: string]>>> = {
  number: [
    ["(§ IS NOT NULL)::integer + 1", "integer"],
    ["COALESCE(§, 0) > 5", "boolean"],
    ["GREATEST(§, 0) IS NULL", "boolean"],
    ["NULLIF(§, 0) = 1", "boolean"],
  ],
  text: [
    ["lower(§)", "text"],
    ["§ || 'x'", "text"],
    ["substring(§ FROM 2 FOR 3)", "text"],
    ["overlay(§ PLACING 'x' FROM 1)", "text"],
    ["trim(LEADING ' ' FROM §)", "text"],
    ["COALESCE(§, 'none')", "text"],
    ["(md5(§))", "text"],
    ['upper(§ COLLATE "C")', "text"],
    ["to_tsvector('simple'::regconfig, §)", "tsvector"],
    ["char_length(§)", "integer"],
  ],
  moment: [["§ > '2020-01-01'", "boolean"]],
  json: [
    ["§ -> 'a' IS NULL", "boolean"],
    ["§ #>> '{b,c}'", "text"],
    ["§ ->> 'a'", "text"],
  ],
  boolean: [["NOT §", "boolean"]],
  array: [
    ["cardinality(§)", "integer"],
    ["§[1] IS NULL", "boolean"],
    ["§[1:2] = '{}'", "boolean"],
  ],
  range: [
    ["isempty(§)", "boolean"],
    ["upper(§) IS NULL", "boolean"],
  ],
};

/** What only a view says: anything that is stable enough to be asked again. */
export function shown(operand: Operand, dice: Dice): string {
  return dice.pick([...shownOfAll, ...(shownOf[operand.family] ?? [])]).replaceAll("§", () => operand.sql);
}

const shownOfAll = [
  "§",
  "§::text",
  "to_jsonb(§)",
  "ROW(§, 1, NULL::text)",
  "pg_typeof(§)",
  'xmlelement(name "El", xmlattributes(1 AS a), §::text)',
  "xmlforest(§::text AS y)",
  "JSON_OBJECT('k' VALUE §::text)",
  "JSON_ARRAY(§::text NULL ON NULL)",
  "ARRAY[§, §]",
  "GROUPING(§)",
  "count(§) FILTER (WHERE § IS NOT NULL) OVER (ORDER BY §::text ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)",
  "(SELECT count(*) FROM pg_catalog.pg_class WHERE false)",
  "COALESCE(§::text, 'x') COLLATE \"C\"",
  "(ARRAY[§])[1]",
  "LEAST(§::text, 'b')",
];

const shownOf: Partial<Record<TypeFamily, readonly string[]>> = {
  number: ["§ + 1", "- §", "§ % 2", "@ §", "§::numeric(10,2)", "(§)::bigint::bit(8)", "round(§::numeric, 1)"],
  text: [
    "lower(§)",
    "§ || §",
    "§::char(3)",
    "substring(§ SIMILAR 'a#\"b#\"c' ESCAPE '#')",
    "position('a' IN §)",
    "normalize(§::text, NFKC)",
    "§ IS NFC NORMALIZED",
    "COLLATION FOR (§)",
    "regexp_match(§, 'a')",
    "CAST(§ AS character varying(5))",
    "string_to_array(§::text, ',')",
  ],
  moment: [
    "EXTRACT(epoch FROM §)",
    "date_part('year', §)",
    "§ + interval '1 day'",
    "§ AT TIME ZONE 'UTC'",
    "(§ AT TIME ZONE INTERVAL '01:00')",
    "date_trunc('day', §)",
    "(§, §) OVERLAPS (§, interval '1 day')",
    "§::date",
    "CURRENT_DATE",
    "§ AT LOCAL",
  ],
  json: [
    "§ -> 'a'",
    "§ #> '{b,c}'",
    "§['a']",
    "§ ->> 0",
    "JSON_VALUE(§, '$.a')",
    "JSON_EXISTS(§, '$.a')",
    "JSON_QUERY(§, '$.b' WITH WRAPPER)",
  ],
  boolean: ["NOT §", "§ IS UNKNOWN", "§::integer"],
  array: ["§[1]", "§[1:2]", "§[:]", "array_to_string(§, ',')", "§ || §", "cardinality(§)"],
  range: ["lower(§)", "§ * §", "range_merge(§, §)"],
  enum: ["§::text", "enum_range(§)"],
  composite: ["(§).*", "§::text"],
};
