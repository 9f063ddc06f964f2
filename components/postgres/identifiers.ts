/** Quotes one SQL identifier (PostgreSQL manual 4.1.1): the only place where names become SQL text. */
export function quoteIdentifier(name: string): string {
  if (name.includes("\0")) throw new TypeError("an SQL identifier cannot contain a zero byte");
  return `"${name.replaceAll('"', '""')}"`;
}

/** `"schema"."name"`. */
export function quoteQualified(schema: string, name: string): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
}

/** Quotes a string constant where the grammar takes no parameter (DDL). Standard-conforming strings are pinned on every session. */
export function quoteLiteral(value: string): string {
  if (value.includes("\0")) throw new TypeError("an SQL string cannot contain a zero byte");
  const quoted = `'${value.replaceAll("'", "''")}'`;
  return value.includes("\\") ? ` E${quoted.replaceAll("\\", "\\\\")}` : quoted;
}

/**
 * A text of PostgreSQL's with its names in the same words from every major version: without quotes where only a keyword
 * needs them, because what is one differs; and `json` alone, which from 17 on is the language's own name of the type and
 * no longer qualified (format_type.c).
 */
export function inCommonWords(text: string): string {
  return text.replaceAll(/"(?:[^"]|"")*"|\bpg_catalog\.json\b/g, (word) => {
    if (!word.startsWith('"')) return "json";
    const name = word.slice(1, -1);
    return /^[a-z_][a-z0-9_]*$/.test(name) ? name : word;
  });
}
