import { compareText } from "../../text-order.ts";
import { sha256 } from "./canonical.ts";

/** The manifest: SHA-256 of every other file, as `sha256sum --check` reads it. */
export const sumsFile = "SHA256SUMS";
export const exportFile = "export.json";

/** One line a file, sorted by name. */
export function renderSums(files: ReadonlyMap<string, string | Uint8Array>): string {
  return [...files]
    .filter(([name]) => name !== sumsFile)
    .sort(([left], [right]) => compareText(left, right))
    .map(([name, content]) => `${sha256(content)}  ${name}\n`)
    .join("");
}

/** SHA-256 over the lines of all files but the export's own document: the same for every bundle of the same migration. */
export function contentsDigest(sums: string): string {
  const lines = sums.split(/(?<=\n)/).filter((line) => !line.endsWith(`  ${exportFile}\n`));
  return sha256(lines.join(""));
}

/** The manifest's lines by file name; `undefined` where a line is not one, or a name comes twice. */
export function parseSums(text: string): ReadonlyMap<string, string> | undefined {
  const lines = text.split("\n");
  if (lines.pop() !== "") return undefined;
  const entries = lines.map((line) => /^([0-9a-f]{64}) {2}([A-Za-z0-9][A-Za-z0-9._-]*)$/.exec(line));
  if (!entries.every((entry) => entry !== null)) return undefined;
  const sums = new Map(entries.map(([, sum = "", name = ""]) => [name, sum]));
  return sums.size === lines.length ? sums : undefined;
}
