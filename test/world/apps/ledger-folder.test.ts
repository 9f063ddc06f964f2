import { appendFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { acknowledged, drawn, oldDatabase, read } from "./history-fixture.ts";
import { openLedger } from "./ledger.ts";
import { openLedgerFolder } from "./ledger-folder.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ledgers-"));
});
afterEach(() => rm(folder, { recursive: true }));

const first = acknowledged("api/ä", 1, 10, oldDatabase);
const second = drawn("api/ä", 20, oldDatabase, 7);
const third = read("api/b", 30, oldDatabase, 1, ["other"]);

test("what was appended is read once, from every ledger, and more as it comes", async () => {
  const ledgers = openLedgerFolder(folder);
  expect(await ledgers.read()).toEqual([]);
  const one = openLedger(join(folder, "one.jsonl"));
  one.append(first);
  expect(await ledgers.read()).toEqual([first]);
  one.append(second);
  const other = openLedger(join(folder, "other.jsonl"));
  other.append(third);
  expect(await ledgers.read()).toEqual([first, second, third]);
  expect(await ledgers.read()).toEqual([first, second, third]);
  one.close();
  other.close();
});

test("a line that is still being written is read when it is whole", async () => {
  const ledgers = openLedgerFolder(folder);
  const path = join(folder, "one.jsonl");
  const bytes = Buffer.from(`${JSON.stringify(first)}\n${JSON.stringify(second)}\n`);
  // Within the two bytes of a letter.
  const cut = bytes.indexOf(0xc3) + 1;
  await appendFile(path, bytes.subarray(0, cut));
  expect(await ledgers.read()).toEqual([]);
  await appendFile(path, bytes.subarray(cut, -1));
  expect(await ledgers.read()).toEqual([first]);
  await appendFile(path, "\n");
  expect(await ledgers.read()).toEqual([first, second]);
});

test("two that read at once get every line once", async () => {
  const ledgers = openLedgerFolder(folder);
  const ledger = openLedger(join(folder, "one.jsonl"));
  ledger.append(first);
  await Promise.all([ledgers.read(), ledgers.read()]);
  expect(await ledgers.read()).toEqual([first]);
  ledger.close();
});

test("a folder that is opened anew is read from its beginning", async () => {
  const ledger = openLedger(join(folder, "one.jsonl"));
  ledger.append(first);
  await openLedgerFolder(folder).read();
  expect(await openLedgerFolder(folder).read()).toEqual([first]);
  ledger.close();
});
