import { CutoverError, hasCode } from "../../errors.ts";
import type { EnvironmentScope, RailwayService, VolumeBackup } from "../../railway/railway.ts";
import type { ExclusiveRun } from "../exclusion/exclusive-run.ts";
import type { MigrationInputs } from "../inputs.ts";
import type { BackupRecord, BackupsRecord } from "../journal/backup-record.ts";
import { formatBytes } from "../plan/format.ts";
import { ensureVolumeBackup } from "./volume-backup.ts";

export interface BackedUp {
  readonly record: BackupsRecord;
  /** Whether one had to be made: that takes minutes, in which what was looked at before may have changed. */
  readonly tookTime: boolean;
}

/**
 * Railway's backups of both databases' volumes, side by side, before anything is paused: production goes on meanwhile. When
 * one cannot be made, the other is not waited for any more.
 *
 * @throws CutoverError `BACKUP_FAILED`, `BACKUP_TIMEOUT`, those of Railway's client, the exclusion's reason when it is lost
 */
export async function backUpFirst(
  run: Pick<ExclusiveRun, "railway" | "inputs" | "world" | "exclusion" | "reporter">,
): Promise<BackedUp> {
  const { inputs, world, exclusion, reporter } = run;
  const { backups, source, target } = inputs;
  if (backups.beforeCutover === "skip") {
    reporter.detail("no volume backup is made, as the configuration says");
    return { record: { kind: "skipped", reason: backups.reason ?? "" }, tookTime: false };
  }
  reporter.step("Back up both volumes");
  const failed = new AbortController();
  const railway = run.railway.within(AbortSignal.any([exclusion.signal, failed.signal]));
  const volumes = await Promise.all(
    [world.source.service, world.target.service].map(async (service) => {
      try {
        return await backUp({ ...run, railway }, world.scope, service, `before-cutover-${source}-${target}`);
      } catch (error) {
        failed.abort(error);
        throw error;
      }
    }),
  );
  return { record: { kind: "made", volumes }, tookTime: volumes.some(({ isReused }) => !isReused) };
}

/**
 * Whether a backup that is there already saves another one. A scheduled one does not: Railway deletes it after days, and an
 * operator who looks for a way back looks for what the cutover made. Pure.
 */
export function countsBeforeCutover(
  { createdAt, expiresAt, isScheduled }: VolumeBackup,
  { reuseForMs }: Pick<MigrationInputs["backups"], "reuseForMs">,
  now: Date,
): boolean {
  const ageMs = now.getTime() - createdAt.getTime();
  const leftMs = expiresAt === null ? Number.POSITIVE_INFINITY : expiresAt.getTime() - now.getTime();
  return !isScheduled && ageMs < reuseForMs && leftMs > shortestLifeMs;
}

const shortestLifeMs = 24 * 60 * 60_000;

async function backUp(
  { railway, inputs: { backups }, reporter }: Pick<ExclusiveRun, "railway" | "inputs" | "reporter">,
  scope: EnvironmentScope,
  { name: service, volume }: RailwayService,
  name: string,
): Promise<BackupRecord> {
  if (volume === null) throw volumeGone(service);
  const begunAt = performance.now();
  const { backup, isNew } = await ensureVolumeBackup(railway, scope, {
    volumeInstanceId: volume.instanceId,
    name,
    counts: (one) => countsBeforeCutover(one, backups, new Date()),
    timeoutMs: backups.timeoutMs,
  }).catch((error) => {
    if (hasCode(error, "RAILWAY_NOT_AUTHORIZED")) throw notPermitted(service, error);
    throw hasCode(error, "BACKUP_FAILED", "BACKUP_TIMEOUT") ? beforeThePause(service, error) : error;
  });
  const { id, createdAt, expiresAt, usedMB } = backup;
  const how = isNew
    ? `made and listed after ${((performance.now() - begunAt) / 1_000).toFixed(0)} s`
    : `of ${createdAt.toISOString()} counts, it is younger than backups.reuseForMs`;
  const size = usedMB === null ? "" : `, ${formatBytes(usedMB * 1_000_000)} beside the volume`;
  const end = expiresAt === null ? "has no expiry date" : `expires at ${expiresAt.toISOString()}`;
  reporter.detail(`${service}: volume backup ${id} ${how}${size}, ${end}`);
  return {
    service,
    id,
    name: backup.name,
    volumeId: volume.id,
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt?.toISOString() ?? null,
    usedMB,
    isReused: !isNew,
  };
}

/** Whether a project token may is not documented; it shows when it is tried. */
function notPermitted(service: string, cause: unknown): CutoverError {
  return new CutoverError({
    code: "BACKUP_NOT_PERMITTED",
    message: `The Railway token may not back up the volume of ${service}. Nothing was paused.`,
    remedy:
      "Use a workspace or account token; or make a backup of both volumes in Railway's dashboard: a run within `backups.reuseForMs` of that uses them. Where the token may not even list them, set `backups.beforeCutover: skip` with the reason after that.",
    cause,
  });
}

/** Railway's client knows neither the service nor what was done by then. */
function beforeThePause(service: string, { code, message, remedy }: CutoverError): CutoverError {
  return new CutoverError({ code, message: `${service}: ${message} Nothing was paused.`, remedy });
}

function volumeGone(service: string): CutoverError {
  return new CutoverError({
    code: "BACKUP_FAILED",
    message: `${service} has no volume any more that could be backed up. Nothing was paused.`,
    remedy: "Find out who detached it, then run again.",
  });
}
