import { openStore } from "../../backup/store.ts";
import { type Primary, readPrimary } from "../decide/primary.ts";
import { exclusivelyOnTarget } from "../exclusion/exclusive-run.ts";
import { readJournal } from "../journal/journal.ts";
import type { RetirementRecord } from "./evidence.ts";
import { assertBackupWhole, backupName } from "./final-backup.ts";
import { type FinishedEntry, finishedOrRefused, noteRetirement } from "./finished-entry.ts";
import { observeBackup, observeRetirement } from "./observe.ts";
import { reasonsAgainstRemoving } from "./reasons.ts";
import { refused } from "./refused.ts";
import type { RetirementRun } from "./run.ts";

/**
 * Deletes the stopped database's volume, then its service, in this environment only. Before that the final backup is read
 * once more, all of it. Safe to repeat: a run that was interrupted is taken up where it left off.
 *
 * @throws CutoverError `RETIREMENT_REFUSED` with every reason at once, `BACKUP_CHANGED`, `VOLUME_IN_USE`
 */
export async function removeLegacy(run: RetirementRun): Promise<RetirementRecord> {
  const { railway, inputs, reporter, serviceId } = run;
  reporter.step(`Remove ${inputs.source}`);
  const primary = await readPrimary(railway, inputs);
  const entry = finishedOrRefused("remove", primary.entry);
  await readBackupAgain(run, entry, await provenOrRefused(run, primary, entry));
  return exclusivelyOnTarget(run, { ...primary, services: [] }, async (alone) => {
    // Reading may have taken hours, and before the lock another run may have been at work.
    const current = finishedOrRefused("remove", await readJournal(alone.exclusion.target));
    const retirement = await provenOrRefused({ ...run, railway: alone.railway }, primary, current);
    const begun = { ...retirement, removalBegunAt: retirement.removalBegunAt ?? new Date().toISOString() };
    await noteRetirement(alone.exclusion, begun);
    const { volumeId } = begun.volumeBackup;
    // The volume first: once the service is gone, nothing tells any more which volume was its own.
    await alone.railway.deleteVolume(primary.scope, volumeId, serviceId);
    reporter.detail(`volume ${volumeId} is gone`);
    await alone.railway.deleteService(primary.scope, serviceId);
    reporter.detail(`service ${serviceId} is gone from ${primary.scope.environmentName}`);
    const removed = { ...begun, removedAt: begun.removedAt ?? new Date().toISOString() };
    await noteRetirement(alone.exclusion, removed);
    return removed;
  });
}

/** What was proven of it, where nothing that can be seen now speaks against deleting it. */
async function provenOrRefused(
  run: RetirementRun,
  primary: Primary,
  entry: FinishedEntry,
): Promise<RetirementRecord> {
  const { record } = entry;
  const { retirement } = record;
  const facts = await observeRetirement(run, primary, record);
  const backup = await observeBackup(run, entry);
  const reasons = reasonsAgainstRemoving(facts, run.inputs.removal, backup);
  if (reasons.length > 0 || retirement === undefined) throw refused("remove", reasons);
  return retirement;
}

async function readBackupAgain(
  { inputs, credentials, reporter }: RetirementRun,
  entry: FinishedEntry,
  { finalBackup }: RetirementRecord,
): Promise<void> {
  const destination = inputs.removal.finalBackup;
  if (finalBackup.to === "own" || destination === null || destination.to === "own") return;
  const store = openStore(destination, backupName(entry), credentials);
  await assertBackupWhole(store, finalBackup);
  reporter.detail(
    `final backup at ${store.place} read again: all ${finalBackup.bytes} bytes are those that were restored`,
  );
}
