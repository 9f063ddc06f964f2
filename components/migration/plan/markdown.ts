/**
 * A name as code. GitHub links no `@mention` and no `#number` in there, so nobody is called by a service's name.
 * A text that could not stand in one line is made to.
 */
export function code(text: string): string {
  const line = oneLine(text);
  const longest = Math.max(0, ...[...line.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = "`".repeat(longest + 1);
  // Blanks keep a name's own back-ticks away from the fence; CommonMark 6.1 takes them off again.
  return longest === 0 && line !== "" ? `${fence}${line}${fence}` : `${fence} ${line} ${fence}`;
}

/** A sentence for people: its own `code` stays code, names with an `@` become code, everything else stands for itself. */
export function prose(text: string): string {
  return oneLine(text)
    .split(/(`[^`]+`|\$\{\{[^{}]*\}\}|@[\w-]+(?:\/[\w.-]*\w)?)/)
    .map((part, index) => (index % 2 === 0 ? escapeMarkdown(part) : code(part.replace(/^`(.*)`$/, "$1"))))
    .join("");
}

/** A table of cells that are Markdown already. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(heading), line(heading.map(() => "---")), ...rows.map(line)];
}

function escapeMarkdown(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(/[\\`*_[\]~#]/g, "\\$&");
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ");
}
