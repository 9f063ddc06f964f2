import { readFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { parseSettings } from "../../components/settings.ts";
import { blocksIn, inlineCode, readDocuments, root } from "./markdown.ts";

const documents = await readDocuments();
const readme = documents.get("README.md") ?? "";
const project = parse(await readText("Pulumi.yaml"));
const stack: Record<string, unknown> = parse(await readText("Pulumi.prod.yaml")).config;
const prefix = `${project.name}:`;

/** The settings that `Pulumi.prod.yaml` and the project's defaults give, with the changes applied. */
function settingsWith(changes: Record<string, unknown> = {}) {
  const own = Object.entries(stack).map(([key, value]) => [key.replace(prefix, ""), value]);
  const defaults = Object.entries<{ default?: unknown }>(project.config)
    .filter(([, { default: value }]) => value !== undefined)
    .map(([key, { default: value }]) => [key, value]);
  return parseSettings({ ...Object.fromEntries(defaults), ...Object.fromEntries(own), ...changes });
}

test("every configuration key is named in the README's table, and no other", () => {
  const table = readme.slice(readme.indexOf("| key | here |")).split("\n\n")[0] ?? "";
  const rows = table.split("\n").slice(2);
  const named = rows.flatMap((row) => inlineCode(row.split("|")[1] ?? ""));
  const elsewhere = ["tokenKind"];
  for (const key of elsewhere) expect(inlineCode(readme)).toContain(key);
  expect([...named, ...elsewhere].toSorted()).toEqual(Object.keys(project.config).toSorted());
});

test("the README gives the limits and workers that hold by default", () => {
  const { limits, copy } = settingsWith();
  const row = readme.split("\n").find((line) => line.startsWith("| `limits`")) ?? "";
  expect(row).toContain(`\`writePauseMs\` ${limits.writePauseMs / 60_000} min`);
  expect(row).toContain(`\`lockTimeoutMs\` ${limits.lockTimeoutMs / 1_000} s`);
  expect(row).toContain(`\`deploymentTimeoutMs\` ${limits.deploymentTimeoutMs / 60_000} min`);
  expect(row).toContain(`\`healthyForMs\` ${limits.healthyForMs / 1_000} s`);
  expect(row).toContain(`\`soakDays\` ${limits.soakDays}`);
  expect(readme).toContain(`\`workers\`, ${copy.workers} parallel streams`);
});

test("the README's table shows what Pulumi.prod.yaml says", () => {
  for (const key of ["project", "environment", "source", "target", "schemas", "protectedSchemas"]) {
    const row = readme.split("\n").find((line) => line.startsWith("| ") && line.includes(`\`${key}\``));
    for (const value of [stack[prefix + key]].flat()) expect(row).toContain(`\`${value}\``);
  }
});

test("each YAML example is a valid change of the real stack's configuration", () => {
  const examples = blocksIn(readme, "yaml").map((text) => parse(text) as Record<string, unknown>);
  expect(examples).toHaveLength(2);
  for (const example of examples) {
    const changes = Object.entries(example).map(([key, value]) => [key.replace(prefix, ""), value]);
    const settings = settingsWith(Object.fromEntries(changes));
    for (const [key, value] of changes) expect(settings[key as keyof typeof settings]).toEqual(value);
  }
});

test("each transport example is one that the settings take", () => {
  const examples = inlineCode(readme)
    .filter((text) => text.startsWith("{ via:"))
    .map((text) => text.replace(`reason: "…"`, `reason: "the rows are made up"`))
    .map((text) => text.replace("…", Array(32).fill("5A").join(":")));
  expect(examples.map((text) => parse(text).via)).toEqual(["private", "tls", "tunnel", "plaintext"]);
  for (const text of examples) {
    const transport = { source: parse(text), target: parse(text) };
    expect(settingsWith({ transport, sensitive: false }).transport).toEqual(transport);
  }
});

test("each environment variable that a document names is one that the program reads", async () => {
  const sources = await Promise.all(
    ["components/dynamic/session.ts", "scripts/check-railway-schema.ts"].map(readText),
  );
  const provided = ["RAILWAY_PRIVATE_DOMAIN", "RAILWAY_SHM_SIZE_BYTES"];
  const errorCodes = headingsOf("docs/errors.md").concat(headingsOf("docs/findings.md"));
  const named = [...documents.values()].join("\n").matchAll(/\bRAILWAY_[A-Z_]+\b/g);
  const names = new Set([...named].map(([name]) => name));
  for (const name of names) {
    if (provided.includes(name) || errorCodes.includes(name)) continue;
    expect(sources.join("\n")).toMatch(new RegExp(`\\b${name}\\b`));
  }
});

test("the README promises the Pulumi and Node versions that the project asks for", async () => {
  const { engines } = JSON.parse(await readText("package.json"));
  expect(readme).toContain(`${project.requiredPulumiVersion.replace(">=", "").replace(/\.0$/, "")} or newer`);
  expect(readme).toContain(`Node ${engines.node.replace(">=", "")} or newer`);
});

function headingsOf(name: string): string[] {
  return [...(documents.get(name) ?? "").matchAll(/^### (\S+)$/gm)].map(([, heading]) => heading as string);
}

function readText(name: string): Promise<string> {
  return readFile(path.join(root, name), "utf8");
}
