import { z } from "zod";

/** One of Railway's volume backups, as the journal remembers it. Without secrets. */
export const backupRecordSchema = z.object({
  /** Name of the Railway service whose volume it is of. */
  service: z.string(),
  id: z.string(),
  name: z.string().nullable(),
  volumeId: z.string(),
  createdAt: z.iso.datetime(),
  /** When Railway deletes it by itself; `null`: never. */
  expiresAt: z.iso.datetime().nullable(),
  /** What it took beside the volume, as Railway said right afterwards; `null` where it did not say. */
  usedMB: z.number().nullable(),
  /** Whether an earlier run, or somebody by hand, had made it. */
  isReused: z.boolean(),
});

/** What was backed up before anything was paused, or why nothing was. */
export const backupsRecordSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("made"), volumes: z.array(backupRecordSchema) }),
  z.object({ kind: z.literal("skipped"), reason: z.string() }),
]);

export type BackupRecord = z.infer<typeof backupRecordSchema>;
export type BackupsRecord = z.infer<typeof backupsRecordSchema>;
