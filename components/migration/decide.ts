import type { FenceState } from "../postgres/fence.ts";
import type { JournalEntry } from "./journal.ts";

/** What the source was seen to be, asked without changing anything. `null` where it could not be asked. */
export interface SourceObservation {
  readonly sealed: boolean;
  /** `null` on a sealed source, which cannot be looked into. */
  readonly witness: FenceState["witness"];
  /** Every table fenced and the event triggers there; `null` on a sealed source. */
  readonly fenceUnbroken: boolean | null;
}

/**
 * What a run does next:
 * - `start`: nothing is under way; copy afresh.
 * - `go-on`: both databases are still fenced by this very migration; finish the switch.
 * - `put-back`: give everything back to the source; afterwards a new attempt may start.
 * - `finish`: the target is the primary already; only the clean-up is left.
 * - `nothing`: all done.
 * - `refuse`: the observations contradict the journal; a human must look.
 */
export type Decision =
  | { readonly action: "start" | "go-on" | "put-back" | "finish" | "nothing"; readonly why: string }
  | { readonly action: "refuse"; readonly code: string; readonly why: string; readonly remedy: string };

/** Decides from the journal and the source alone; no I/O, no clock. */
export function decideNext(entry: JournalEntry | undefined, source: SourceObservation | null): Decision {
  if (entry === undefined) return startOrRefuse(source);
  const { state } = entry.record;
  switch (state) {
    case "aborted":
      return startOrRefuse(source);
    case "loading":
      return { action: "put-back", why: "an earlier run ended while it copied; its copy is dropped" };
    case "switching":
      return goOnOrPutBack(entry, source);
    case "aborting":
      return { action: "put-back", why: "an earlier run ended while it put things back" };
    case "promoted":
      return { action: "finish", why: "the target is the primary; only the clean-up is left" };
    case "finished":
      return { action: "nothing", why: "the migration is finished" };
    default:
      return state satisfies never;
  }
}

function startOrRefuse(source: SourceObservation | null): Decision {
  if (source === null || (!source.sealed && source.witness === null)) {
    return { action: "start", why: "no migration is under way" };
  }
  return {
    action: "refuse",
    code: "FENCED_WITHOUT_JOURNAL",
    why: source.sealed
      ? "the source accepts no connections, but the target's journal knows of no migration"
      : `the source is fenced by migration ${source.witness?.migrationId}, but the target's journal does not know it`,
    remedy:
      "Is this the right target? If another target holds the journal, run there. If the target was restored from a backup, keep both databases and ask for help before opening the source.",
  };
}

function goOnOrPutBack(entry: JournalEntry, source: SourceObservation | null): Decision {
  if (source === null) return { action: "put-back", why: "the source cannot be looked at" };
  if (source.sealed) return { action: "go-on", why: "the source is sealed since the switch" };
  if (source.witness?.migrationId === entry.id && source.fenceUnbroken === true) {
    return { action: "go-on", why: "the fence of this migration is unbroken on the source" };
  }
  return { action: "put-back", why: "the fence on the source is not whole: the copy may be behind it" };
}
