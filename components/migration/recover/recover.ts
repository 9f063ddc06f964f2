import { CutoverError, describeError, isConnectionLoss } from "../../errors.ts";
import type { Exclusion } from "../exclusion/exclusion.ts";
import type {
  CutoverRun,
  ExclusiveAccess,
  ExclusiveRun,
  FinishingRun,
  PromotedMigration,
} from "../exclusion/exclusive-run.ts";
import { finish } from "../finish/finish.ts";
import { GateRedError } from "../gate/red.ts";
import { addEvent, type JournalEntry, type JournalOwner, readJournal } from "../journal/journal.ts";
import type { RecordIn } from "../journal/record.ts";
import { codeIn } from "../prepare/announcement.ts";
import { putBack } from "./abort.ts";

/**
 * Goes forward to the promotion. Any failure before it puts everything back within this very operation, or, where the
 * configuration says `onFailure: hold`, leaves a switch that had begun as it stands. The journal decides how far things
 * are, not the failure: the answer to a commit may be lost on its way.
 *
 * @throws CutoverError `CUTOVER_ABORTED`, `CUTOVER_HELD`, `ABORT_INCOMPLETE`; the failure itself where another run took over
 */
export async function forwardOrBack(
  run: ExclusiveRun,
  owner: JournalOwner,
  forward: () => Promise<JournalEntry>,
): Promise<JournalEntry> {
  const entry = await forward().catch((error) => {
    // What fails in consequence of a cut is not the reason.
    const { signal } = run.exclusion;
    const reason = error instanceof CutoverError || !isConnectionLoss(error) ? error : sessionsLost(error);
    return settle(run, owner, signal.aborted ? signal.reason : reason);
  });
  if ("promotion" in entry.record) {
    const { writePauseMs } = entry.record.promotion;
    run.announce?.({ id: entry.id, kind: "promoted", writePauseMs });
  }
  return entry;
}

/**
 * What is left after the promotion: only forward.
 *
 * @throws CutoverError `UNFINISHED_AFTER_PROMOTION`
 */
export async function finishPromotion(run: FinishingRun, entry: JournalEntry): Promise<PromotedMigration> {
  if (entry.record.state === "finished") return { id: entry.id, record: entry.record };
  try {
    const finished = await persistently(run, async () => {
      const now = await readJournal(run.exclusion.target);
      if (now?.id !== entry.id) throw journalGone(entry);
      return finish(run, now);
    });
    run.announce?.({ id: entry.id, kind: "finished" });
    return finished;
  } catch (error) {
    run.announce?.({ id: entry.id, kind: "unfinished" });
    throw new CutoverError({
      code: "UNFINISHED_AFTER_PROMOTION",
      message: `The target is the primary and accepts writes, but the clean-up did not end: ${describeError(error)}`,
      remedy: "Run `pulumi up` again: it only finishes the rest.",
      cause: error,
    });
  }
}

/**
 * Puts an unfinished migration back to the source, through restarts and lost connections of either server.
 *
 * @throws CutoverError what stands in the way, see {@link putBack}
 */
export async function putBackFrom(
  run: ExclusiveAccess,
  owner: JournalOwner,
  reason: string,
  gate?: RecordIn<"aborting">["gate"],
): Promise<void> {
  try {
    await putBackPersistently(run, owner, reason, gate);
    run.announce?.({ id: owner.id, kind: "aborted", reason: codeIn(reason) });
  } catch (error) {
    run.announce?.({ id: owner.id, kind: "incomplete" });
    throw error;
  }
}

async function putBackPersistently(
  run: ExclusiveAccess,
  owner: JournalOwner,
  reason: string,
  gate: RecordIn<"aborting">["gate"],
): Promise<void> {
  await persistently(run, async () => {
    const entry = await readJournal(run.exclusion.target);
    if (entry?.id !== owner.id) throw journalGone(owner);
    const { record } = entry;
    if (record.state === "aborted") return;
    if (record.state === "promoted" || record.state === "finished") throw journalGone(owner);
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
      gate,
    );
  });
}

