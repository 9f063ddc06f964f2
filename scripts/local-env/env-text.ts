/**
 * Changes one variable in the text of an env file and leaves every other byte as it is. Texts are decoded as latin1, a
 * character a byte, so that what is no valid UTF-8 survives too.
 */

/** One assignment: where its value stands in the text, quotes included. */
export interface Assignment {
  readonly name: string;
  readonly start: number;
  readonly end: number;
  /** The value as it is written. */
  readonly raw: string;
}

/** Every assignment of a variable, in order. Of several, readers take the last. */
export function findAssignments(text: string, name: string): Assignment[] {
  return [...text.matchAll(assignment)].flatMap(({ groups, indices }) => {
    if (groups?.name !== name) return [];
    const [, separatorEnd = 0] = indices?.groups?.separator ?? [];
    const [from = separatorEnd, to = separatorEnd] = indices?.groups?.value ?? [];
    const raw = text.slice(from, to);
    const start = from + raw.length - raw.replace(/^[\t\n\v\f\r ]+/, "").length;
    const end = to - (raw.length - raw.replace(/[\t\n\v\f\r ]+$/, "").length);
    return [{ name, start: Math.min(start, end), end, raw: text.slice(Math.min(start, end), end) }];
  });
}

/** The text with a variable set, and the addition if there had been none. `raw` is the value as it is to be written. */
export function setVariable(
  text: string,
  name: string,
  raw: string,
): { readonly text: string; readonly addition: string | null } {
  const present = findAssignments(text, name).at(-1);
  if (present !== undefined) return { text: splice(text, present, raw), addition: null };
  const lineBreak = /\r?\n/.exec(text)?.[0] ?? "\n";
  const isLineOpen = text !== "" && !text.endsWith("\n");
  const addition = `${isLineOpen ? lineBreak : ""}${name}=${raw}${lineBreak}`;
  return { text: text + addition, addition };
}

/** The text with another value in the place of an assignment's. */
export function splice(text: string, { start, end }: Assignment, raw: string): string {
  return text.slice(0, start) + raw + text.slice(end);
}

/** The text without what {@link setVariable} had added; without the assignment's own line where others wrote around it. */
export function removeAddition(text: string, { start, end }: Assignment, addition: string): string {
  const at = text.lastIndexOf(addition, start);
  const rest = text.slice(at + addition.length);
  const closedLine = /^\r?\n/.test(addition);
  const isWhole = at !== -1 && at + addition.length >= end;
  // Its own first line break ended somebody's last line, which is not the last one any more.
  if (isWhole && (closedLine ? rest === "" : at === 0 || text[at - 1] === "\n"))
    return text.slice(0, at) + rest;
  const lineStart = text.lastIndexOf("\n", start - 1) + 1;
  const nextLine = text.indexOf("\n", end);
  return text.slice(0, lineStart) + (nextLine === -1 ? "" : text.slice(nextLine + 1));
}

/**
 * The grammar of dotenv 16 (`LINE` in its lib/main.js), which Next.js and Prisma read these files with: quoted values
 * may go over several lines, `export` may stand in front, `:` for `=`. Blanks are ASCII's, because a byte is no character here.
 */
const assignment =
  /^[\t\v\f\r ]*(?:export[\t\n\v\f\r ]+)?(?<name>[\w.-]+)(?<separator>[\t\n\v\f\r ]*=|:(?=[\t\n\v\f\r ]))(?<value>[\t\n\v\f\r ]*'(?:\\'|[^'])*'|[\t\n\v\f\r ]*"(?:\\"|[^"])*"|[\t\n\v\f\r ]*`(?:\\`|[^`])*`|[^#\r\n]+)?[\t\n\v\f\r ]*(?:#.*)?$/dgm;
