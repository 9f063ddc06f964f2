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
  /** By the time of their end, as those below. */
  readonly attempts: readonly WriteAttempt[];
  /** Writes that their writer knows to be committed. */
  readonly done: ReadonlyArray<LedgerEvent<"acknowledged" | "confirmed">>;
  readonly accepted: ReadonlyArray<LedgerEvent<"acknowledged">>;
  /** By when the new database is known to have accepted a write; `null` while it has not. */
  readonly takenOverByMs: number | null;
}

export function sortOut(input: HistoryInput): History {
  const attempts = input.entries.filter((entry) => "id" in entry).sort((a, b) => a.endedAtMs - b.endedAtMs);
  const done = attempts.filter(
    (attempt) => attempt.event === "acknowledged" || attempt.event === "confirmed",
  );
  const accepted = done.filter((write) => write.event === "acknowledged");
  const first = done.find(({ database }) => database === input.newDatabase);
  return { ...input, attempts, done, accepted, takenOverByMs: first?.endedAtMs ?? null };
}
