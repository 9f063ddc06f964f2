import type { FenceState } from "../../postgres/fence/fence.ts";
import { isBehind, type SourcePosition } from "../fence/source-position.ts";
import type { JournalEntry } from "../journal/journal.ts";
import type { FenceRecord } from "../journal/record.ts";

/** What the source was seen to be, asked without changing anything. */
export interface SourceObservation {
  readonly sealed: boolean;
  /** `null` where there is none, and on a sealed source, which cannot be looked into. */
  readonly witness: FenceState["witness"];
  /** Every moved table carries the fence, the event triggers stand, and nobody was let pass; `null` on a sealed source. */
  readonly fenceUnbroken: boolean | null;
  /** Where its server stands in its own history. */
  readonly position: SourcePosition;
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
 * - `behind`: it stands before the point at which this migration, which is not over, fenced it, or in another history:
 *   it was restored or replaced since.
 * - `sealed`: it accepts no connections, so its fence cannot be seen.
 * - `open`: nobody's fence stands on it.
 * - `fenced`: by this migration's very fence, unbroken.
 * - `torn`: this migration's witness stands, but its fence has holes or has let writers pass when its time was over, or
 *   it is not the one that the journal recorded. A migration fences once, so no run of ours leaves another epoch.
 * - `foreign`: somebody else's fence: another migration's witness, or a whole fence without one.
 */
export const sourceStands = ["unreachable", "behind", "sealed", "open", "fenced", "torn", "foreign"] as const;

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
  const { sealed, witness, fenceUnbroken, position } = source;
  const fence = fenceUnderWay(entry);
  if (fence?.sourcePosition !== undefined && isBehind(position, fence.sourcePosition)) return "behind";
  if (sealed) return "sealed";
  if (witness === null) return fenceUnbroken === true ? "foreign" : "open";
  if (witness.migrationId !== entry?.id) return "foreign";
  return fenceUnbroken === true && witness.epoch === recordedFence(entry)?.epoch ? "fenced" : "torn";
}

function recordedFence(entry: JournalEntry | undefined): FenceRecord | null {
  return entry !== undefined && "fence" in entry.record ? entry.record.fence : null;
}

/** Of a migration that can still be put back: later what becomes of the source is nobody's business. */
function fenceUnderWay(entry: JournalEntry | undefined): FenceRecord | null {
  const state = entry?.record.state;
  return state === "switching" || state === "aborting" ? recordedFence(entry) : null;
}

/** Judges the target. Pure. */
export function standOfTarget({ hasCopy, fenceUnbroken, fenceOpen }: TargetObservation): TargetStand {
  if (!hasCopy) return "empty";
  if (fenceOpen) return "open";
  return fenceUnbroken ? "fenced" : "torn";
}
