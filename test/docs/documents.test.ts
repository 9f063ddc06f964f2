import { access, readFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { migrationStates } from "../../components/migration/journal/record.ts";
import { anchorsOf, inlineCode, linksIn, readDocuments, root } from "./markdown.ts";

const documents = await readDocuments();

test.for([...documents])("%s links to files and headings that exist", async ([name, text]) => {
  for (const link of linksIn(text)) {
    const [file = "", anchor] = link.split("#");
    const linked = file === "" ? name : path.posix.join(path.posix.dirname(name), file);
    await access(path.join(root, linked));
    if (anchor === undefined) continue;
    expect([...anchorsOf(documents.get(linked) ?? "")], link).toContain(anchor);
  }
});

test.for([...documents])("%s names npm scripts that exist", async ([, text]) => {
  const { scripts } = JSON.parse(await readFile(path.join(root, "package.json"), "utf8"));
  for (const [, script = ""] of text.matchAll(/\bnpm run (?:--silent )?([a-z][a-z-]*(?::[a-z-]+)?)/g))
    expect(Object.keys(scripts)).toContain(script);
});

test.for(["CONTRIBUTING.md", "SECURITY.md"])("%s names files and folders that exist", async (name) => {
  const words = inlineCode(documents.get(name) ?? "").filter((word) => /^[\w./-]+(\.ts|\.md|\/)$/.test(word));
  expect(words.length).toBeGreaterThan(10);
  for (const word of words) {
    const places = ["", "components/migration", "components/postgres"].map((folder) =>
      path.join(root, folder, word),
    );
    const found = await Promise.allSettled(places.map((place) => access(place)));
    expect(
      found.some(({ status }) => status === "fulfilled"),
      word,
    ).toBe(true);
  }
});

test("error and finding codes that the documents name have a heading", () => {
  const headings = ["docs/drift.md", "docs/errors.md", "docs/findings.md"].flatMap((name) => [
    ...anchorsOf(documents.get(name) ?? ""),
  ]);
  const known = new Set([
    ...headings.map((heading) => heading.toUpperCase()),
    ...differenceCodes(),
    ...notCodes,
  ]);
  for (const [name, text] of documents) {
    const codes = inlineCode(text).filter((word) => /^[A-Z]+(_[A-Z]+)+$/.test(word));
    for (const code of codes) expect(known.has(code), `${code} in ${name}`).toBe(true);
  }
});

/** Upper-case words with an underscore that are variables or keywords. */
const notCodes = [
  "RAILWAY_SHM_SIZE_BYTES",
  "ALLOW_CONNECTIONS",
  "AWS_ACCESS_KEY_ID",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "CUTOVER_OPERATOR",
  "CUTOVER_RUNNER",
  "CUTOVER_WEBHOOK_URL",
  "DATABASE_URL",
  "DIRECT_URL",
  "LLM_DATABASE_URL",
  "NODE_OPTIONS",
  "POSTGRES_PASSWORD",
  "PULUMI_ACCESS_TOKEN",
  "PULUMI_CONFIG_PASSPHRASE",
  "RAILWAY_API_TOKEN",
  "RAILWAY_API_URL",
  "RAILWAY_REMOVAL_TOKEN",
  "RAILWAY_TOKEN",
  "SHADOW_DATABASE_URL",
  "SSL_CERT_DAYS",
];

function differenceCodes(): string[] {
  const errors = documents.get("docs/errors.md") ?? "";
  return [...errors.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, code]) => code as string);
}

test("the protocol describes every state of the journal", () => {
  const protocol = documents.get("docs/protocol.md") ?? "";
  const states = protocol.slice(protocol.indexOf("## States"), protocol.indexOf("## Crash table"));
  for (const state of migrationStates) expect(states).toMatch(new RegExp(`^\\|.*\`${state}\``, "m"));
});
