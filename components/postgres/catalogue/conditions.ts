/**
 * A definition with its conditions grouped as the parser groups what it reads: it makes one of `(a AND b) AND c` (gram.y,
 * `makeAndExpr`). PostgreSQL writes the inner pair where the original was `x BETWEEN 1 AND 5 AND c`, so that a definition
 * which has been dumped and restored once is written in other words for good. AND and OR are associative: nothing else
 * is taken for the same.
 */
export function regrouped(definition: string): string {
  const words = definition.match(/'(?:[^']|'')*'|"(?:[^"]|"")*"|[\p{L}\p{N}_$]+|\s+|[^\s]/gu) ?? [];
  return textOf(splice(grouped(words)));
}

/** Words, and what stands between parentheses. */
type Group = ReadonlyArray<string | Group>;

function grouped(words: readonly string[]): Group {
  const open: Array<Array<string | Group>> = [[]];
  for (const word of words) {
    const inner = open.length > 1 && word === ")" ? open.pop() : undefined;
    if (inner !== undefined) open.at(-1)?.push(inner);
    else if (word === "(") open.push([]);
    else open.at(-1)?.push(word);
  }
  // What was never closed is no condition.
  return open.flatMap((group, depth) => (depth === 0 ? group : ["(", ...group]));
}

function splice(group: Group): Group {
  const parts = group.map((part) => (typeof part === "string" ? part : splice(part)));
  const operator = operatorOf(parts);
  const first = parts.findIndex((part) => typeof part !== "string" || part.trim() !== "");
  const inner = parts[first];
  if (operator === undefined || inner === undefined || typeof inner === "string") return parts;
  const next = parts.slice(first + 1).find((part) => typeof part !== "string" || part.trim() !== "");
  if (next !== operator || operatorOf(inner) !== operator) return parts;
  return [...parts.slice(0, first), ...inner, ...parts.slice(first + 1)];
}

/** The one that joins everything in it. */
function operatorOf(parts: Group): string | undefined {
  const [first, ...others] = new Set(parts.filter((part) => part === "AND" || part === "OR"));
  return others.length === 0 && typeof first === "string" ? first : undefined;
}

function textOf(group: Group): string {
  return group.map((part) => (typeof part === "string" ? part : `(${textOf(part)})`)).join("");
}
