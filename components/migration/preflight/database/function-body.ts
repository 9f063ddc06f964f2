import { sqlTokens } from "../../../postgres/dump/sql-tokens.ts";

/** Names outside of `pg_catalog`, by what they are. */
export interface KnownNames<Names = readonly string[]> {
  readonly functions: Names;
  readonly relations: Names;
  readonly types: Names;
}

export interface BodyNames {
  /** Known names that stand without a schema where their kind is meant: a call, a FROM or JOIN, a cast. Sorted. */
  readonly unqualified: readonly string[];
  /** Known functions that are called, with or without a schema. Sorted. */
  readonly called: readonly string[];
}

/** Looks through the body of an SQL or PL/pgSQL function. It is split into words, not parsed. */
export function readBody(body: string, known: KnownNames<ReadonlySet<string>>): BodyNames {
  const words = significantWords(body);
  const unqualified = new Set<string>();
  const called = new Set<string>();
  words.forEach(({ name }, index) => {
    if (name === undefined) return;
    const before = words[index - 1]?.text ?? "";
    const after = words[index + 1]?.text ?? "";
    const isCall = after === "(" && known.functions.has(name);
    if (isCall) called.add(name);
    if (before === "." || after === ".") return;
    const isRelation = relationsFollow.has(before) && known.relations.has(name);
    const isCast = before === ":" && words[index - 2]?.text === ":" && known.types.has(name);
    if (isCall || isRelation || isCast) unqualified.add(name);
  });
  return { unqualified: [...unqualified].toSorted(), called: [...called].toSorted() };
}

/** Every `schema.name` in the body, each once, in order. A table's column looks the same: `users.id`. */
export function qualifiedNames(body: string): Array<{ schema: string; name: string }> {
  const words = significantWords(body);
  const names = new Map<string, { schema: string; name: string }>();
  words.forEach(({ name: schema }, index) => {
    const name = words[index + 2]?.name;
    if (schema === undefined || name === undefined || words[index + 1]?.text !== ".") return;
    if (words[index - 1]?.text !== ".") names.set(`${schema}.${name}`, { schema, name });
  });
  return [...names.values()];
}

const relationsFollow = new Set(["from", "join", "only"]);

interface Word {
  /** As it reads for comparisons: folded to lower case unless quoted. */
  readonly text: string;
  /** The identifier, when it can be one. */
  readonly name: string | undefined;
}

function significantWords(body: string): Word[] {
  const words: Word[] = [];
  for (const { kind, start, end } of sqlTokens(body)) {
    const text = body.slice(start, end);
    if (kind === "word") words.push({ text: text.toLowerCase(), name: text.toLowerCase() });
    else if (kind === "symbol") words.push({ text, name: undefined });
    else if (kind === "quoted") {
      const isIdentifier = text.startsWith('"');
      words.push({ text, name: isIdentifier ? text.slice(1, -1) : undefined });
    }
  }
  return words;
}
