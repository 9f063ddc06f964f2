import type { z } from "zod";
import { CutoverError, hasCode } from "../errors.ts";
import type { volumeBackupAnswer } from "./answers.ts";
import { applyAndConfirm } from "./confirmed-mutation.ts";
import type { RailwayContext } from "./context.ts";
import type { EnvironmentScope } from "./environment.ts";
import * as operations from "./operations.ts";
import { readInventory } from "./services.ts";

/** A snapshot of a volume. It is deleted together with its volume. */
export interface VolumeBackup {
  readonly id: string;
  readonly name: string | null;
  readonly createdAt: Date;
  /** When Railway deletes it by itself; `null`: never. */
  readonly expiresAt: Date | null;
  /** Whether one of the volume's schedules made it, and not somebody's hand or request. */
  readonly isScheduled: boolean;
  /** What it takes beside the volume and its other backups: that is what Railway charges for. */
  readonly usedMB: number | null;
}

/** All backups of a volume in one environment. */
export async function listVolumeBackups(
  { transport }: RailwayContext,
  volumeInstanceId: string,
): Promise<VolumeBackup[]> {
  const answer = await transport.request(operations.volumeBackups, { volumeInstanceId });
  return answer.volumeInstanceBackupList.map(toBackup);
}

/**
 * Makes a backup of a volume, waits for it, and returns it as Railway then lists it.
 *
 * @throws CutoverError `BACKUP_FAILED`, `BACKUP_TIMEOUT`, and those of the transport
 */
export async function backupVolume(
  context: RailwayContext,
  volumeInstanceId: string,
  name: string,
  { timeoutMs }: { readonly timeoutMs: number },
): Promise<VolumeBackup> {
  const known = new Set((await listVolumeBackups(context, volumeInstanceId)).map(({ id }) => id));
  const findNew = async () => {
    const backups = await listVolumeBackups(context, volumeInstanceId);
    return backups.find((backup) => !known.has(backup.id) && backup.name === name);
  };
  // What shows that it began is the workflow; after an uncertain request only the list of backups can tell.
  const begun = await applyAndConfirm<{ workflowId: string | undefined }>(context, {
    ...startBackup(context, volumeInstanceId, name, findNew),
    name: `back up ${volumeInstanceId}`,
  });
  if (begun?.workflowId !== undefined) await waitForWorkflow(context, begun.workflowId, timeoutMs);
  const backup = await context.settle(findNew, begun?.workflowId === undefined ? timeoutMs : undefined);
  if (backup === undefined) throw backupTimeoutError(volumeInstanceId, timeoutMs);
  return backup;
}

/**
 * Deletes a service's volume with all its backups and reads until it is gone. Does nothing when this environment has no
 * such volume. Railway deletes a volume from every environment at once: that it is in no other is the caller's proof to make.
 *
 * @param owner the only service that it may still be attached to
 * @throws CutoverError `VOLUME_IN_USE`, `VOLUME_NOT_DELETED`, and those of the transport
 */
export async function deleteVolume(
  context: RailwayContext,
  scope: EnvironmentScope,
  volumeId: string,
  owner: string,
): Promise<void> {
  const find = async () => (await readInventory(context, scope)).volumes.find(({ id }) => id === volumeId);
  const found = await find();
  if (found === undefined) return;
  if (found.serviceId !== null && found.serviceId !== owner) throw volumeInUse(volumeId, found.serviceId);
  const gone = await applyAndConfirm(context, {
    name: `delete volume ${volumeId}`,
    apply: async () => {
      try {
        await context.transport.request(operations.volumeDelete, { volumeId });
      } catch (error) {
        if (!hasCode(error, "RAILWAY_NOT_FOUND")) throw error;
      }
    },
    observe: async () => ((await find()) === undefined ? true : undefined),
  });
  if (gone) return;
  throw new CutoverError({
    code: "VOLUME_NOT_DELETED",
    message: `Railway accepted the deletion of the volume ${volumeId}, but it is still there.`,
    remedy: "Look at the volume in Railway's dashboard, then run the same command again.",
  });
}

function volumeInUse(volumeId: string, serviceId: string): CutoverError {
  return new CutoverError({
    code: "VOLUME_IN_USE",
    message: `The volume ${volumeId} is attached to another service now (${serviceId}). It was not deleted.`,
    remedy: "Find out who attached it there, and detach it if that service does not need it; then run again.",
  });
}

function startBackup(
  context: RailwayContext,
  volumeInstanceId: string,
  name: string,
  findNew: () => Promise<VolumeBackup | undefined>,
) {
  let accepted: { workflowId: string | undefined } | undefined;
  return {
    apply: async () => {
      const answer = await context.transport.request(operations.volumeBackupCreate, {
        volumeInstanceId,
        name,
      });
      accepted = { workflowId: answer.volumeInstanceBackupCreate.workflowId ?? undefined };
    },
    observe: async () => accepted ?? ((await findNew()) ? { workflowId: undefined } : undefined),
  };
}

/** Directly after the request the workflow is often not known yet (Railway's CLI treats `NotFound` as pending). */
async function waitForWorkflow(
  context: RailwayContext,
  workflowId: string,
  timeoutMs: number,
): Promise<void> {
  const ended = await context.poll(async () => {
    const { workflowStatus } = await context.transport.request(operations.workflowStatus, { workflowId });
    return ["Complete", "Error"].includes(workflowStatus.status) ? workflowStatus : undefined;
  }, timeoutMs);
  if (ended === undefined) throw backupTimeoutError(workflowId, timeoutMs);
  if (ended.status === "Complete") return;
  const reason = ended.error ? `: ${context.transport.redactor.clean(ended.error)}` : "";
  throw new CutoverError({
    code: "BACKUP_FAILED",
    message: `Railway could not make the backup (workflow ${workflowId}${reason}).`,
    remedy:
      "Manual backups need a volume that is at most half full, and a plan that includes them; mend that, then run the same command again. Where that cannot be before a cutover, make a backup of your own and set `backups.beforeCutover: skip` with the reason.",
  });
}

function backupTimeoutError(what: string, timeoutMs: number): CutoverError {
  return new CutoverError({
    code: "BACKUP_TIMEOUT",
    message: `The backup (${what}) was not listed by Railway within ${Math.round(timeoutMs / 1000)} s.`,
    remedy: "Look at the volume's backups in Railway's dashboard, then run the same command again.",
  });
}

function toBackup(answer: z.infer<typeof volumeBackupAnswer>): VolumeBackup {
  return {
    id: answer.id,
    name: answer.name ?? null,
    createdAt: new Date(answer.createdAt),
    expiresAt: answer.expiresAt ? new Date(answer.expiresAt) : null,
    isScheduled: Boolean(answer.scheduleId),
    usedMB: answer.usedMB ?? null,
  };
}
