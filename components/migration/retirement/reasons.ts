import type { FinalBackup } from "../../backup/destination.ts";
import type { TableDigest } from "../../postgres/content/content-hash.ts";
import type { FenceState } from "../../postgres/fence/fence.ts";
import { isWhole } from "../../postgres/fence/fence.ts";
import { sameMembers } from "../decide/context.ts";
import type { FenceRecord, RecordIn } from "../journal/record.ts";
import type { FinalBackupEvidence, RetirementRecord } from "./evidence.ts";
import type { RetirementFacts, StoredBackupFacts } from "./facts.ts";
import type { ServerFacts } from "./server-facts.ts";

/** What speaks against stopping the old database, before anybody has looked into it. Pure. */
export function reasonsAgainstStopping(facts: RetirementFacts, finalBackup: FinalBackup | null): string[] {
  return [
    ...commonReasons(facts),
    ...(facts.volume === null ? ["it has no volume: stopping it would lose its data"] : []),
    ...finalBackupReasons(facts.record, finalBackup),
    ...(facts.isRunning
      ? serverReasons(facts)
      : proofStands(facts)
        ? keyReasons(facts.record.retirement, finalBackup)
        : ["it does not run, so nothing can be proven: deploy it once"]),
  ];
}

/** What speaks against deleting it. Pure. */
export function reasonsAgainstRemoving(
  facts: RetirementFacts,
  removal: { readonly confirmServiceId: string; readonly finalBackup: FinalBackup | null },
  backup: StoredBackupFacts,
): string[] {
  return [
    ...commonReasons(facts),
    ...(removal.confirmServiceId === facts.serviceId
      ? []
      : [`removal.confirmServiceId is not the old service's id (${facts.serviceId})`]),
    ...(facts.environments === undefined
      ? [
          "the token sees one environment only, so nothing proves that the volume is in no other: set RAILWAY_REMOVAL_TOKEN to an account or workspace token",
        ]
      : facts.volumeElsewhere.map((environment) => `its volume also exists in ${environment}`)),
    ...evidenceReasons(facts, backup),
    ...keyReasons(facts.record.retirement, removal.finalBackup),
  ];
}

/** What speaks against it once its content is seen: everything must be as it was hashed at the fence. Pure. */
export function contentReasons(
  { fence }: Pick<RecordIn<"finished">, "fence">,
  migrationId: string,
  seen: {
    readonly fence: FenceState;
    readonly tables: readonly TableDigest[];
    readonly cronJobs: readonly string[];
  },
): string[] {
  return [
    ...(isWhole(seen.fence) && seen.fence.witness?.migrationId === migrationId
      ? []
      : ["its fence is not whole any more"]),
    ...changedTables(fence, seen.tables).map((name) => `table ${name} is not as it was hashed at the fence`),
    ...seen.cronJobs.map(cronReason),
  ];
}

/** Whether what a former run proved still holds: nothing was deployed since. Pure. */
export function proofStands({
  record,
  deployments,
}: Pick<RetirementFacts, "record" | "deployments">): boolean {
  const { retirement } = record;
  return retirement !== undefined && deploymentsSince(retirement, deployments).length === 0;
}

/** Whether the database can be copied on its server for a look: nobody is on it, and there is room. Pure. */
export function canBeCopied({ server, volume }: Pick<RetirementFacts, "server" | "volume">): boolean {
  if (server === null || volume === null) return false;
  const isAlone = server.sessions.length === 0 && server.links.length === 0;
  return isAlone && volume.freeBytes + server.scratchBytes >= neededBytes(server);
}

/** Whether a final backup was made for those keys; nobody knows of one's own. Pure. */
export function isForKeys(made: FinalBackupEvidence, configured: FinalBackup | null): boolean {
  if (made.to === "own" || configured === null || configured.to === "own") return true;
  return sameMembers(made.recipients, configured.recipients);
}

function keyReasons(retirement: RetirementRecord | undefined, configured: FinalBackup | null): string[] {
  if (retirement === undefined || isForKeys(retirement.finalBackup, configured)) return [];
  return [
    "the final backup was made for other keys than those configured now: put them back, or deploy the old database once more, pulumi refresh, then legacyPostgres: stop makes another",
  ];
}

function commonReasons(facts: RetirementFacts): string[] {
  const { record, serviceId } = facts;
  const soakEndsAt = soakEnd(facts);
  return [
    ...(facts.now.getTime() < soakEndsAt
      ? [`the soak lasts until ${new Date(soakEndsAt).toISOString()}`]
      : []),
    ...(serviceId === facts.targetId ? ["the service to retire is the new database"] : []),
    ...(serviceId === record.context.source.serviceId
      ? []
      : ["the service to retire is not the one that was migrated"]),
    ...(facts.targetId === record.context.target.serviceId
      ? []
      : ["the new database is not the one that was moved to"]),
    ...((record.retirement?.environmentId ?? facts.environmentId) === facts.environmentId
      ? []
      : [
          "the journal's evidence was made in another environment (this database was copied from there), so it proves nothing here",
        ]),
    ...facts.consumers,
  ];
}

function soakEnd({ record, soakDays }: RetirementFacts): number {
  return Date.parse(record.promotion.promotedAt) + soakDays * 24 * 60 * 60_000;
}

