import { readdir, readFile } from "node:fs/promises";
import path from "node:path";

export const root = path.join(import.meta.dirname, "../..");

/** The project's documents, by path from its root. */
export async function readDocuments(): Promise<Map<string, string>> {
  const found = await readdir(path.join(root, "docs"), { recursive: true });
  const top = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"];
  const paths = [...top, ...found.filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`)];
  const texts = paths.map(async (name) => [name, await readFile(path.join(root, name), "utf8")] as const);
  return new Map(await Promise.all(texts));
}

/** Targets of links that lead to files or headings of the project, as they are written. */
export function linksIn(markdown: string): string[] {
  const prose = markdown.replaceAll(/^```[\s\S]*?^```/gm, "").replaceAll(/`[^`\n]*`/g, "");
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target as string)
    .filter((target) => !/^[a-z]+:/.test(target));
}

/** The anchors that GitHub makes of a document's headings. */
export function anchorsOf(markdown: string): Set<string> {
  const headings = [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, text]) => text as string);
  return new Set(
    headings.map((text) =>
      text
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, "")
        .replaceAll(" ", "-"),
    ),
  );
}

/** The contents of the fenced blocks of one language. */
export function blocksIn(markdown: string, language: string): string[] {
  return [...markdown.matchAll(/^```(\w*)\n([\s\S]*?)^```/gm)]
    .filter(([, named]) => named === language)
    .map(([, , text]) => text as string);
}

/** What stands in backticks within a line. */
export function inlineCode(markdown: string): string[] {
  const prose = markdown.replaceAll(/^```[\s\S]*?^```/gm, "");
  return [...prose.matchAll(/`([^`\n]+)`/g)].map(([, text]) => text as string);
}

/** The rows of the table with exactly these headings, each a list of its cells' texts. */
export function tableWith(markdown: string, headings: readonly string[]): string[][] {
  const lines = markdown.split("\n");
  const start = lines.indexOf(`| ${headings.join(" | ")} |`);
  if (start === -1) throw new Error(`there is no table with the headings ${headings.join(", ")}`);
  const rest = lines.slice(start + 2);
  const end = rest.findIndex((line) => !line.startsWith("|"));
  return rest.slice(0, end === -1 ? undefined : end).map((line) =>
    line
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim()),
  );
}
