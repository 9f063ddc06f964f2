import type pg from "pg";
import type { AcknowledgedWrite, LedgerEntry } from "./ledger.ts";

/** What the active database holds of the writers' work. */
export interface StoredWrites {
  readonly rows: ReadonlyArray<{ readonly id: string; readonly writer: string; readonly sequence: number }>;
  readonly progress: ReadonlyArray<{ readonly writer: string; readonly sequence: number }>;
}

export interface HistoryInput {
  readonly entries: readonly LedgerEntry[];
  readonly stored: StoredWrites;
  /** Address of the database that the services left, as the ledgers name it. */
  readonly oldDatabase: string;
  /** Address of the database that they went to. */
  readonly newDatabase: string;
}

export interface Verdict {
  /** Broken rules; empty when the history is in order. */
  readonly violations: readonly Violation[];
  readonly acknowledged: number;
  readonly rejected: number;
  /** From the last acknowledgement of the old database to the first of the new one; `null` when either gave none. */
  readonly switchPauseMs: number | null;
  /** The longest time without any acknowledgement, between the first and the last. */
  readonly longestPauseMs: number;
  /** Acknowledged writes a second from the first to the last, pauses included. */
  readonly writesPerSecond: number;
}

export interface Violation {
  readonly rule: "LOST" | "ALTERED" | "DOUBLED" | "PROGRESS_BEHIND" | "TWO_WRITERS" | "UNKNOWN_DATABASE";
  /** How many writes break it. */
  readonly count: number;
  /** The first of them: writer and sequence. */
  readonly example: string;
}

/** Reads the two tables that the writers fill, in one snapshot. */
export async function readStoredWrites(client: pg.Client): Promise<StoredWrites> {
  await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  const rows = await client.query<{ id: string; writer: string; sequence: string }>(
    `SELECT id, writer, sequence FROM public."AppWrite"`,
  );
  const progress = await client.query<{ writer: string; sequence: string }>(
    `SELECT writer, sequence FROM public."WriterProgress"`,
  );
  await client.query("COMMIT");
  const withNumber = <Row extends { sequence: string }>(row: Row) => ({
    ...row,
    sequence: Number(row.sequence),
  });
  return { rows: rows.rows.map(withNumber), progress: progress.rows.map(withNumber) };
}

/**
 * Judges a history of writes around a cutover: every acknowledged write is in the active database, unaltered and exactly once,
 * and the old database acknowledged nothing after the new one had begun to.
 */
export function judgeHistory({ entries, stored, oldDatabase, newDatabase }: HistoryInput): Verdict {
  const acknowledged = entries.filter((entry) => entry.outcome === "acknowledged");
  const byTime = acknowledged.toSorted((a, b) => a.acknowledgedAtMs - b.acknowledgedAtMs);
  const onOld = byTime.filter((write) => write.database === oldDatabase);
  const onNew = byTime.filter((write) => write.database === newDatabase);
  const firstOnNew = onNew[0]?.acknowledgedAtMs;
  const lastOnOld = onOld.at(-1)?.acknowledgedAtMs;
  const times = byTime.map((write) => write.acknowledgedAtMs);
  const spanMs = (times.at(-1) ?? 0) - (times[0] ?? 0);

  const afterTheSwitch = onOld.filter(
    (write) => firstOnNew !== undefined && write.acknowledgedAtMs > firstOnNew,
  );
  const elsewhere = byTime.filter(({ database }) => database !== oldDatabase && database !== newDatabase);
  return {
    violations: [
      ...findStorageViolations(acknowledged, stored),
      ...violation("TWO_WRITERS", afterTheSwitch),
      ...violation("UNKNOWN_DATABASE", elsewhere),
    ],
    acknowledged: acknowledged.length,
    rejected: entries.length - acknowledged.length,
    switchPauseMs: firstOnNew === undefined || lastOnOld === undefined ? null : firstOnNew - lastOnOld,
    longestPauseMs: Math.max(0, ...times.slice(1).map((time, index) => time - (times[index] ?? time))),
    writesPerSecond: spanMs === 0 ? 0 : (acknowledged.length * 1_000) / spanMs,
  };
}

function findStorageViolations(
  acknowledged: readonly AcknowledgedWrite[],
  stored: StoredWrites,
): Violation[] {
  const byId = Map.groupBy(stored.rows, (row) => row.id);
  const bySequence = Map.groupBy(stored.rows, nameOf);
  const progress = new Map(stored.progress.map((row) => [row.writer, row.sequence]));
  const isSame = (write: AcknowledgedWrite) => (row: { writer: string; sequence: number }) =>
    row.writer === write.writer && row.sequence === write.sequence;
  return [
    ...violation(
      "LOST",
      acknowledged.filter((write) => !byId.has(write.id)),
    ),
    ...violation(
      "ALTERED",
      acknowledged.filter((write) => byId.has(write.id) && !byId.get(write.id)?.every(isSame(write))),
    ),
    // Whether acknowledged or not: a row that is there twice was copied twice or written twice.
    ...violation(
      "DOUBLED",
      [...byId.values(), ...bySequence.values()].flatMap((rows) => (rows.length > 1 ? rows.slice(0, 1) : [])),
    ),
    ...violation(
      "PROGRESS_BEHIND",
      acknowledged.filter((write) => (progress.get(write.writer) ?? 0) < write.sequence),
    ),
  ];
}

function violation(
  rule: Violation["rule"],
  writes: ReadonlyArray<{ writer: string; sequence: number }>,
): Violation[] {
  const [first] = writes;
  return first === undefined ? [] : [{ rule, count: writes.length, example: nameOf(first) }];
}

function nameOf({ writer, sequence }: { writer: string; sequence: number }): string {
  return `${writer}#${sequence}`;
}
