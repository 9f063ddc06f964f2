import { globSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { findingDefinitions } from "../../../components/migration/preflight/registry.ts";

const document = await readFile(new URL("../../../docs/findings.md", import.meta.url), "utf8");
const sections = new Map(
  document
    .split(/^### /m)
    .slice(1)
    .map((section) => [section.split("\n")[0] ?? "", section.split(/^## /m)[0] ?? ""]),
);

test("docs/findings.md has a heading for every code and for no other", () => {
  expect([...sections.keys()].toSorted()).toEqual(Object.keys(findingDefinitions).toSorted());
});

test.for(Object.entries(findingDefinitions))("%s is documented as it is declared", ([code, definition]) => {
  const section = sections.get(code) ?? "";
  const severity = { blocker: "_Blocker", warning: "_Warning", unchecked: "_Not checked" }[
    definition.severity
  ];
  expect(section).toContain(severity);
  expect(section.includes(", can be accepted._")).toBe(definition.acceptable);
  expect(section).toContain(`Remedy: ${definition.remedy}`);
});

/** Lines of the tests that expect a finding, without those that expect its absence. */
const expectations = globSync("test/**/*.test.ts")
  .flatMap((file) => readFileSync(file, "utf8").split("\n"))
  .filter((line) => !/\.not\.|absent/.test(line));

test.for(Object.keys(findingDefinitions))("%s is provoked by a test", (code) => {
  const mention = new RegExp(`\\b(?:blocker|warning|unchecked) ${code}\\b|"${code}"`);
  expect(expectations.filter((line) => mention.test(line))).not.toEqual([]);
});
