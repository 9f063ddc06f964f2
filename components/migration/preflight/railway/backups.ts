import { hasCode } from "../../../errors.ts";
import type { Railway, RailwayService, RailwayVolume, VolumeBackup } from "../../../railway/railway.ts";
import type { Finding } from "../../finding.ts";
import type { MigrationInputs } from "../../inputs.ts";
import { formatBytes } from "../../plan/format.ts";
import { countsBeforeCutover } from "../../prepare/back-up-first.ts";
import { newest } from "../../prepare/volume-backup.ts";
import { findingsOf } from "../definitions.ts";
import { problem } from "../problems.ts";

export const backupDefinitions = {
  BACKUP_VOLUME_MISSING: {
    severity: "blocker",
    acceptable: false,
    remedy:
      "Attach a volume; or make a backup of your own and set `backups.beforeCutover: skip` with the reason.",
  },
  BACKUP_VOLUME_TOO_FULL: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Grow the volume on Railway (paid plans do it without a restart), or accept this if Railway's support has raised the limit for it.",
  },
  BACKUP_NOT_PERMITTED: {
    severity: "blocker",
    acceptable: false,
    remedy:
      "Use a workspace or account token; or make the backups in Railway's dashboard and set `backups.beforeCutover: skip` with the reason.",
  },
  BACKUPS_SKIPPED: {
    severity: "warning",
    acceptable: false,
    remedy: "Take `backups.beforeCutover: skip` out of the configuration, unless there is another way back.",
  },
} as const;

const found = findingsOf(backupDefinitions);

/** One database's volume, as a backup would find it. */
export interface BackupFacts {
  readonly service: string;
  readonly volume: RailwayVolume;
  /** The newest that would be used instead of a new one, as of now. */
  readonly usable: VolumeBackup | undefined;
}

/** Railway's limit for manual backups, as a part of the volume's size (docs.railway.com, Volumes, Backups: "Volume backup limits"). */
const largestPart = 0.5;

/** Whether both volumes can be backed up, as far as that can be told without doing it. Reads only. */
export async function checkBackups(
  railway: Railway,
  { backups }: Pick<MigrationInputs, "backups">,
  services: { readonly source: RailwayService | undefined; readonly target: RailwayService | undefined },
  findings: Finding[],
): Promise<readonly BackupFacts[]> {
  if (backups.beforeCutover === "skip") {
    const why = "Neither database's volume is backed up on Railway before the cutover.";
    findings.push({ ...found("BACKUPS_SKIPPED", "backups", why), acceptedBecause: backups.reason ?? "" });
    return [];
  }
  const facts = await Promise.all(
    (["source", "target"] as const).map(async (side) => {
      const service = services[side];
      if (service === undefined) return [];
      const { volume } = service;
      if (volume === null) {
        findings.push(
          found("BACKUP_VOLUME_MISSING", side, "The service has no volume that could be backed up."),
        );
        return [];
      }
      const usable = await findUsable(railway, backups, side, volume, findings);
      if (usable === undefined && volume.currentSizeMB > volume.sizeMB * largestPart) {
        findings.push(found("BACKUP_VOLUME_TOO_FULL", side, describeFull(volume)));
      }
      return [{ service: service.name, volume, usable }];
    }),
  );
  return facts.flat();
}

async function findUsable(
  railway: Railway,
  backups: MigrationInputs["backups"],
  side: string,
  { instanceId }: RailwayVolume,
  findings: Finding[],
): Promise<VolumeBackup | undefined> {
  try {
    const listed = await railway.listVolumeBackups(instanceId);
    return newest(listed.filter((one) => countsBeforeCutover(one, backups, new Date())));
  } catch (error) {
    const refused = hasCode(error, "RAILWAY_NOT_AUTHORIZED");
    findings.push(
      refused
        ? found("BACKUP_NOT_PERMITTED", side, "Railway does not show the volume's backups to this token.")
        : problem(`${side} backups`, error),
    );
    return undefined;
  }
}

function describeFull({ currentSizeMB, sizeMB }: RailwayVolume): string {
  const [used, whole] = [currentSizeMB, sizeMB].map((megabytes) => formatBytes(megabytes * 1_000_000));
  return `Its volume holds ${used} of ${whole}: Railway makes manual backups of at most half of a volume's size.`;
}