async function settle(run: ExclusiveRun, owner: JournalOwner, error: unknown): Promise<JournalEntry> {
  const reason = describeError(error);
  const entry = await persistently(run, () => readJournal(run.exclusion.target)).catch((cause) => {
    run.announce?.({ id: owner.id, kind: "incomplete" });
    throw heldUp(error, cause);
  });
  if (entry?.id !== owner.id || entry.epoch !== owner.epoch) throw error;
  switch (entry.record.state) {
    case "aborted":
      throw error;
    case "promoted":
    case "finished":
      return entry;
    case "switching":
      if (run.inputs.onFailure === "hold") {
        await addEvent(run.exclusion.target, owner, "switching", `held: ${reason}`).catch(() => {});
        run.announce?.({ id: owner.id, kind: "held", reason: codeIn(reason) });
        throw held(reason, error);
      }
      break;
    default:
  }
  // Putting back takes as long as the services' deployments: whoever watches need not wait for its end to learn why.
  run.reporter.detail(`failed: ${reason}`);
  const gate = error instanceof GateRedError ? error.gate : undefined;
  await putBackFrom(run, owner, reason, gate).catch((cause) => {
    throw heldUp(error, cause);
  });
  throw new CutoverError({
    code: "CUTOVER_ABORTED",
    message: `The cutover was aborted and everything is back on the source, which accepts writes. Reason: ${reason}`,
    remedy: "Mend the cause and run `pulumi up` again: it copies afresh.",
    cause: error,
  });
}

/** Repeats `work`, which may run twice, as long as it is the run's sessions that were lost and not its cause. */
async function persistently<Result>(
  run: CutoverRun & { readonly exclusion: Exclusion },
  work: () => Promise<Result>,
): Promise<Result> {
  const begunAt = performance.now();
  for (let attempt = 1; ; attempt++) {
    if (run.exclusion.signal.aborted) {
      run.reporter.detail("the connection to a database was lost; taking the locks again");
      await run.exclusion.renew();
    }
    try {
      return await work();
    } catch (error) {
      const lost = run.exclusion.signal.aborted || isConnectionLoss(error);
      if (!lost || (attempt >= recoveryAttempts && performance.now() - begunAt > recoveryMs)) throw error;
      run.exclusion.giveUp(sessionsLost(error));
    }
  }
}

const recoveryAttempts = 4;
const recoveryMs = 15 * 60_000;

function sessionsLost(cause: unknown): CutoverError {
  return new CutoverError({
    code: "EXCLUSION_LOST",
    message: "The connection to a database was lost.",
    remedy: "Run again: the journal knows how far things are.",
    cause,
  });
}

function journalGone({ id }: { id: string }): CutoverError {
  return new CutoverError({
    code: "JOURNAL_LOST",
    message: `Migration ${id} is no longer this run's: another run took it over.`,
    remedy: "Let the other run finish; `npm run status` shows what it does.",
  });
}

function held(reason: string, cause: unknown): CutoverError {
  return new CutoverError({
    code: "CUTOVER_HELD",
    message: `The switch failed and is held as it stands, as the configuration asks (onFailure: hold): both databases refuse writes, reads go on. Reason: ${reason}`,
    remedy:
      "`npm run status` shows it. `pulumi up` goes on with the switch; `npm run abort -- --yes` puts everything back. Until then nobody can write.",
    cause,
  });
}

function heldUp(error: unknown, cause: unknown): CutoverError {
  return new CutoverError({
    code: "ABORT_INCOMPLETE",
    message: `The cutover failed (${describeError(error)}) and could not be put back entirely: ${describeError(cause)}`,
    remedy:
      "Run `npm run abort -- --yes` as soon as both databases and Railway can be reached; `npm run status` shows who can write.",
    cause,
  });
}
