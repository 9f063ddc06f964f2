import { closeSync, openSync, writeSync } from "node:fs";
import { z } from "zod";
import { writeKinds } from "./write-kinds.ts";

const common = {
  /** Service, deployment and lane: nobody else uses this name, so a sequence has one author. */
  writer: z.string(),
  /** `host:port` by the server's own word; where no session came about, the address that was tried. */
  database: z.string(),
  /** By `monotonicMs`, as all times of a ledger: before anything was sent, the wait for a session included. */
  startedAtMs: z.number(),
  endedAtMs: z.number(),
};

const attempt = {
  ...common,
  kind: z.enum(writeKinds),
  /** Grows by one from write to write of a writer. */
  sequence: z.int(),
  /** Primary key of the row. A retry of the same write keeps it. */
  id: z.string(),
};

const entrySchema = z.discriminatedUnion("event", [
  /** COMMIT returned. The database accepted the write between the two times of the commit. */
  z.object({ event: z.literal("acknowledged"), ...attempt, commitSentAtMs: z.number() }),
  /** A retry found the row that an earlier attempt of unknown outcome had left. */
  z.object({ event: z.literal("confirmed"), ...attempt }),
  /** The database refused, or no session was to be had: nothing was committed. */
  z.object({ event: z.literal("refused"), ...attempt, sqlState: z.string().nullable() }),
  /** COMMIT was sent, and no answer came that tells whether it was done. */
  z.object({
    event: z.literal("unknown"),
    ...attempt,
    commitSentAtMs: z.number(),
    sqlState: z.string().nullable(),
  }),
  /** Acknowledged writes were looked for where they had been acknowledged; `missing` has the ids of those that were not there as written. */
  z.object({ event: z.literal("read"), ...common, found: z.int(), missing: z.array(z.string()) }),
  /** The same, and the database gave no answer. */
  z.object({ event: z.literal("unread"), ...common, sqlState: z.string().nullable() }),
  /** A value of the application's sequence, drawn without a write. */
  z.object({ event: z.literal("drawn"), ...common, value: z.int() }),
]);

/** What a writer knows about one thing that it tried. */
export type LedgerEntry = z.infer<typeof entrySchema>;
export type LedgerEvent<Event extends LedgerEntry["event"]> = Extract<LedgerEntry, { event: Event }>;
export type WriteAttempt = LedgerEvent<"acknowledged" | "confirmed" | "refused" | "unknown">;

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

/** @throws when the line is not what a ledger's line looks like */
export function parseLedgerLine(line: string): LedgerEntry {
  return entrySchema.parse(JSON.parse(line));
}
