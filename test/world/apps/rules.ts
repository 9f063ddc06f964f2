import type { History } from "./history.ts";
import type { LedgerEntry, LedgerEvent } from "./ledger.ts";
import type { StoredWrites } from "./stored-writes.ts";

export interface Violation {
  readonly rule: Rule;
  /** How many writes, reads, writers or numbers break it. */
  readonly count: number;
  /** One of them: the writer, and its sequence number or what else there is to tell. */
  readonly example: string;
}

export type Rule = keyof typeof rules;

/** Every rule on the history; those that are kept are left out. Each takes time in proportion to the history. */
export function findViolations(history: History): Violation[] {
  return (Object.keys(rules) as Rule[]).flatMap((rule) => {
    const broken = rules[rule](history);
    const [example] = broken;
    return example === undefined ? [] : [{ rule, count: broken.length, example }];
  });
}

/** Each returns what breaks it, in words. What a writer does not know of its own write is never held against anybody. */
const rules = {
  /** A write that its writer knows to be committed is not in the active database. */
  LOST: ({ done, stored }: History) => {
    const ids = new Set(stored.rows.map(({ id }) => id));
    return done.filter(({ id }) => !ids.has(id)).map(nameOf);
  },

  /** It is there, but not as it was written. */
  ALTERED: ({ done, stored }: History) => {
    const byId = new Map(stored.rows.map((row) => [row.id, row]));
    return done
      .filter(({ id, writer, sequence }) => {
        const row = byId.get(id);
        return row !== undefined && (row.writer !== writer || row.sequence !== sequence);
      })
      .map(nameOf);
  },

  /** A row is there twice, whoever wrote it and whether it was acknowledged or not: copied or written twice. */
  DOUBLED: ({ stored: { rows } }: History) => [
    ...repeated(rows, ({ id }) => id).map(nameOf),
    ...[...Map.groupBy(rows, ({ writer }) => writer).values()].flatMap((own) =>
      repeated(own, ({ sequence }) => sequence).map(nameOf),
    ),
  ],

  /** A writer's last row and its progress are written in one transaction, and one of them is there without the other. */
  TORN: ({ stored }: History) => {
    const last = lastSequences(stored);
    const progress = new Map(stored.progress.map(({ writer, sequence }) => [writer, sequence]));
    return [...new Set([...last.keys(), ...progress.keys()])]
      .filter((writer) => (last.get(writer) ?? 0) !== (progress.get(writer) ?? 0))
      .map((writer) => `${writer}: row ${last.get(writer) ?? 0}, progress ${progress.get(writer) ?? 0}`);
  },

  /**
   * The old database accepted a write after the new one had accepted one. Proven by times: its COMMIT was sent when the new
   * one had acknowledged already. An acknowledgement that only arrives late, from a busy process, proves nothing.
   */
  TWO_WRITERS: ({ attempts, done, oldDatabase, takenOverByMs }: History) => {
    if (takenOverByMs === null) return [];
    // One of its attempts of unknown outcome committed a confirmed write, at the earliest the first of them.
    const earliest = new Map<string, number>();
    for (const attempt of attempts) {
      if (attempt.event !== "unknown") continue;
      earliest.set(attempt.id, Math.min(attempt.commitSentAtMs, earliest.get(attempt.id) ?? Infinity));
    }
    return done
      .filter(({ database }) => database === oldDatabase)
      .filter((write) =>
        write.event === "acknowledged"
          ? write.commitSentAtMs > takenOverByMs
          : (earliest.get(write.id) ?? 0) > takenOverByMs,
      )
      .map(nameOf);
  },

  /** The new database accepted a write although nothing was promoted. */
  NOT_PROMOTED: ({ done, newDatabase, active }: History) =>
    active === "new" ? [] : done.filter(({ database }) => database === newDatabase).map(nameOf),

  /** A database that is neither of the two accepted a write. */
  UNKNOWN_DATABASE: ({ done, oldDatabase, newDatabase }: History) =>
    done.filter(({ database }) => database !== oldDatabase && database !== newDatabase).map(nameOf),

  /** The active database did not show a write that had been acknowledged before. */
  STALE_READ: (history: History) => {
    const vain = history.entries.filter(
      (entry) => entry.event === "read" && entry.missing.length > 0 && wasActive(history, entry),
    ) as Array<LedgerEvent<"read">>;
    if (vain.length === 0) return [];
    const byId = new Map(history.done.map((write) => [write.id, write]));
    return vain.flatMap(({ missing, startedAtMs }) =>
      missing.flatMap((id) => {
        const write = byId.get(id);
        return write !== undefined && write.endedAtMs <= startedAtMs ? [nameOf(write)] : [];
      }),
    );
  },

  /** A sequence gave a value for the second time, by the same database or by the other. */
  NUMBER_TWICE: ({ entries }: History) =>
    repeated(
      entries.filter((entry) => entry.event === "drawn"),
      ({ value }) => value,
    ).map(({ writer, value }) => `${writer}: ${value}`),
};

/** Whether the read's database was surely the active one for as long as the read took. */
function wasActive(
  { active, newDatabase, takenOverByMs }: History,
  { database, startedAtMs, endedAtMs }: LedgerEntry,
): boolean {
  if (active === "old" || takenOverByMs === null) return database !== newDatabase;
  return database === newDatabase ? startedAtMs >= takenOverByMs : endedAtMs < takenOverByMs;
}

function nameOf({ writer, sequence }: { writer: string; sequence: number }): string {
  return `${writer}#${sequence}`;
}

/** Those whose key one before them has, each key once. */
function repeated<Item>(items: readonly Item[], keyOf: (item: Item) => string | number): Item[] {
  const seen = new Set<string | number>();
  const reported = new Set<string | number>();
  return items.filter((item) => {
    const key = keyOf(item);
    if (!seen.has(key)) return void seen.add(key);
    return !reported.has(key) && reported.add(key);
  });
}

function lastSequences({ rows }: StoredWrites): Map<string, number> {
  const last = new Map<string, number>();
  for (const { writer, sequence } of rows) last.set(writer, Math.max(sequence, last.get(writer) ?? 0));
  return last;
}
