import { sqlTokens } from "../../../postgres/dump/sql-tokens.ts";

/** Names by what they are. */
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
  /** Known relations in a FROM or JOIN, with or without a schema. Sorted. */
  readonly read: readonly string[];
}

/** Looks through the body of an SQL or PL/pgSQL function. It is split into words, not parsed. */
export function readBody(body: string, known: KnownNames<ReadonlySet<string>>): BodyNames {
  const words = significantWords(body);
  const unqualified = new Set<string>();
  const called = new Set<string>();
  const read = new Set<string>();
  words.forEach(({ name }, index) => {
    if (name === undefined) return;
    const before = words[index - 1]?.text ?? "";
    const after = words[index + 1]?.text ?? "";
    const isCall = after === "(" && known.functions.has(name);
    if (isCall) called.add(name);
    const source = after === "." ? words[index + 2]?.name : name;
    if (relationsFollow.has(before) && source !== undefined && known.relations.has(source)) read.add(source);
    if (before === "." || after === ".") return;
    const isRelation = relationsFollow.has(before) && known.relations.has(name);
    const isCast = before === ":" && words[index - 2]?.text === ":" && known.types.has(name);
    if (isCall || isRelation || isCast) unqualified.add(name);
  });
  return {
    unqualified: [...unqualified].toSorted(),
    called: [...called].toSorted(),
    read: [...read].toSorted(),
  };
}

export interface QualifiedName {
  readonly schema: string;
  readonly name: string;
  /** How many arguments it is called with; absent where it is not called. */
  readonly arguments?: number;
}

/** Every `schema.name` in the body, each once for each way to use it, in order. A table's column looks the same: `users.id`. */
export function qualifiedNames(body: string): QualifiedName[] {
  const words = significantWords(body);
  const names = new Map<string, QualifiedName>();
  words.forEach(({ name: schema }, index) => {
    const name = words[index + 2]?.name;
    if (schema === undefined || name === undefined || words[index + 1]?.text !== ".") return;
    if (words[index - 1]?.text === ".") return;
    const count = words[index + 3]?.text === "(" ? countArguments(words.slice(index + 4)) : undefined;
    names.set(`${schema}.${name} ${count}`, {
      ...{ schema, name },
      ...(count === undefined ? {} : { arguments: count }),
    });
  });
  return [...names.values()];
}

/** @param words from behind the opening parenthesis on */
function countArguments(words: readonly Word[]): number {
  let depth = 0;
  let commas = 0;
  for (const [index, { text }] of words.entries()) {
    if (text === ")" && depth === 0) return index === 0 ? 0 : commas + 1;
    if (text === "(" || text === "[") depth += 1;
    else if (text === ")" || text === "]") depth -= 1;
    else if (text === "," && depth === 0) commas += 1;
  }
  return commas + 1;
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
