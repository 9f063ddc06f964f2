import { randomUUID } from "node:crypto";
import { CutoverError, describeError } from "../errors.ts";
import type { Railway } from "../railway/railway.ts";
import { putBack } from "./abort.ts";
import { type StartedAttempt, startAttempt } from "./attempt.ts";
import { closeFences, settleBehindFence } from "./close-fences.ts";
import { copyAndVerify } from "./copy-and-verify.ts";
import { decide } from "./decide.ts";
import { type Exclusion, excludeOtherRuns } from "./exclusion.ts";
import { finish } from "./finish.ts";
import type { MigrationInputs } from "./inputs.ts";
import { type JournalEntry, type JournalOwner, readJournal, takeOver } from "./journal.ts";
import { observe } from "./observe.ts";
import type { PromotedRecord, RecordIn } from "./record.ts";
import { refused } from "./refusals.ts";
import type { Reporter } from "./reporter.ts";
import { type ResolvedWorld, resolveWorld } from "./resolve.ts";
import { switchOver } from "./switch-over.ts";

export interface CutoverRun {
  readonly railway: Railway;
  readonly inputs: MigrationInputs;
  readonly reporter: Reporter;
  /** Whether the engine that started this run is still there; an orphan lets go of the source's locks. */
  isEngineAlive(): Promise<boolean>;
}

/** A run once it knows the names' ids and is alone. */
export interface ExclusiveRun extends CutoverRun {
  readonly world: ResolvedWorld;
  readonly exclusion: Exclusion;
}

/** What a promoted migration leaves for the outside: its id and the journal's record of it. */
export interface PromotedMigration {
  readonly id: string;
  readonly record: PromotedRecord;
}

/**
 * The whole cutover in one operation: from wherever an earlier run left things to `finished`, or back to where
 * everything was. Safe to call again at any time and from anywhere; it does the move exactly once.
 *
 * @throws CutoverError among others `PREFLIGHT_BLOCKED`, `CUTOVER_ABORTED` (everything is back on the source),
 *   `ABORT_INCOMPLETE`, `ANOTHER_RUN_ACTIVE`
 */
export async function runCutover(run: CutoverRun): Promise<PromotedMigration> {
  const world = await resolveWorld(run.railway, run.inputs);
  const exclusion = await excludeOtherRuns(world.source.connection, world.target.connection);
  try {
    return await goOn({ ...run, world, exclusion });
  } finally {
    await exclusion.release();
  }
}

/**
 * Puts an unfinished migration back to the source. Returns what was found; does nothing where none is unfinished.
 *
 * @throws CutoverError `ALREADY_PROMOTED` when the target is the primary: only a rollback leads back from there
 */
export async function runAbort(run: CutoverRun, reason: string): Promise<"nothing to abort" | "aborted"> {
  const world = await resolveWorld(run.railway, run.inputs);
  const exclusion = await excludeOtherRuns(world.source.connection, world.target.connection);
  try {
    const entry = await readJournal(exclusion.target);
    const decision = decide("abort", entry, await observe(world, run.inputs, entry));
    if (decision.action === "refuse") throw refused(decision);
    if (decision.action === "nothing") return "nothing to abort";
    const unfinished = entry as JournalEntry;
    await putBackAs(
      { ...run, world, exclusion },
      await takeOver(exclusion.target, unfinished),
      unfinished.record as RecordIn<"loading" | "switching" | "aborting">,
      reason,
    );
    return "aborted";
  } finally {
    await exclusion.release();
  }
}

