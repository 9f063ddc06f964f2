import { readFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { readDocuments, root, tableWith } from "../docs/markdown.ts";
import { runScript } from "./stack-folder.ts";

const readme = (await readDocuments()).get("README.md") ?? "";
const codes = new Map(
  tableWith(readme, ["command", "0", "1", "2"]).map(([name = "", ...meanings]) => [
    name.replaceAll("`", ""),
    meanings,
  ]),
);

const { scripts } = JSON.parse(await readFile(path.join(root, "package.json"), "utf8"));
const commands = Object.entries<string>(scripts).flatMap(([name, command]) => {
  const file = /^node (scripts\/\S+\.ts)$/.exec(command)?.[1];
  return file === undefined ? [] : [{ name, file: path.join(root, file) }];
});

test("the README has the exit codes of every command", () => {
  expect(commands.length).toBeGreaterThan(6);
  for (const { name } of commands) expect([...codes.keys()]).toContain(name);
});

/** Without a token or a network to ask: what is wrong with the arguments is said before anything is looked for. */
const nothing = {
  RAILWAY_TOKEN: "",
  RAILWAY_API_TOKEN: "",
  RAILWAY_API_URL: "http://127.0.0.1:9/graphql/v2",
};

describe.for(commands)("npm run $name", ({ name, file }) => {
  test("--help says how it is called and what its exit codes mean, and ends with 0", async () => {
    const { exitCode, output, errors } = await runScript(file, ["--help"], root, nothing);
    expect({ exitCode, errors }).toMatchObject({ exitCode: 0, errors: "" });
    expect(output).toMatch(new RegExp(name === "test" ? "npm test" : `npm run ${name}\\b`));
    expect(output).toMatch(/Exit codes?:/);
    for (const [code, meaning] of (codes.get(name) ?? []).entries()) {
      if (meaning !== "–") expect(output).toMatch(new RegExp(`(^ +|: |, )${code} +\\w`, "m"));
    }
  });

  test("an option that it does not know ends it as the README says", async () => {
    const expected = (codes.get(name) ?? []).findIndex((meaning) => meaning.includes("wrong arguments"));
    expect(expected).toBeGreaterThan(0);
    const { exitCode, output, errors } = await runScript(file, ["--unheard-of"], root, nothing);
    expect(exitCode, output + errors).toBe(expected);
    // vitest writes it in its own way.
    expect(output + errors).toMatch(/unheard-?of/i);
  });
});

test.for([
  ["plan", ["--markdown", "--json"]],
  ["report", ["--json", "--out", "x.html"]],
  ["evidence", ["--digest", "0".repeat(64)]],
  ["evidence", ["--verify", ".", "--stack", "prod"]],
  ["evidence", ["--verify", ".", "--digest", "nonsense"]],
  ["local-env", []],
  ["local-env", ["--monorepo", ".", "--via", "public"]],
  ["local-env", ["--monorepo", ".", "--via", "private", "--port", "1"]],
  ["local-env", ["--monorepo", ".", "--via", "plaintext"]],
  ["local-env", ["--monorepo", ".", "--via", "tls", "--fingerprint", "AB:CD"]],
  ["local-env", ["--monorepo", ".", "--via", "tunnel"]],
  ["local-env", ["--monorepo", ".", "--port", "nonsense"]],
  ["local-env", ["--monorepo", ".", "--undo", "--via", "private"]],
  ["target-tls", ["maybe"]],
  ["target-tls", ["off", "--renew"]],
  ["target-tls", ["status", "--yes"]],
  ["target-tls", ["on", "--port", "0"]],
  ["rotate-password", ["--put-back", "--again"]],
  ["rotate-password", ["--patience", "long"]],
  ["rehearse", ["--engine", "none"]],
  ["soak", ["--lives", "many"]],
] as const)("%s with %j ends with 2", async ([name, args]) => {
  const file = path.join(root, "scripts", `${name}.ts`);
  expect((await runScript(file, args, root, nothing)).exitCode).toBe(2);
});
