import { setTimeout as delay } from "node:timers/promises";
import { removeFence } from "../postgres/fence.ts";
import type { ExclusiveRun, PromotedMigration } from "./exclusive-run.ts";
import { type JournalEntry, type JournalOwner, takeOver, transition } from "./journal.ts";
import { moveServices, wavesOf } from "./move-services.ts";
import type { PromotedRecord, RecordIn } from "./record.ts";
import { moveContext } from "./switch-over.ts";

/**
 * What is left after the promotion: services that must write while they start, and the target's fence triggers, which
 * let everything pass by now. Only forward; does nothing on a finished migration.
 */
export async function finish(run: ExclusiveRun, entry: JournalEntry): Promise<PromotedMigration> {
  const record = entry.record as PromotedRecord;
  if (record.state === "finished") return { id: entry.id, record };
  const owner = await takeOver(run.exclusion.target, entry);
  const state = { record };
  await moveServices(moveContext(run, owner, state), wavesOf(run.world.services, false));
  run.reporter.step("Take the target's fence down");
  await removeTargetFence(run);
  return { id: entry.id, record: await recordFinished(run, owner, state.record) };
}

async function removeTargetFence({ exclusion, reporter }: ExclusiveRun): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const busy = await removeFence(exclusion.target);
    if (busy.length === 0) return;
    if (attempt === removalAttempts) {
      const names = busy.map(({ schema, name }) => `${schema}.${name}`).join(", ");
      reporter.detail(
        `fence triggers remain on ${names}, which a long transaction holds; they let everything pass`,
      );
      return;
    }
    await delay(500);
  }
}

const removalAttempts = 20;

async function recordFinished(
  run: ExclusiveRun,
  owner: JournalOwner,
  record: RecordIn<"promoted">,
): Promise<RecordIn<"finished">> {
  const finished: RecordIn<"finished"> = { ...record, state: "finished" };
  await transition(run.exclusion.target, owner, "promoted", finished, "finished");
  return finished;
}
