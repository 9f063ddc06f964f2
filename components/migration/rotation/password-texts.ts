import type { Holder } from "./record.ts";

/**
 * How the text of a variable carries a password: it is the password, it is a database URL with it, or it has it somewhere
 * inside. `null`: not at all. A short password stands in many texts by chance, so it counts only where a password is meant.
 */
export function carriesPassword(
  name: string,
  text: string | null | undefined,
  password: string,
): Holder["kind"] | "inside" | null {
  if (text === null || text === undefined || password === "") return null;
  if (text.trim() === password) return isTelling(password) || namesSecret(name) ? "whole" : null;
  const inUrl = urlPassword(text);
  if (inUrl !== undefined && decode(inUrl) === password) return "url";
  const isInside = text.includes(password) || text.includes(encodeURIComponent(password));
  return isInside && isTelling(password) ? "inside" : null;
}

/** The same text with another password, which needs no encoding in a URL. */
export function withPassword(kind: Holder["kind"], text: string, password: string): string {
  if (kind === "whole") return password;
  return text.replace(urlPattern, (_match, before: string) => `${before}${password}@`);
}

/** The password of the database URL that a text is, as it is written there: a reference, perhaps. */
function urlPassword(text: string): string | undefined {
  return urlPattern.exec(text)?.[2];
}

/** Not `new URL`: the text of a variable may have references where a URL allows none. */
const urlPattern = /^(\s*postgres(?:ql)?:\/\/[^:@/\s]*:)([^@/\s]*)@/;

function isTelling(password: string): boolean {
  return password.length >= 12;
}

function namesSecret(name: string): boolean {
  return /pass|pwd|secret/i.test(name);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