function serverReasons({ server, volume }: RetirementFacts): string[] {
  if (server === null) return ["its server does not answer, so nothing can be proven"];
  return [
    ...(server.isSealed ? [] : ["it is not sealed any more: somebody may have used it"]),
    ...server.sessions.map((session) => `a session of ${session} is on it`),
    ...server.links.map((link) => `${link} is on it`),
    ...server.cronJobs.map(cronReason),
    ...server.otherDatabases.map((other) => `${other} is on the same server, and in no backup`),
    ...roomReasons(server, (volume?.freeBytes ?? 0) + server.scratchBytes),
  ];
}

/** A copy of the database, or the restored backup, lies beside it for the time of the proof. */
function neededBytes({ databaseBytes, walBytes }: ServerFacts): number {
  return Math.ceil(databaseBytes * 1.2 + walBytes);
}

function roomReasons(server: ServerFacts, freeBytes: number): string[] {
  const needed = neededBytes(server);
  if (freeBytes >= needed) return [];
  return [
    `its volume has ${megabytes(freeBytes)} free, and proving a backup there needs ${megabytes(needed)}: enlarge the volume`,
  ];
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1_000_000)} MB`;
}

function finalBackupReasons({ fence }: RecordIn<"finished">, finalBackup: FinalBackup | null): string[] {
  if (finalBackup === null) return ["removal.finalBackup does not say where the final backup goes"];
  if (finalBackup.to !== "own") return [];
  if (Date.parse(finalBackup.restoredAt) >= Date.parse(fence.fencedAt)) return [];
  return [
    `the backup of your own was restored at ${finalBackup.restoredAt}, before the old database took its last write (${fence.fencedAt})`,
  ];
}

function evidenceReasons(facts: RetirementFacts, backup: StoredBackupFacts): string[] {
  const { retirement } = facts.record;
  if (retirement === undefined || retirement.stoppedAt === null) {
    return [
      "it was not stopped by legacyPostgres: stop before, so there is no final backup that was restored",
    ];
  }
  // Its own deletion is under way or done: what was deployed there is nothing any more.
  const since = deploymentsSince(retirement, facts.deployments);
  return [
    ...volumeReasons(facts, retirement),
    ...(since.length === 0 && !facts.isRunning
      ? []
      : [
          `it was deployed again since it was stopped (${since[0]?.createdAt.toISOString() ?? "it runs"}), so the evidence is older than what may have happened: ${facts.isRunning ? "" : "deploy it once more, "}pulumi refresh, then legacyPostgres: stop again`,
        ]),
    ...storedReasons(retirement, backup),
  ];
}

/** What would be deleted is the recorded volume, wherever it is attached by now. */
function volumeReasons(
  { serviceId, isThere, volume, recordedVolume }: RetirementFacts,
  { volumeBackup: { volumeId }, removalBegunAt }: RetirementRecord,
): string[] {
  const reasons: string[] = [];
  if (volume !== null && volume.id !== volumeId) {
    reasons.push("another volume is attached to it than the one that was proven and backed up");
  }
  if (recordedVolume === undefined || recordedVolume.serviceId === serviceId) return reasons;
  if (recordedVolume.serviceId !== null) {
    reasons.push(
      `its volume ${volumeId} is attached to another service now (${recordedVolume.serviceId}), which may need it`,
    );
  } else if (isThere && removalBegunAt === null) {
    // A removal that was interrupted may have left it so; before one, somebody took it off.
    reasons.push(`its volume ${volumeId} is attached to nothing now: attach it to the service again`);
  }
  return reasons;
}

function storedReasons({ finalBackup }: RetirementRecord, backup: StoredBackupFacts): string[] {
  if (finalBackup.to === "own") return [];
  const { place, bytes, version } = finalBackup;
  switch (backup.kind) {
    case "missing":
      return [`the final backup is not at ${place} any more`];
    case "unknown":
      return [`the final backup at ${place} cannot be looked at: ${backup.why}`];
    case "stored":
      return backup.object.bytes === bytes && backup.object.version === version
        ? []
        : [`what lies at ${place} is not the final backup that was restored`];
    default:
      return backup satisfies never;
  }
}

/** By the id of the newest one that was known then: two clocks decide only where Railway lists that one no longer. */
function deploymentsSince(
  { provenAt, deploymentId }: RetirementRecord,
  deployments: RetirementFacts["deployments"],
) {
  const known = deployments.findIndex(({ id }) => id === deploymentId);
  return known >= 0
    ? deployments.slice(0, known)
    : deployments.filter(({ createdAt }) => createdAt.getTime() > Date.parse(provenAt));
}

/** By name: changed, gone, or come since. */
function changedTables(fence: FenceRecord, tables: readonly TableDigest[]): string[] {
  const before = new Map(
    fence.tables.map(({ schema, name, source }) => [`${schema}.${name}`, `${source.rows} ${source.hash}`]),
  );
  const after = new Map(
    tables.map(({ schema, name, rows, hash }) => [`${schema}.${name}`, `${rows} ${hash}`]),
  );
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((name) => before.get(name) !== after.get(name))
    .toSorted();
}

function cronReason(job: string): string {
  return `cron job ${job} runs on it`;
}
