import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { root } from "../docs/markdown.ts";
import { makeStackFolder, type StackFolder } from "./stack-folder.ts";

const up = ["--stack", "trial"];

/** The token is missed only after the whole configuration was read. */
const environment = { RAILWAY_TOKEN: "", RAILWAY_API_TOKEN: "" };

let stack: StackFolder;

beforeAll(async () => {
  const { config } = parse(await readFile(path.join(root, "Pulumi.prod.yaml"), "utf8"));
  const named = Object.entries(config).map(([key, value]) => [key.split(":").at(-1), value]);
  stack = await makeStackFolder(Object.fromEntries(named), environment);
});
afterAll(() => stack?.remove());

async function withFile(change: (text: string) => string) {
  const file = path.join(stack.path, "Pulumi.trial.yaml");
  const text = await readFile(file, "utf8");
  await writeFile(file, change(text));
  const result = await stack.script("status", up);
  await writeFile(file, text);
  return result;
}

test("a stack's file is read as Pulumi writes it, with booleans as text, a salt and its own secrets", async () => {
  const { errors } = await withFile((text) =>
    text
      .replace('"railway-pgvector-cutover:sensitive":true', '"railway-pgvector-cutover:sensitive":"true"')
      .replace(
        '{"config":{',
        '{"encryptionsalt":"v1:x","config":{"railway-pgvector-cutover:railwayToken":{"secure":"v1:x"},"aws:region":"x",',
      ),
  );
  expect(errors).toMatch(/^RAILWAY_TOKEN_MISSING: /);
});

test("a misspelt key is refused and not left out", async () => {
  const { exitCode, errors } = await withFile((text) =>
    text.replace(":protectedSchemas", ":protectedSchema"),
  );
  expect(exitCode).toBe(1);
  expect(errors).toMatch(/^CONFIGURATION_INVALID: .*protectedSchema; protectedSchemas may be meant/);
});

test.for([
  ["no configuration yet, as after pulumi stack init", "encryptionsalt: v1:x"],
  ["an empty file", ""],
  ["no YAML", "config: [}"],
])("%s is told as a configuration that is not valid", async ([, text = ""]) => {
  const { exitCode, errors } = await withFile(() => text);
  expect(exitCode).toBe(1);
  expect(errors).toMatch(/^CONFIGURATION_INVALID: .* Remedy: /);
});
