import { readPrimary } from "../decide/primary.ts";
import { notFinished } from "./finished-entry.ts";
import { observeBackup, observeRetirement } from "./observe.ts";
import { reasonsAgainstRemoving, reasonsAgainstStopping } from "./reasons.ts";
import type { RetirementRun } from "./run.ts";

/**
 * What a preview can tell against stopping or removing the old database, by property. Reads only: into the sealed database
 * only `up` looks.
 */
export async function retirementFailures(
  run: RetirementRun,
): Promise<{ readonly property: string; readonly reason: string }[]> {
  return (await reasonsNow(run)).map((reason) => ({ property: "lifecycle", reason }));
}

async function reasonsNow(run: RetirementRun): Promise<string[]> {
  const { inputs } = run;
  const primary = await readPrimary(run.railway, inputs);
  const { entry } = primary;
  if (entry?.record.state !== "finished") return [notFinished(entry)];
  const { record } = entry;
  // `check` is not told the id that this stack adopted.
  const serviceId = run.serviceId || record.context.source.serviceId;
  const facts = await observeRetirement({ ...run, serviceId }, primary, record);
  if (inputs.lifecycle === "stop") return reasonsAgainstStopping(facts, inputs.removal.finalBackup);
  const backup = await observeBackup(run, { ...entry, record });
  return reasonsAgainstRemoving(facts, inputs.removal, backup);
}
