import type { LedgerEntry, LedgerEvent, WriteAttempt } from "./ledger.ts";
import type { StoredWrites } from "./stored-writes.ts";

export interface HistoryInput {
  /** In any order. */
  readonly entries: readonly LedgerEntry[];
  /** Read from the active database after the entries were. */
  readonly stored: StoredWrites;
  /** Address of the database that the services are to leave, as the ledgers name it. */
  readonly oldDatabase: string;
  /** Address of the database that they are to go to. */
  readonly newDatabase: string;
  /** Which of them accepts writes now; `old` as long as nothing was promoted. */
  readonly active: "old" | "new";
}

/** A history, sorted out once for all who judge it. */
export interface History extends HistoryInput {
  readonly attempts: readonly WriteAttempt[];
  /** Writes that their writer knows to be committed. */
  readonly done: ReadonlyArray<LedgerEvent<"acknowledged" | "confirmed">>;
  /** Acknowledged writes, by the time of the acknowledgement. */
  readonly accepted: ReadonlyArray<LedgerEvent<"acknowledged">>;
  /** By when the new database is known to have accepted a write; `null` while it has not. */
  readonly takenOverByMs: number | null;
}

export function sortOut(input: HistoryInput): History {
  const attempts = input.entries.filter((entry) => isAttempt(entry));
  const done = attempts.filter(({ event }) => event === "acknowledged" || event === "confirmed") as Array<
    LedgerEvent<"acknowledged" | "confirmed">
  >;
  const accepted = done
    .filter((write) => write.event === "acknowledged")
    .sort((a, b) => a.endedAtMs - b.endedAtMs);
  return { ...input, attempts, done, accepted, takenOverByMs: firstEnd(done, input.newDatabase) };
}

function isAttempt(entry: LedgerEntry): entry is WriteAttempt {
  return "id" in entry;
}

function firstEnd(writes: History["done"], database: string): number | null {
  let first: number | null = null;
  for (const write of writes) {
    if (write.database === database && (first === null || write.endedAtMs < first)) first = write.endedAtMs;
  }
  return first;
}
