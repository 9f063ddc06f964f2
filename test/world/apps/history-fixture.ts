import type { HistoryInput } from "./history.ts";
import type { LedgerEntry, LedgerEvent } from "./ledger.ts";

export const oldDatabase = "127.0.0.1:5401";
export const newDatabase = "127.0.0.1:5402";

/**
 * `api/a` writes 1 to 3 on the old database, reads two of them back, and is refused; `api/b`, the next deployment, writes 1 and
 * 2 on the new one. Numbers are drawn on both.
 */
export function orderlyHistory(): HistoryInput {
  return {
    entries: [
      acknowledged("api/a", 1, 100, oldDatabase),
      acknowledged("api/a", 2, 200, oldDatabase),
      drawn("api/n", 210, oldDatabase, 7),
      acknowledged("api/a", 3, 300, oldDatabase),
      read("api/a", 320, oldDatabase, 2),
      refused("api/a", 4, 350, oldDatabase),
      drawn("api/n", 990, newDatabase, 14),
      acknowledged("api/b", 1, 1_000, newDatabase),
      acknowledged("api/b", 2, 1_100, newDatabase),
    ],
    stored: {
      rows: [row("api/a", 1), row("api/a", 2), row("api/a", 3), row("api/b", 1), row("api/b", 2)],
      progress: [
        { writer: "api/a", sequence: 3 },
        { writer: "api/b", sequence: 2 },
      ],
    },
    oldDatabase,
    newDatabase,
    active: "new",
  };
}

/** An attempt that ends at that time: it began 10 ms before, and its COMMIT was sent 2 ms before. */
export function acknowledged(
  writer: string,
  sequence: number,
  endedAtMs: number,
  database: string,
): LedgerEvent<"acknowledged"> {
  return {
    event: "acknowledged",
    ...attempt(writer, sequence, endedAtMs, database),
    commitSentAtMs: endedAtMs - 2,
  };
}

export function confirmed(
  writer: string,
  sequence: number,
  endedAtMs: number,
  database: string,
): LedgerEvent<"confirmed"> {
  return { event: "confirmed", ...attempt(writer, sequence, endedAtMs, database) };
}

export function refused(
  writer: string,
  sequence: number,
  endedAtMs: number,
  database: string,
): LedgerEvent<"refused"> {
  return { event: "refused", ...attempt(writer, sequence, endedAtMs, database), sqlState: "25006" };
}

export function unknown(
  writer: string,
  sequence: number,
  endedAtMs: number,
  database: string,
): LedgerEvent<"unknown"> {
  return {
    event: "unknown",
    ...attempt(writer, sequence, endedAtMs, database),
    commitSentAtMs: endedAtMs - 2,
    sqlState: null,
  };
}

/** A look at writes, which found `found` of them and not those with the ids. */
export function read(
  writer: string,
  endedAtMs: number,
  database: string,
  found: number,
  missing: string[] = [],
): LedgerEvent<"read"> {
  return { event: "read", writer, database, startedAtMs: endedAtMs - 10, endedAtMs, found, missing };
}

export function drawn(
  writer: string,
  endedAtMs: number,
  database: string,
  value: number,
): LedgerEvent<"drawn"> {
  return { event: "drawn", writer, database, startedAtMs: endedAtMs - 10, endedAtMs, value };
}

export function row(writer: string, sequence: number) {
  return { id: `${writer}-${sequence}`, writer, sequence };
}

/** The history with more entries, and with more rows and other progress where given. */
export function extended(
  history: HistoryInput,
  entries: readonly LedgerEntry[],
  rows: HistoryInput["stored"]["rows"] = [],
  progress: Readonly<Record<string, number>> = {},
): HistoryInput {
  const before = history.stored.progress.map(({ writer, sequence }) => [writer, sequence] as const);
  const after = Object.fromEntries([...before, ...Object.entries(progress)]);
  return {
    ...history,
    entries: [...history.entries, ...entries],
    stored: {
      rows: [...history.stored.rows, ...rows],
      progress: Object.entries(after).map(([writer, sequence]) => ({ writer, sequence })),
    },
  };
}

function attempt(writer: string, sequence: number, endedAtMs: number, database: string) {
  return {
    ...{ writer, sequence, id: `${writer}-${sequence}`, kind: "plain" as const },
    ...{ startedAtMs: endedAtMs - 10, endedAtMs, database },
  };
}
