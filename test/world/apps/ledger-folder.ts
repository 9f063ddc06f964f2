import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { type LedgerEntry, parseLedgerLine } from "./ledger.ts";

/** The ledgers of one world, which its writers go on filling. */
export interface LedgerFolder {
  /** All entries so far. Only what was added since the last call is read. A line that is still being written is left out. */
  read(): Promise<readonly LedgerEntry[]>;
}

export function openLedgerFolder(folder: string): LedgerFolder {
  const entries: LedgerEntry[] = [];
  const readBytes = new Map<string, number>();
  const readNew = async (): Promise<readonly LedgerEntry[]> => {
    const names = (await readdir(folder)).filter((name) => name.endsWith(".jsonl")).sort();
    for (const name of names) {
      const offset = readBytes.get(name) ?? 0;
      const text = await readWholeLines(join(folder, name), offset);
      readBytes.set(name, offset + text.length);
      for (const line of text.toString("utf8").split("\n")) {
        if (line !== "") entries.push(parseLedgerLine(line));
      }
    }
    return entries;
  };
  let reading: Promise<unknown> = Promise.resolve();
  return {
    read: () => {
      const next = reading.then(readNew);
      // One after the other: two that read at once would add the same lines twice.
      reading = next.catch(() => {});
      return next;
    },
  };
}

async function readWholeLines(path: string, offset: number): Promise<Buffer> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - offset), 0, size - offset, offset);
    return buffer.subarray(0, buffer.subarray(0, bytesRead).lastIndexOf("\n") + 1);
  } finally {
    await file.close();
  }
}
