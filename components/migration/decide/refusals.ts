import { CutoverError } from "../../errors.ts";
import type { JournalEntry } from "../journal/journal.ts";
import type { SourceObservation } from "./stand.ts";

/** Why a command changes nothing: what contradicts the journal, or cannot be seen. */
export interface Refusal {
  readonly action: "refuse";
  /** Stable identifier with a heading in docs/errors.md. */
  readonly code: string;
  readonly why: string;
  readonly remedy: string;
}

/** The refusal as a run ends with it. */
export function refused({ code, why, remedy }: Refusal): CutoverError {
  return new CutoverError({ code, message: `Refused: ${why}. Nothing was changed.`, remedy });
}

/** A fence or a seal on the source that the target's journal does not account for. */
export function fencedWithoutJournal(
  entry: JournalEntry | undefined,
  source: SourceObservation | null,
): Refusal {
  return {
    action: "refuse",
    code: "FENCED_WITHOUT_JOURNAL",
    why: `${describeFence(source)}, but the target's journal ${describeKnowledge(entry)}`,
    remedy:
      "Is this the right target? If another target holds the journal, run there. If the target or the source was restored from a backup, keep both databases and ask for help before opening the source.",
  };
}

function describeFence(source: SourceObservation | null): string {
  if (source?.sealed === true) return "the source accepts no connections";
  const witness = source?.witness ?? null;
  return witness === null
    ? "the source is fenced without a witness of who did it"
    : `the source is fenced by migration ${witness.migrationId}`;
}

function describeKnowledge(entry: JournalEntry | undefined): string {
  if (entry === undefined) return "knows of no migration";
  return `does not say so: its newest migration is ${entry.id}, ${entry.record.state}`;
}

/** Services may run on a copy whose fence has holes: opening the source would make a second writer. */
export function targetFenceBroken(): Refusal {
  return {
    action: "refuse",
    code: "TARGET_FENCE_BROKEN",
    why: "the target's fence is not whole, so the copy may hold writes that the source lacks",
    remedy:
      "Find out what was written to the copy. When nothing was: drop the event triggers pgvector_cutover_ddl and pgvector_cutover_drop and then its tables by hand, and run `npm run abort -- --yes`.",
  };
}

/** Only the promotion opens the row, in the commit that says so: here somebody's hand did, or a restored backup. */
export function targetOpen(): Refusal {
  return {
    action: "refuse",
    code: "TARGET_FENCE_BROKEN",
    why: "the target's fence is open although its journal does not say promoted, so the copy may hold writes that the source lacks",
    remedy:
      "Find out who opened it, or whether the target was restored from a backup, and what was written to the copy. When nothing was: `update pgvector_cutover.fence set open = false` on the target, and run again.",
  };
}

/** The copy may be the only place that has what was acknowledged before the fence. */
export function sourceBehind(): Refusal {
  return {
    action: "refuse",
    code: "SOURCE_BEHIND_COPY",
    why: "the source is not the server that was fenced, or was restored to an earlier point since, so the copy may hold acknowledged writes that the source lacks",
    remedy:
      "Keep both databases as they are. Find out what the source lacks, and bring it back by hand from the copy, before anything else.",
  };
}

export function sourceUnreachable(): Refusal {
  return {
    action: "refuse",
    code: "SERVER_UNREACHABLE",
    why: "the source cannot be looked at, and nothing is begun, finished or put back without it",
    remedy:
      "Bring it back: its service on Railway, or the way this machine reaches it. What is fenced stays fenced meanwhile.",
  };
}

/** A journal of other databases or schemas: the configuration changed in mid-migration, or it is the wrong stack. */
export function otherContext({ record: { context } }: JournalEntry): Refusal {
  return {
    action: "refuse",
    code: "CONTEXT_MISMATCH",
    why: `the target's journal holds a migration of ${context.schemas.join(", ")} from ${context.source.serviceName}, and this configuration names other schemas or databases`,
    remedy: "Use the configuration that the migration began with.",
  };
}

export function alreadyPromoted(): Refusal {
  return {
    action: "refuse",
    code: "ALREADY_PROMOTED",
    why: "the cutover is promoted and the target accepts the application's writes, so there is nothing to abort",
    remedy: "Go on with the target. There is no way back: what was written since is there alone.",
  };
}
