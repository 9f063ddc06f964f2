import type { JournalEntry } from "../journal/journal.ts";
import type { ContextComparison } from "./context.ts";
import {
  alreadyPromoted,
  fencedWithoutJournal,
  otherContext,
  type Refusal,
  sourceBehind,
  sourceUnreachable,
  targetFenceBroken,
  targetOpen,
} from "./refusals.ts";
import {
  type SourceObservation,
  type SourceStand,
  standOfSource,
  standOfTarget,
  type TargetObservation,
} from "./stand.ts";

/** Everything but the journal that a decision depends on. */
export interface Observation extends ContextComparison {
  /** `null` where the source cannot be looked at. */
  readonly source: SourceObservation | null;
  readonly target: TargetObservation;
}

/** `warning` is what the operator must know although it holds nothing up; `null` where there is nothing. */
type Step<Action extends string> = Action extends string
  ? { readonly action: Action; readonly why: string; readonly warning: string | null }
  : never;

/**
 * What `up` does next:
 * - `start`: nothing is under way; copy afresh.
 * - `go-on`: both databases are still fenced by this very migration; finish the switch.
 * - `put-back`: give everything back to the source; afterwards a new attempt may start.
 * - `finish`: the target is the primary already; only the clean-up is left.
 * - `nothing`: all done.
 * - `refuse`: what was seen contradicts the journal, or could not be seen; nothing is changed, a human must look.
 */
export type UpDecision = Step<"start" | "go-on" | "put-back" | "finish" | "nothing"> | Refusal;

/** What `abort` does next; `nothing` is "nothing to abort". */
export type AbortDecision = Step<"put-back" | "nothing"> | Refusal;

/**
 * What a command does next, from the journal and what was seen: the only place that decides, also for preview and
 * status, which tell what `up` and `abort` would do. Pure. docs/protocol.md has it as a table under "Decisions", which
 * a test compares with this function.
 */
export function decide(command: "up", entry: JournalEntry | undefined, seen: Observation): UpDecision;
export function decide(command: "abort", entry: JournalEntry | undefined, seen: Observation): AbortDecision;
export function decide(
  command: "up" | "abort",
  entry: JournalEntry | undefined,
  seen: Observation,
): UpDecision | AbortDecision {
  return command === "up" ? decideUp(entry, seen) : decideAbort(entry, seen);
}

function decideUp(entry: JournalEntry | undefined, seen: Observation): UpDecision {
  const isLive = entry !== undefined && entry.record.state !== "aborted";
  if (isLive && !(seen.sameDatabases && seen.sameSchemas)) return otherContext(entry);
  return decideAsIs(entry, seen);
}

/** An abort only ever puts back, wherever before the promotion things are. What it puts back the journal knows. */
function decideAbort(entry: JournalEntry | undefined, seen: Observation): AbortDecision {
  const next = decideAsIs(entry, seen);
  switch (next.action) {
    case "finish":
    case "nothing":
      return alreadyPromoted();
    case "start":
      return step("nothing", "no migration is under way");
    case "go-on":
    case "put-back":
    case "refuse":
      if (entry !== undefined && entry.record.state !== "aborted" && !seen.sameDatabases)
        return otherContext(entry);
      return next.action === "go-on" ? step("put-back", "an earlier run ended while it switched") : next;
    default:
      return next satisfies never;
  }
}

function decideAsIs(entry: JournalEntry | undefined, seen: Observation): UpDecision {
  if (entry === undefined || entry.record.state === "aborted") return beginUnfenced(entry, seen);
  const { state } = entry.record;
  switch (state) {
    case "loading":
      return putBackUnfenced(entry, seen, "an earlier run ended while it copied; its copy is dropped");
    case "switching":
      return goOnOrPutBack(entry, seen);
    case "aborting":
      return entry.record.fence === null
        ? putBackUnfenced(entry, seen, unfinishedAbort)
        : putBackFenced(entry, seen, unfinishedAbort);
    case "promoted":
      return step(
        "finish",
        "the target is the primary; only the clean-up is left",
        warnOfPromoted(entry, seen),
      );
    case "finished":
      return step("nothing", "the migration is finished", warnOfPromoted(entry, seen));
    default:
      return state satisfies never;
  }
}

