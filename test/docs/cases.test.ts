import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { readDocuments, root } from "./markdown.ts";

const text = (await readDocuments()).get("docs/cases.md") ?? "";
const rows = text.split("\n").filter((line) => /^\| [A-Z]\d|^\| every/.test(line));

test("there is a row for each case", () => {
  expect(rows.length).toBeGreaterThan(70);
});

test.for(rows)("%s: the named tests are there", async (row) => {
  const cell = row.split(" | ").at(-1) ?? "";
  let file = "";
  for (const [, path, title = ""] of cell.matchAll(/`([\w./-]+\.ts)`|“([^”]+)”/g)) {
    if (path !== undefined) file = await readFile(`${root}/test/${path}`, "utf8");
    else expect(file.includes(title), title).toBe(true);
  }
  expect(file === "", "a case without a test is an exception").toBe(
    row.includes("#exceptions") && cell === "|",
  );
});
