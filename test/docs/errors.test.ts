import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { gateDifferenceCodes } from "../../components/migration/gate/difference.ts";
import { errorCodesInSource } from "./error-codes.ts";

const document = await readFile(new URL("../../docs/errors.md", import.meta.url), "utf8");
const sections = new Map(
  document
    .split(/^### /m)
    .slice(1)
    .map((section) => [section.split("\n")[0] ?? "", section.split(/^## /m)[0] ?? ""]),
);

test("docs/errors.md has a heading for every error code and for no other", async () => {
  const codes = await errorCodesInSource();
  expect(codes).toContain("CUTOVER_ABORTED");
  expect(codes).toContain("PROJECT_AMBIGUOUS");
  expect([...sections.keys()].toSorted()).toEqual([...codes].toSorted());
});

test.for([...sections])("%s has a meaning and a remedy", ([, section]) => {
  const [, meaning = "", ...rest] = section.split("\n\n");
  expect(meaning.trim()).not.toBe("");
  expect(meaning).not.toMatch(/^Remedy:/);
  expect(rest.join("\n\n")).toMatch(/^Remedy: \S/m);
});

test("GATE_RED explains every difference the gate can find, and no other", () => {
  const explained = [...(sections.get("GATE_RED") ?? "").matchAll(/^\| `([A-Z_]+)` \|/gm)].map(
    ([, code]) => code,
  );
  expect(explained.toSorted()).toEqual([...gateDifferenceCodes].toSorted());
});
