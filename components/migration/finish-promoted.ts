import { contextMismatch, sameMembers } from "./context.ts";
import type { CutoverRun, PromotedMigration } from "./exclusive-run.ts";
import { readPrimary } from "./primary.ts";

/**
 * A migration that the journal says is finished, without touching the source: it may be stopped or removed by now.
 * `undefined` when there is still something to do.
 *
 * @throws CutoverError `CONTEXT_MISMATCH` when the finished migration moved something else
 */
export async function finishPromoted({
  railway,
  inputs,
}: CutoverRun): Promise<PromotedMigration | undefined> {
  const { entry } = await readPrimary(railway, inputs);
  if (entry?.record.state !== "finished") return undefined;
  const { context } = entry.record;
  if (context.source.serviceName !== inputs.source || !sameMembers(context.schemas, inputs.schemas)) {
    throw contextMismatch(context, inputs);
  }
  return { id: entry.id, record: entry.record };
}
