import { closeSync, openSync, writeSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";

const attemptSchema = z.object({
  /** Service, deployment and lane: nobody else uses this name, so a sequence has one author. */
  writer: z.string(),
  /** Grows by one from write to write of a writer. */
  sequence: z.int(),
  /** Primary key of the row. A retry of the same write keeps it. */
  id: z.string(),
  startedAtMs: z.number(),
  /** `host:port` that the session was connected to. */
  database: z.string(),
});

const entrySchema = z.discriminatedUnion("outcome", [
  /** COMMIT returned, or a retry found the row that an earlier attempt had left. */
  attemptSchema.extend({ outcome: z.literal("acknowledged"), acknowledgedAtMs: z.number() }),
  /** The database refused, or the connection was lost and the outcome is unknown to the writer. */
  attemptSchema.extend({
    outcome: z.literal("rejected"),
    rejectedAtMs: z.number(),
    sqlState: z.string().nullable(),
  }),
]);

/** What a writer knows about one attempt to write. */
export type LedgerEntry = z.infer<typeof entrySchema>;
export type AcknowledgedWrite = Extract<LedgerEntry, { outcome: "acknowledged" }>;

export interface Ledger {
  /** On return the entry is with the operating system: it survives the death of the process. */
  append(entry: LedgerEntry): void;
  close(): void;
}

export function openLedger(path: string): Ledger {
  const file = openSync(path, "a");
  return {
    append: (entry) => {
      writeSync(file, `${JSON.stringify(entry)}\n`);
    },
    close: () => closeSync(file),
  };
}

/** All entries of a folder's ledgers, in the order of files and lines. A last line that is still being written is left out. */
export async function readLedgers(folder: string): Promise<LedgerEntry[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".jsonl")).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
  return texts.flatMap((text) =>
    text
      .slice(0, text.lastIndexOf("\n") + 1)
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => entrySchema.parse(JSON.parse(line))),
  );
}
