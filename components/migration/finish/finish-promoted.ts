import { contextMismatch, sameMembers } from "../decide/context.ts";
import { notedServices, type Primary } from "../decide/primary.ts";
import { resolveServices } from "../decide/resolve.ts";
import { type CutoverRun, exclusivelyOnTarget, type PromotedMigration } from "../exclusion/exclusive-run.ts";
import type { JournalEntry } from "../journal/journal.ts";
import { finishPromotion } from "../recover/recover.ts";

/**
 * A migration that the journal says is promoted, brought to its end without touching the source: that may be down,
 * stopped or removed by now. `undefined` when the target is not the primary.
 *
 * @throws CutoverError `CONTEXT_MISMATCH` when it moved something else, `UNFINISHED_AFTER_PROMOTION`
 */
export async function finishPromoted(
  run: CutoverRun,
  primary: Primary,
): Promise<PromotedMigration | undefined> {
  const { entry } = primary;
  if (entry?.record.state !== "promoted" && entry?.record.state !== "finished") return undefined;
  const { context } = entry.record;
  if (context.source.serviceName !== run.inputs.source || !sameMembers(context.schemas, run.inputs.schemas)) {
    throw contextMismatch(context, run.inputs);
  }
  if (entry.record.state === "finished") return { id: entry.id, record: entry.record };
  return finishRest(run, primary, entry);
}

async function finishRest(
  run: CutoverRun,
  { scope, target }: Primary,
  entry: JournalEntry,
): Promise<PromotedMigration> {
  const services = await resolveServices(run.railway, scope, run.inputs, notedServices(entry));
  return exclusivelyOnTarget(run, { scope, target, services }, (alone) => finishPromotion(alone, entry));
}
