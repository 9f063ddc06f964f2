import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** The addresses from which this machine's apt takes Debian's main archive, as configured; empty when there are none. */
export async function configuredMirrors(folder = "/etc/apt"): Promise<string[]> {
  const parts = join(folder, "sources.list.d");
  const names = await readdir(parts).catch(() => []);
  const files = [join(folder, "sources.list"), ...names.sort().map((name) => join(parts, name))];
  const mirrors: string[] = [];
  for (const file of files) {
    const text = await readFile(file, "utf8").catch(() => "");
    if (file.endsWith(".sources")) mirrors.push(...mirrorsOfStanzas(text));
    if (file.endsWith(".list")) mirrors.push(...mirrorsOfLines(text));
  }
  return [...new Set(mirrors)];
}

/** The deb822 format of sources.list(5). */
function mirrorsOfStanzas(text: string): string[] {
  const withoutComments = text.replaceAll(/^#.*\n?/gm, "");
  return withoutComments.split(/\n\s*\n/).flatMap((stanza) => {
    const field = (name: string) => words(new RegExp(`^${name}:(.*)$`, "im").exec(stanza)?.[1] ?? "");
    const usable = field("Types").includes("deb") && field("Enabled")[0]?.toLowerCase() !== "no";
    return usable && isMainArchive(field("Suites")[0], field("Components")) ? field("URIs") : [];
  });
}

/** The one-line format of sources.list(5): `deb [options] uri suite component…`. */
function mirrorsOfLines(text: string): string[] {
  return text.split("\n").flatMap((line) => {
    const [type, uri, suite, ...components] = words(line.replace(/#.*$/, "").replace(/\[.*?\]/, ""));
    return type === "deb" && uri !== undefined && isMainArchive(suite, components) ? [uri] : [];
  });
}

/** The security archive is another one, and third parties' suites are not named after a Debian release. */
function isMainArchive(suite: string | undefined, components: readonly string[]): boolean {
  return (
    components.includes("main") &&
    /^(bullseye|bookworm|trixie|forky|sid|stable|testing|unstable)$/.test(suite ?? "")
  );
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}
