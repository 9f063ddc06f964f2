/**
 * A definition in the words that PostgreSQL has for it once it was dumped and restored, for what the parser makes of such
 * words in another way than of the original ones. Nothing else is taken for the same:
 *
 * - Of `(a AND b) AND c` it makes one AND (gram.y, `makeAndExpr`). PostgreSQL writes the inner pair where the original was
 *   `x BETWEEN 1 AND 5 AND c`. AND and OR are associative.
 * - It casts the items of `(ARRAY[a, b])::text[]` one by one (parse_expr.c, `transformTypeCast`). PostgreSQL writes the cast of
 *   the whole where the original was `x IN ('a', 'b')` for a `varchar`, or a list of other numbers than the column's.
 * - It names what a subquery gives after the type of a cast (parse_target.c, `FigureColname`). PostgreSQL writes a constant
 *   with one, `( SELECT 'x'::text)`, where the original was `EXISTS (SELECT 'x' …)`.
 * - It gives NULL in a row of a named type the type of its attribute. PostgreSQL writes `ROW(1, NULL)::pair` where the type got an
 *   attribute after the original (ruleutils.c, `T_RowExpr`).
 */
export function asRestored(definition: string): string {
  return textOf(restored(grouped(wordsOf(definition))));
}

/** The words, constants, signs and white space of a definition, in order. */
export function wordsOf(definition: string): string[] {
  return definition.match(/'(?:[^']|'')*'|"(?:[^"]|"")*"|[\p{L}\p{N}_$]+|\s+|[^\s]/gu) ?? [];
}

/** Words, and what stands between parentheses. */
type Part = string | Group;
type Group = readonly Part[];

function grouped(words: readonly string[]): Group {
  const open: Part[][] = [[]];
  for (const word of words) {
    const inner = open.length > 1 && word === ")" ? open.pop() : undefined;
    if (inner !== undefined) open.at(-1)?.push(inner);
    else if (word === "(") open.push([]);
    else open.at(-1)?.push(word);
  }
  // What was never closed is no condition.
  return open.flatMap((group, depth) => (depth === 0 ? group : ["(", ...group]));
}

function textOf(group: Group): string {
  return group.map((part) => (typeof part === "string" ? part : `(${textOf(part)})`)).join("");
}

function restored(group: Group): Group {
  const parts = group.map((part) => (typeof part === "string" ? part : restored(part)));
  return withoutImpliedNames(withoutInnerPair(withCastItems(withPlainNulls(parts))));
}

function withPlainNulls(parts: Group): Group {
  return parts.map((part, index) => {
    const isRow = parts[index - 1] === "ROW" && parts[index + 1] === ":" && parts[index + 2] === ":";
    return isRow && typeof part !== "string" ? plainNulls(part) : part;
  });
}

function plainNulls(row: Group): Group {
  const result: Part[] = [];
  let isCast = false;
  for (const part of row) {
    if (part === ",") isCast = false;
    const [word, former] = result.filter((given) => !isBlank(given)).toReversed();
    if (part === ":" && word === "NULL" && (former === undefined || former === ",")) isCast = true;
    if (!isCast) result.push(part);
  }
  return result;
}

function withoutInnerPair(parts: Group): Group {
  const operator = operatorOf(parts);
  const first = parts.findIndex((part) => !isBlank(part));
  const inner = parts[first];
  if (operator === undefined || inner === undefined || typeof inner === "string") return parts;
  const next = parts.slice(first + 1).find((part) => !isBlank(part));
  if (next !== operator || operatorOf(inner) !== operator) return parts;
  return [...parts.slice(0, first), ...inner, ...parts.slice(first + 1)];
}

/** The one that joins everything in it. */
function operatorOf(parts: Group): string | undefined {
  const [first, ...others] = new Set(parts.filter((part) => part === "AND" || part === "OR"));
  return others.length === 0 && typeof first === "string" ? first : undefined;
}

