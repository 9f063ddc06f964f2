import type { EnvironmentScope, Railway, VolumeBackup } from "../../railway/railway.ts";

/** Which backup is wanted. */
export interface WantedBackup {
  readonly volumeInstanceId: string;
  /** What a new one is called on Railway. */
  readonly name: string;
  /** Whether one that is there already is as good as a new one. */
  readonly counts: (backup: VolumeBackup) => boolean;
  readonly timeoutMs: number;
}

/**
 * The newest backup of a volume that counts, or else a new one, awaited and listed. Safe to repeat: what an interrupted run
 * made is found again.
 *
 * @throws CutoverError `BACKUP_FAILED`, `BACKUP_TIMEOUT`, and those of the transport
 */
export async function ensureVolumeBackup(
  railway: Railway,
  scope: EnvironmentScope,
  { volumeInstanceId, name, counts, timeoutMs }: WantedBackup,
): Promise<{ readonly backup: VolumeBackup; readonly isNew: boolean }> {
  const earlier = newest((await railway.listVolumeBackups(volumeInstanceId)).filter(counts));
  if (earlier !== undefined) return { backup: earlier, isNew: false };
  return {
    backup: await railway.backupVolume(scope, volumeInstanceId, name, { timeoutMs }),
    isNew: true,
  };
}

/** The one that was made last; `undefined` of none. */
export function newest(backups: readonly VolumeBackup[]): VolumeBackup | undefined {
  return backups.toSorted((left, right) => right.createdAt.getTime() - left.createdAt.getTime())[0];
}