const unfinishedAbort = "an earlier run ended while it put things back";

function beginUnfenced(entry: JournalEntry | undefined, seen: Observation): UpDecision {
  return refuseUnlessUnfenced(entry, seen) ?? step("start", "no migration is under way");
}

function putBackUnfenced(entry: JournalEntry, seen: Observation, why: string): UpDecision {
  return refuseUnlessUnfenced(entry, seen) ?? step("put-back", why);
}

/**
 * The journal says that no fence of its migrations stands on the source and that no service was pointed at a copy:
 * the first before the fence, both again after an abort.
 */
function refuseUnlessUnfenced(
  entry: JournalEntry | undefined,
  { source, target }: Observation,
): Refusal | undefined {
  switch (standOfSource(entry, source)) {
    case "unreachable":
      return sourceUnreachable();
    case "open":
      return standOfTarget(target) === "open" ? targetOpen() : undefined;
    default:
      return fencedWithoutJournal(entry, source);
  }
}

/** Services may run on the copy: the source is opened only while nothing can have been written there. */
function putBackFenced(entry: JournalEntry, { source, target }: Observation, why: string): UpDecision {
  const stand = standOfSource(entry, source);
  if (stand === "unreachable") return sourceUnreachable();
  if (stand === "behind") return sourceBehind();
  if (stand === "foreign") return fencedWithoutJournal(entry, source);
  const copy = standOfTarget(target);
  switch (copy) {
    case "open":
      return targetOpen();
    case "torn":
      return targetFenceBroken();
    case "empty":
    case "fenced":
      return step("put-back", why);
    default:
      return copy satisfies never;
  }
}

function goOnOrPutBack(entry: JournalEntry, seen: Observation): UpDecision {
  const source = standOfSource(entry, seen.source);
  const copy = standOfTarget(seen.target);
  const isClosed = copy === "fenced" && (source === "sealed" || source === "fenced");
  if (isClosed && seen.againstGoingOn === null) {
    return step(
      "go-on",
      source === "sealed"
        ? "the source is sealed since the switch"
        : "the fence of this migration is unbroken on the source",
    );
  }
  return putBackFenced(entry, seen, whyBack(source, seen));
}

function whyBack(source: SourceStand, { source: seen, target, againstGoingOn }: Observation): string {
  if (standOfTarget(target) === "empty") return "the copy is gone from the target";
  if (source === "open") return "no fence stands on the source: the copy may be behind it";
  if (source === "torn" && seen?.witness?.yielded === true)
    return "the fence on the source let writers pass when its time was over: the copy may be behind it";
  if (source === "torn") return "the fence on the source is not whole: the copy may be behind it";
  return againstGoingOn ?? "an earlier run ended while it switched";
}

function step<Action extends string>(
  action: Action,
  why: string,
  warning: string | null = null,
): { action: Action; why: string; warning: string | null } {
  return { action, why, warning };
}

/** After the promotion nothing is refused: the target is the primary, whatever became of the source. */
function warnOfPromoted(entry: JournalEntry, { source, target }: Observation): string | null {
  const warnings = [
    standOfTarget(target) === "fenced"
      ? "the target refuses writes although it is the primary: its fence is closed"
      : null,
    warningOfSource(standOfSource(entry, source)),
  ].filter((warning) => warning !== null);
  return warnings.length === 0 ? null : warnings.join("; ");
}

function warningOfSource(stand: SourceStand): string | null {
  switch (stand) {
    case "open":
    case "torn":
      return "somebody opened the source: it may accept writes, and the target lacks them";
    case "fenced":
    case "foreign":
      return "the source's seal was lifted; its fence still refuses writes";
    case "sealed":
    case "unreachable":
    case "behind":
      return null;
    default:
      return stand satisfies never;
  }
}