function withCastItems(parts: Group): Group {
  const result: Part[] = [];
  for (let position = 0; position < parts.length; ) {
    const part = parts[position] as Part;
    const items = typeof part === "string" ? undefined : itemsOf(part);
    const type = items === undefined ? undefined : arrayTypeAfter(parts, position + 1);
    if (items === undefined || type === undefined) {
      result.push(part);
      position += 1;
    } else {
      const cast = items.flatMap((item, index) => [...(index === 0 ? [] : [", "]), item, "::", ...type.item]);
      result.push("ARRAY", "[", ...cast, "]");
      position = type.end;
    }
  }
  return result;
}

/** Those of `ARRAY[a, b]`, where there is nothing else and no array among them. */
function itemsOf([array, open, ...rest]: Group): Group[] | undefined {
  if (array !== "ARRAY" || open !== "[" || rest.at(-1) !== "]" || rest.includes("ARRAY")) return undefined;
  const items: Part[][] = [[]];
  let depth = 0;
  for (const part of rest.slice(0, -1)) {
    if (part === "[") depth += 1;
    if (part === "]") depth -= 1;
    if (depth < 0) return undefined;
    if (part === "," && depth === 0) items.push([]);
    else if (!isBlank(part) || (items.at(-1)?.length ?? 0) > 0) items.at(-1)?.push(part);
  }
  return items;
}

/** The type of the items where a cast to an array's follows, and where that ends. */
function arrayTypeAfter(parts: Group, start: number): { item: Group; end: number } | undefined {
  if (parts[start] !== ":" || parts[start + 1] !== ":") return undefined;
  const open = parts.indexOf("[", start);
  if (open === -1 || parts[open + 1] !== "]") return undefined;
  const item = parts.slice(start + 2, open);
  const isName = item.every(
    (part) => typeof part !== "string" || /^(?:[\p{L}\p{N}_$]+|".*"|\.|\s+)$/u.test(part),
  );
  return isName ? { item, end: open + 2 } : undefined;
}

/** Without `AS text` behind `'x'::text`: nothing but a column of that name says what is meant by it. */
function withoutImpliedNames(parts: Group): Group {
  return parts.filter((_part, index) => {
    // Up to four parts: a blank, AS, another blank, and the name.
    const from = [index, index - 1, index - 2, index - 3].find((start) => parts[start + 1] === "AS");
    return from === undefined || !isImpliedName(parts, from);
  });
}

/** @param start where a blank, AS, a blank and a name stand */
function isImpliedName(parts: Group, start: number): boolean {
  const [before, , between, name] = parts.slice(start, start + 4);
  if (!isBlank(before) || !isBlank(between) || typeof name !== "string") return false;
  const cast = parts.lastIndexOf(":", start);
  const constant = parts[cast - 2];
  if (parts[cast - 1] !== ":" || typeof constant !== "string" || !/^(?:'|NULL$)/s.test(constant))
    return false;
  const type = parts
    .slice(cast + 1, start)
    .filter((part) => typeof part === "string" && part !== "[" && part !== "]")
    .join("");
  return (
    (typeNames[type] ?? type.slice(type.lastIndexOf(".") + 1)).replaceAll('"', "") ===
    name.replaceAll('"', "")
  );
}

/** As the parser knows the types that PostgreSQL writes in more words, or other ones. */
const typeNames: Readonly<Record<string, string>> = {
  smallint: "int2",
  integer: "int4",
  bigint: "int8",
  real: "float4",
  "double precision": "float8",
  boolean: "bool",
  character: "bpchar",
  "character varying": "varchar",
  "bit varying": "varbit",
  "time without time zone": "time",
  "time with time zone": "timetz",
  "timestamp without time zone": "timestamp",
  "timestamp with time zone": "timestamptz",
};

function isBlank(part: Part | undefined): boolean {
  return typeof part === "string" && part.trim() === "";
}
