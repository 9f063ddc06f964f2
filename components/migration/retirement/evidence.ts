import { z } from "zod";

const restoredSchema = z.object({
  /** The object's place, free of secrets. */
  place: z.string(),
  bytes: z.int(),
  /** Of the encrypted object, as it was written and read back. */
  sha256: z.string(),
  /** The place's own mark for this content, such as an ETag; `null` where it has none. */
  version: z.string().nullable(),
  /** Whose public keys it was encrypted for, sorted. */
  recipients: z.array(z.string()),
  /** When it had been restored and was found to hold what was dumped. */
  restoredAt: z.iso.datetime(),
  /** Of the PostgreSQL programs that made and restored it. */
  clientVersion: z.string(),
  /** Under which it was restored, as an SQL list of names. */
  searchPath: z.string(),
});

/** The copy of the old database that outlives its volume. */
export const finalBackupEvidenceSchema = z.discriminatedUnion("to", [
  restoredSchema.extend({ to: z.enum(["path", "s3"]) }),
  z.object({ to: z.literal("own"), place: z.string(), restoredAt: z.iso.datetime({ offset: true }) }),
]);

export type FinalBackupEvidence = z.infer<typeof finalBackupEvidenceSchema>;
export type RestoredBackup = Extract<FinalBackupEvidence, { to: "path" | "s3" }>;

/** What became of the old database after the migration, as the journal keeps it. */
export const retirementRecordSchema = z.object({
  /** When everything below had been proven, with the old database still running. */
  provenAt: z.iso.datetime(),
  /** The newest deployment at that time: a newer one may have written. */
  deploymentId: z.string().nullable(),
  /** Where it was proven: a database that is restored into another environment brings its journal along. */
  environmentId: z.string(),
  /** Tables found as they were hashed at the fence. */
  tables: z.int(),
  /** The environments whose variables were searched for the old database. */
  environments: z.array(z.string()),
  volumeBackup: z.object({ id: z.string(), volumeId: z.string() }),
  finalBackup: finalBackupEvidenceSchema,
  /** When its deployment was seen to be taken down. */
  stoppedAt: z.iso.datetime().nullable(),
  /** Noted before anything is deleted: from then on nothing may be where it was. */
  removalBegunAt: z.iso.datetime().nullable(),
  removedAt: z.iso.datetime().nullable(),
});

export type RetirementRecord = z.infer<typeof retirementRecordSchema>;

/** The record in sentences, for the stack's outputs. The same for the same record. */
export function evidenceSentences(record: RetirementRecord, source: string): string[] {
  const { provenAt, volumeBackup, stoppedAt, removedAt } = record;
  return [
    `${provenAt} no variable in ${record.environments.join(", ")} names ${source}; no session, replication slot, subscription or cron job on it`,
    `${provenAt} sealed, fenced, and ${record.tables} tables equal to what was hashed at the fence`,
    `${provenAt} volume backup ${volumeBackup.id} made and listed by Railway; it goes with its volume`,
    finalBackupSentence(record.finalBackup),
    ...(stoppedAt === null ? [] : [`${stoppedAt} deployment stopped, volume ${volumeBackup.volumeId} kept`]),
    ...(removedAt === null ? [] : [`${removedAt} volume ${volumeBackup.volumeId} and service deleted`]),
  ];
}

function finalBackupSentence(backup: FinalBackupEvidence): string {
  return backup.to === "own"
    ? `${backup.restoredAt} final backup restored, as stated by the operator: ${backup.place}`
    : `${backup.restoredAt} final backup ${backup.place} (${backup.bytes} bytes, SHA-256 ${backup.sha256}) read back, restored under search_path ${backup.searchPath}, and equal to what was dumped`;
}