async function goOn(run: ExclusiveRun): Promise<PromotedMigration> {
  const entry = await readJournal(run.exclusion.target);
  const decision = decide("up", entry, await observe(run.world, run.inputs, entry));
  switch (decision.action) {
    case "refuse":
      throw refused(decision);
    case "start":
      return attempt(run);
    case "put-back": {
      run.reporter.step(`Recover: ${decision.why}`);
      const unfinished = entry as JournalEntry;
      const owner = await takeOver(run.exclusion.target, unfinished);
      await putBackAs(run, owner, unfinished.record as RecordIn<"loading">, decision.why);
      return attempt(run);
    }
    case "go-on": {
      run.reporter.step(`Go on: ${decision.why}`);
      const unfinished = entry as JournalEntry;
      const owner = await takeOver(run.exclusion.target, unfinished);
      const switching = unfinished.record as RecordIn<"switching">;
      return forwardOrBack(run, owner, async () => {
        await settleBehindFence(run, switching);
        return switchOver(run, owner, switching);
      });
    }
    case "finish":
    case "nothing":
      if (decision.warning !== null) run.reporter.detail(decision.warning);
      return finish(run, entry as JournalEntry);
    default:
      return decision satisfies never;
  }
}

async function attempt(run: ExclusiveRun): Promise<PromotedMigration> {
  const started = await startAttempt(run, randomUUID());
  const { owner, pause } = started;
  const forward = async () => {
    const verified = await copyAndVerify(run, started);
    return switchOver(run, owner, await closeFences(run, started, verified));
  };
  return forwardOrBack(run, owner, () => forward().catch((error) => throwCause(error, pause)), pause.release);
}

/** When the locks were lost, that is the reason, and what failed in consequence of it is not. */
function throwCause(error: unknown, { heartbeat }: StartedAttempt["pause"]): never {
  throw heartbeat.signal.aborted ? heartbeat.signal.reason : error;
}

/** Any failure before the promotion puts everything back within this very operation. */
async function forwardOrBack(
  run: ExclusiveRun,
  owner: JournalOwner,
  forward: () => Promise<PromotedMigration>,
  release: () => Promise<void> = async () => {},
): Promise<PromotedMigration> {
  try {
    return await forward();
  } catch (error) {
    await release();
    const entry = await readJournal(run.exclusion.target).catch((cause) => {
      throw heldUp(error, cause);
    });
    if (entry?.id !== owner.id || entry.record.state === "aborted") throw error;
    if (entry.record.state === "promoted" || entry.record.state === "finished") throw afterPromotion(error);
    if (entry.epoch !== owner.epoch) throw error;
    const reason = describeError(error);
    await putBackAs(run, owner, entry.record, reason).catch((cause) => {
      throw heldUp(error, cause);
    });
    throw new CutoverError({
      code: "CUTOVER_ABORTED",
      message: `The cutover was aborted and everything is back on the source, which accepts writes. Reason: ${reason}`,
      remedy: "Mend the cause and run `pulumi up` again: it copies afresh.",
      cause: error,
    });
  } finally {
    await release();
  }
}

async function putBackAs(
  run: ExclusiveRun,
  owner: JournalOwner,
  record: RecordIn<"loading" | "switching" | "aborting">,
  reason: string,
): Promise<void> {
  await putBack(
    {
      railway: run.railway,
      world: run.world,
      target: run.exclusion.target,
      source: run.exclusion.source,
      owner,
      reporter: run.reporter,
      deploymentTimeoutMs: run.inputs.limits.deploymentTimeoutMs,
    },
    record,
    reason,
  );
}

function afterPromotion(error: unknown): CutoverError {
  return new CutoverError({
    code: "UNFINISHED_AFTER_PROMOTION",
    message: `The target is the primary and accepts writes, but the clean-up did not end: ${describeError(error)}`,
    remedy: "Run `pulumi up` again: it only finishes the rest.",
    cause: error,
  });
}

function heldUp(error: unknown, cause: unknown): CutoverError {
  return new CutoverError({
    code: "ABORT_INCOMPLETE",
    message: `The cutover failed (${describeError(error)}) and could not be put back entirely: ${describeError(cause)}`,
    remedy:
      "Run `npm run abort` as soon as both databases and Railway can be reached; `npm run status` shows who can write.",
    cause,
  });
}
