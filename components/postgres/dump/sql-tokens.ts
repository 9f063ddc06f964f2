/** A piece of SQL text: what matters here is only what is quoted or commented and what is not. */
export interface SqlToken {
  readonly kind: "comment" | "quoted" | "word" | "space" | "symbol";
  readonly start: number;
  readonly end: number;
}

/**
 * Splits SQL text into tokens after the lexical rules of the manual, 4.1, with `standard_conforming_strings` on.
 * An unclosed quote or comment reaches to the end of the text.
 */
export function* sqlTokens(text: string): Generator<SqlToken> {
  let position = 0;
  while (position < text.length) {
    const start = position;
    const { kind, end } = tokenAt(text, start);
    yield { kind, start, end };
    position = end;
  }
}

/**
 * The statements of a script, without their final semicolons. Meant for what pg_dump writes about indexes and
 * constraints: it does not know the bodies of SQL-standard functions, which hold semicolons of their own.
 */
export function splitStatements(text: string): string[] {
  const statements: string[] = [];
  let start = 0;
  let holdsCode = false;
  for (const token of sqlTokens(text)) {
    if (token.kind === "symbol" && text[token.start] === ";") {
      if (holdsCode) statements.push(text.slice(start, token.start).trim());
      start = token.end;
      holdsCode = false;
    } else if (token.kind !== "space" && token.kind !== "comment") {
      holdsCode = true;
    }
  }
  if (holdsCode) statements.push(text.slice(start).trim());
  return statements;
}

const space = /\s+/y;
const lineComment = /--[^\n]*/y;
// A doubled quote splits a string into two tokens: both are quoted, which is all that counts. Loops over single
// characters with alternatives would overflow the regular expression's stack on long constants.
const escapeString = /[eE]'[^'\\]*(?:(?:\\[\s\S]|'')[^'\\]*)*(?:'|$)/y;
const plainString = /'[^']*(?:'|$)/y;
const quotedIdentifier = /"[^"]*(?:"|$)/y;
const dollarTag = /\$(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$/y;
const word = /[A-Za-z0-9_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*/y;

const simple = [
  ["space", space],
  ["comment", lineComment],
  ["quoted", escapeString],
  ["quoted", plainString],
  ["quoted", quotedIdentifier],
  ["word", word],
] as const;

function tokenAt(text: string, start: number): Pick<SqlToken, "kind" | "end"> {
  for (const [kind, pattern] of simple) {
    const length = matchLength(pattern, text, start);
    if (length > 0) return { kind, end: start + length };
  }
  if (text.startsWith("/*", start)) return { kind: "comment", end: endOfBlockComment(text, start) };
  const tagLength = matchLength(dollarTag, text, start);
  if (tagLength > 0) {
    const close = text.indexOf(text.slice(start, start + tagLength), start + tagLength);
    return { kind: "quoted", end: close === -1 ? text.length : close + tagLength };
  }
  return { kind: "symbol", end: start + 1 };
}

function matchLength(pattern: RegExp, text: string, start: number): number {
  pattern.lastIndex = start;
  return pattern.test(text) ? pattern.lastIndex - start : 0;
}

/** Block comments nest. */
function endOfBlockComment(text: string, start: number): number {
  const edges = /\/\*|\*\//g;
  edges.lastIndex = start;
  let depth = 0;
  for (let edge = edges.exec(text); edge !== null; edge = edges.exec(text)) {
    depth += edge[0] === "/*" ? 1 : -1;
    if (depth === 0) return edges.lastIndex;
  }
  return text.length;
}
