import { compareText } from "../../text-order.ts";
import { advancesBeyond, nextValue, type SequenceState } from "../sequences.ts";
import type { ProtectedFingerprint } from "./fingerprint.ts";

/** One thing about the protected schemas that is not as it was. */
export interface FingerprintDifference {
  /** Catalogue key, such as `index llm_assistant.chunk_hnsw`; `extension vector`. */
  readonly object: string;
  /** `identity`: the object was made anew or rewritten (another oid or relfilenode), as REINDEX does. */
  readonly aspect: "missing" | "added" | "definition" | "identity" | "rows" | "position" | "version";
  /**
   * Only rows or a sequence's position differ, and the server counted writes to the table meanwhile, so its own users
   * account for it: no statement of the cutover writes there.
   */
  readonly provablyTheirs: boolean;
}

/** What changed between two fingerprints of the same schemas, sorted by object and aspect. */
export function compareFingerprints(
  before: ProtectedFingerprint,
  after: ProtectedFingerprint,
): FingerprintDifference[] {
  const differences = [
    ...compareExtension(before, after),
    ...compareRecords(before.structure, after.structure, "definition"),
    ...compareRecords(before.identities, after.identities, "identity"),
    ...compareTables(before, after),
    ...compareSequences(before, after),
  ];
  const distinct = new Map(
    differences.map((difference) => [`${difference.object}\n${difference.aspect}`, difference]),
  );
  return [...distinct.values()].sort(
    (a, b) => compareText(a.object, b.object) || compareText(a.aspect, b.aspect),
  );
}

function compareExtension(
  before: ProtectedFingerprint,
  after: ProtectedFingerprint,
): FingerprintDifference[] {
  if (JSON.stringify(before.extension) === JSON.stringify(after.extension)) return [];
  const aspect = after.extension === null ? "missing" : before.extension === null ? "added" : "version";
  return [{ object: "extension vector", aspect, provablyTheirs: false }];
}

function compareRecords(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
  aspect: "definition" | "identity",
): FingerprintDifference[] {
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keys].flatMap((object): FingerprintDifference[] => {
    if (before[object] === after[object]) return [];
    const kind = after[object] === undefined ? "missing" : before[object] === undefined ? "added" : aspect;
    return [{ object, aspect: kind, provablyTheirs: false }];
  });
}

function compareTables(before: ProtectedFingerprint, after: ProtectedFingerprint): FingerprintDifference[] {
  return Object.entries(before.tables).flatMap(([name, table]): FingerprintDifference[] => {
    const now = after.tables[name];
    if (now === undefined || (now.rows === table.rows && now.hash === table.hash)) return [];
    return [{ object: `table ${name}`, aspect: "rows", provablyTheirs: wasWritten(before, after, name) }];
  });
}

function compareSequences(
  before: ProtectedFingerprint,
  after: ProtectedFingerprint,
): FingerprintDifference[] {
  return Object.entries(before.sequences).flatMap(([name, sequence]): FingerprintDifference[] => {
    const now = after.sequences[name];
    if (now === undefined || (now.lastValue === sequence.lastValue && now.isCalled === sequence.isCalled))
      return [];
    if (after.serverStartedAt !== before.serverStartedAt && isSkippedByCrash(sequence, now)) return [];
    const writers = sequence.ownedBy === null ? Object.keys(before.tables) : [sequence.ownedBy];
    const provablyTheirs =
      advancesBeyond(now, sequence) && writers.some((table) => wasWritten(before, after, table));
    return [{ object: `sequence ${name}`, aspect: "position", provablyTheirs }];
  });
}

/**
 * A sequence is logged up to 32 numbers ahead (SEQ_LOG_VALS in sequence.c; more with CACHE, which is left to the
 * attribution by writes), and stands there after a crash.
 */
function isSkippedByCrash(before: SequenceState, after: SequenceState): boolean {
  const steps = (nextValue(after) - nextValue(before)) / BigInt(after.increment);
  return after.increment === before.increment && steps > 0n && steps <= 32n;
}

function wasWritten(before: ProtectedFingerprint, after: ProtectedFingerprint, table: string): boolean {
  const [then, now] = [before.tables[table], after.tables[table]];
  return then !== undefined && now !== undefined && now.writesAtEnd > then.writesAtStart;
}
