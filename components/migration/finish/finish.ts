import { CutoverError, describeError, isConnectionLoss } from "../../errors.ts";
import { removeFence } from "../../postgres/fence/fence.ts";
import { readBaseline } from "../drift/baseline.ts";
import type { DriftBaseline } from "../drift/baseline-schema.ts";
import { noteRun } from "../evidence/note-run.ts";
import type { FinishingRun, PromotedMigration } from "../exclusion/exclusive-run.ts";
import { type JournalEntry, type JournalOwner, takeOver, transition } from "../journal/journal.ts";
import type { RecordIn } from "../journal/record.ts";
import { moveServices, wavesOf } from "../switch/move-services.ts";
import { moveContext } from "../switch/switch-over.ts";

/**
 * What is left after the promotion: services that must write while they start, and the target's fence triggers, which
 * let everything pass by now. Only forward; does nothing on a finished migration.
 */
export async function finish(run: FinishingRun, entry: JournalEntry): Promise<PromotedMigration> {
  const { record } = entry;
  if (record.state === "finished") return { id: entry.id, record };
  // A target that lost its last commits, by a restore or a failover, is not promoted any more: its fence must stay.
  if (record.state !== "promoted") throw notPromoted(entry);
  const owner = await takeOver(run.exclusion.target, entry, await noteRun(run, "up"));
  const state = { record: owner.record as RecordIn<"promoted"> };
  await moveServices(moveContext(run, owner, state), wavesOf(run.world.services, false));
  run.reporter.step("Take the target's fence down");
  await removeTargetFence(run);
  return { id: entry.id, record: await recordFinished(run, owner, state.record) };
}

async function removeTargetFence({ exclusion, reporter }: FinishingRun): Promise<void> {
  const busy = await removeFence(exclusion.target, { withinMs: removalPatienceMs });
  if (busy.length === 0) return;
  const names = busy.map(({ schema, name }) => `${schema}.${name}`).join(", ");
  reporter.detail(
    `fence triggers remain on ${names}, which a long transaction holds; they let everything pass`,
  );
}

const removalPatienceMs = 15_000;

function notPromoted({ id, record }: JournalEntry): CutoverError {
  return new CutoverError({
    code: "JOURNAL_LOST",
    message: `Migration ${id} is not promoted but ${record.state}: the target is not in the state that this run left it in.`,
    remedy:
      "Was the target restored or failed over? `npm run status` shows how things are; `pulumi up` goes on from there.",
  });
}

async function recordFinished(
  run: FinishingRun,
  owner: JournalOwner,
  record: RecordIn<"promoted">,
): Promise<RecordIn<"finished">> {
  const baseline = await tryBaseline(run, record);
  const finished: RecordIn<"finished"> = {
    ...record,
    state: "finished",
    ...(baseline === undefined ? {} : { baseline }),
  };
  await transition(run.exclusion.target, owner, "promoted", finished, "finished");
  return finished;
}

/** Nothing of the move depends on it: without one, looking for drift says what it lacks. */
async function tryBaseline(
  { railway, world, exclusion, reporter }: FinishingRun,
  { context }: RecordIn<"promoted">,
): Promise<DriftBaseline | undefined> {
  const { scope, target } = world;
  try {
    const signal = AbortSignal.any([exclusion.signal, AbortSignal.timeout(baselineMs)]);
    return await readBaseline(railway.within(signal), scope, target, context);
  } catch (error) {
    if (isConnectionLoss(error)) throw error;
    reporter.detail(
      `the base for drift was not recorded (${describeError(error)}): npm run drift -- --record-baseline does it`,
    );
    return undefined;
  }
}

const baselineMs = 20_000;
