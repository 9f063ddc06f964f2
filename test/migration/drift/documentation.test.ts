import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { driftDefinitions } from "../../../components/migration/drift/item.ts";
import { readDocuments } from "../../docs/markdown.ts";

const document = (await readDocuments()).get("docs/drift.md") ?? "";
const sections = new Map(
  document
    .split(/^### /m)
    .slice(1)
    .map((section) => [section.split("\n")[0] ?? "", section.split(/^## /m)[0] ?? ""]),
);

test("docs/drift.md has a heading for every code and for no other", () => {
  expect([...sections.keys()].toSorted()).toEqual(Object.keys(driftDefinitions).toSorted());
});

test.for([...sections])("%s has a meaning and a remedy", ([, section]) => {
  const [, meaning = "", ...rest] = section.split("\n\n");
  expect(meaning.trim()).not.toBe("");
  expect(meaning).not.toMatch(/^Remedy:/);
  expect(rest.join("\n\n")).toMatch(/^Remedy: \S/m);
});

test("what is no drift stands apart, under a title of its own", () => {
  const apart = document.slice(document.indexOf("## What could not be told"));
  const untold = Object.entries(driftDefinitions).filter(([, { severity }]) => severity !== "drift");
  expect([...apart.matchAll(/^### (.+)$/gm)].map(([, code]) => code).toSorted()).toEqual(
    untold.map(([code]) => code).toSorted(),
  );
});

const provoking = await readFile(new URL("drift.test.ts", import.meta.url), "utf8");

test.for(Object.keys(driftDefinitions))("%s is provoked by a test", (code) => {
  expect(provoking).toMatch(new RegExp(`\\b${code}\\b`));
});
