import { randomUUID } from "node:crypto";
import { copyAndVerify } from "./copy/copy-and-verify.ts";
import { decide } from "./decide/decide.ts";
import { observe } from "./decide/observe.ts";
import { notedServices, readPrimary } from "./decide/primary.ts";
import { alreadyPromoted, refused } from "./decide/refusals.ts";
import { resolveDatabases, resolveWorld } from "./decide/resolve.ts";
import { noteRun } from "./evidence/note-run.ts";
import {
  type CutoverRun,
  type ExclusiveRun,
  exclusively,
  type PromotedMigration,
} from "./exclusion/exclusive-run.ts";
import { closeFences, settleBehindFence } from "./fence/close-fences.ts";
import { assertNotBehind } from "./fence/source-position.ts";
import { finishPromoted } from "./finish/finish-promoted.ts";
import { type JournalEntry, readJournal, takeOver } from "./journal/journal.ts";
import type { RecordIn } from "./journal/record.ts";
import { type StartedAttempt, startAttempt } from "./pause/attempt.ts";
import { withinPauseLimit } from "./pause/pause-limit.ts";
import { finishPromotion, forwardOrBack, putBackFrom } from "./recover/recover.ts";
import { whilePaused } from "./reporter.ts";
import { switchOver } from "./switch/switch-over.ts";

/**
 * The whole cutover in one operation: from wherever an earlier run left things to `finished`, or back to where
 * everything was. Safe to call again at any time and from anywhere; it does the move exactly once.
 *
 * @throws CutoverError among others `PREFLIGHT_BLOCKED`, `CUTOVER_ABORTED` (everything is back on the source),
 *   `CUTOVER_HELD`, `ABORT_INCOMPLETE`, `ANOTHER_RUN_ACTIVE`
 */
export async function runCutover(run: CutoverRun): Promise<PromotedMigration> {
  const primary = await readPrimary(run.railway, run.inputs);
  const promoted = await finishPromoted(run, primary);
  if (promoted !== undefined) return promoted;
  const noted = notedServices(primary.entry);
  return exclusively(run, await resolveWorld(run.railway, run.inputs, noted), goOn);
}

/**
 * Puts an unfinished migration back to the source. Returns what was found; does nothing where none is unfinished.
 *
 * @throws CutoverError `ALREADY_PROMOTED` when the target is the primary: only a rollback leads back from there
 */
export async function runAbort(run: CutoverRun, reason: string): Promise<"nothing to abort" | "aborted"> {
  if ((await readPrimary(run.railway, run.inputs)).primary === "target") throw refused(alreadyPromoted());
  return exclusively(run, await resolveDatabases(run.railway, run.inputs), async (alone) => {
    const entry = await readJournal(alone.exclusion.target);
    const decision = decide("abort", entry, await observe(alone.world, run.inputs, entry));
    if (decision.action === "refuse") throw refused(decision);
    if (decision.action === "nothing") return "nothing to abort";
    const note = await noteRun(alone, "abort");
    await putBackFrom(alone, await takeOver(alone.exclusion.target, entry as JournalEntry, note), reason);
    return "aborted";
  });
}

async function goOn(run: ExclusiveRun): Promise<PromotedMigration> {
  const entry = await readJournal(run.exclusion.target);
  const decision = decide("up", entry, await observe(run.world, run.inputs, entry));
  switch (decision.action) {
    case "refuse":
      throw refused(decision);
    case "start":
      return attempt(run);
    case "put-back":
      return putBackAndBegin(run, entry as JournalEntry, decision.why);
    case "go-on":
      return resume(run, entry as JournalEntry, decision.why);
    case "finish":
    case "nothing":
      if (decision.warning !== null) run.reporter.detail(decision.warning);
      return finishWithoutSource(run, entry as JournalEntry);
    default:
      return decision satisfies never;
  }
}

async function putBackAndBegin(
  run: ExclusiveRun,
  entry: JournalEntry,
  why: string,
): Promise<PromotedMigration> {
  run.reporter.step(`Recover: ${why}`);
  await putBackFrom(run, await takeOver(run.exclusion.target, entry, await noteRun(run, "up")), why);
  return attempt(run);
}

async function attempt(run: ExclusiveRun): Promise<PromotedMigration> {
  const started = await startAttempt(run, randomUUID());
  const { owner, pause } = started;
  const { onFailure, limits } = run.inputs;
  run.announce?.({
    id: owner.id,
    kind: "paused",
    limitMs: onFailure === "hold" ? null : limits.writePauseMs,
  });
  const promoted = await forwardOrBack(run, owner, async () => {
    try {
      const paused = { ...run, reporter: whilePaused(run.reporter, pause.pausedAt) };
      return await withinPauseLimit(run, pause.pausedAt, () => moveEverything(paused, started));
    } finally {
      await pause.release();
    }
  });
  return finishWithoutSource(run, promoted);
}

async function moveEverything(run: ExclusiveRun, started: StartedAttempt): Promise<JournalEntry> {
  const verified = await copyAndVerify(run, started);
  const fenced = await closeFences(run, started, verified);
  run.announce?.({ id: started.owner.id, kind: "fenced" });
  return switchOver(run, started.owner, fenced);
}

async function resume(run: ExclusiveRun, entry: JournalEntry, why: string): Promise<PromotedMigration> {
  const { pausedAt } = (entry.record as RecordIn<"switching">).fence;
  const paused = { ...run, reporter: whilePaused(run.reporter, new Date(pausedAt)) };
  paused.reporter.step(`Go on: ${why}`);
  const owner = await takeOver(run.exclusion.target, entry, await noteRun(run, "up"));
  const record = owner.record as RecordIn<"switching">;
  run.announce?.({ id: owner.id, kind: "resumed" });
  // Whoever wants a failed switch held has decided about the pause: it is this run that is limited, not all of them.
  const limitedFrom = run.inputs.onFailure === "hold" ? new Date() : new Date(pausedAt);
  const promoted = await forwardOrBack(run, owner, () =>
    withinPauseLimit(run, limitedFrom, async () => {
      await assertNotBehind(run.exclusion.source, record.fence.sourcePosition);
      await settleBehindFence(run, record);
      return switchOver(paused, owner, record);
    }),
  );
  return finishWithoutSource(run, promoted);
}

async function finishWithoutSource(run: ExclusiveRun, promoted: JournalEntry): Promise<PromotedMigration> {
  await run.exclusion.letGoOfSource();
  return finishPromotion(run, promoted);
}
