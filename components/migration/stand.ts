import type { FenceState } from "../postgres/fence.ts";
import type { JournalEntry } from "./journal.ts";

/** What the source was seen to be, asked without changing anything. */
export interface SourceObservation {
  readonly sealed: boolean;
  /** `null` where there is none, and on a sealed source, which cannot be looked into. */
  readonly witness: FenceState["witness"];
  /** Every moved table carries the fence and the event triggers stand; `null` on a sealed source. */
  readonly fenceUnbroken: boolean | null;
}

/** What the target was seen to be, beside its journal. */
export interface TargetObservation {
  /** Whether there are tables in the moved schemas. */
  readonly hasCopy: boolean;
  /** Every one of them carries the fence and the event triggers stand. */
  readonly fenceUnbroken: boolean;
  /** What the row says that opens the fence together with the promotion. */
  readonly fenceOpen: boolean;
}

/**
 * How the source stands to a migration:
 * - `unreachable`: it cannot be looked at.
 * - `sealed`: it accepts no connections, so its fence cannot be seen.
 * - `open`: nobody's fence stands on it.
 * - `fenced`: by this migration's very fence, unbroken.
 * - `torn`: this migration's witness stands, but its fence has holes, or it is not the one that the journal recorded.
 *   A migration fences once, so no run of ours leaves a witness of another epoch.
 * - `foreign`: somebody else's fence: another migration's witness, or a whole fence without one.
 */
export const sourceStands = ["unreachable", "sealed", "open", "fenced", "torn", "foreign"] as const;

/**
 * How the target stands:
 * - `empty`: there is no copy.
 * - `fenced`: the copy is there, and its fence lets nobody pass.
 * - `torn`: the copy is there, and its fence has holes or is gone.
 * - `open`: the copy is there, and the row says that its fence lets everybody pass.
 */
export const targetStands = ["empty", "fenced", "torn", "open"] as const;

export type SourceStand = (typeof sourceStands)[number];
export type TargetStand = (typeof targetStands)[number];

/** Judges the source as seen from the journal's newest migration. Pure. */
export function standOfSource(
  entry: JournalEntry | undefined,
  source: SourceObservation | null,
): SourceStand {
  if (source === null) return "unreachable";
  const { sealed, witness, fenceUnbroken } = source;
  if (sealed) return "sealed";
  if (witness === null) return fenceUnbroken === true ? "foreign" : "open";
  if (witness.migrationId !== entry?.id) return "foreign";
  return fenceUnbroken === true && witness.epoch === recordedEpoch(entry) ? "fenced" : "torn";
}

function recordedEpoch({ record }: JournalEntry): number | undefined {
  return "fence" in record ? record.fence?.epoch : undefined;
}

/** Judges the target. Pure. */
export function standOfTarget({ hasCopy, fenceUnbroken, fenceOpen }: TargetObservation): TargetStand {
  if (!hasCopy) return "empty";
  if (fenceOpen) return "open";
  return fenceUnbroken ? "fenced" : "torn";
}
