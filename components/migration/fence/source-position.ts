import type pg from "pg";
import { z } from "zod";
import { CutoverError } from "../../errors.ts";

/** Where in its own history a server stands. */
export const sourcePositionSchema = z.object({
  systemIdentifier: z.string(),
  /** Raised by every promotion of a standby and every recovery to a point in time. */
  timeline: z.int(),
  /** Position in the write-ahead log, in bytes as decimal text: 64 bits. */
  walPosition: z.string(),
});

export type SourcePosition = z.infer<typeof sourcePositionSchema>;

/**
 * Reads it from any database of the server. The timeline is that of the log now, the first eight digits of its file's name: the
 * control file (`pg_control_checkpoint`) tells an older one until the first checkpoint after a standby's promotion has ended.
 */
export async function readSourcePosition(session: pg.Client): Promise<SourcePosition> {
  const { rows } = await session.query(
    `select system_identifier::text as "systemIdentifier",
            ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int as timeline,
            (pg_current_wal_insert_lsn() - '0/0')::text as "walPosition"
       from pg_control_system()`,
  );
  return sourcePositionSchema.parse(rows[0]);
}

/** Whether a server stands before a position, or in another history. Pure. */
export function isBehind(now: SourcePosition, fenced: SourcePosition): boolean {
  const same = now.systemIdentifier === fenced.systemIdentifier && now.timeline === fenced.timeline;
  return !same || BigInt(now.walPosition) < BigInt(fenced.walPosition);
}

/**
 * A source that was restored from a backup, or replaced by a standby, since it was fenced may lack writes that it had
 * acknowledged. The copy has them, perhaps as the only one: nothing is opened or dropped then.
 *
 * @param fenced where it stood when its fence was closed; `undefined` for a migration that did not note it
 * @throws CutoverError `SOURCE_BEHIND_COPY`
 */
export async function assertNotBehind(session: pg.Client, fenced: SourcePosition | undefined): Promise<void> {
  if (fenced === undefined) return;
  if (!isBehind(await readSourcePosition(session), fenced)) return;
  throw new CutoverError({
    code: "SOURCE_BEHIND_COPY",
    message:
      "The source is not the server that was fenced, or was restored to an earlier point since: the copy on the target may hold acknowledged writes that the source lacks. Nothing was opened, dropped or switched.",
    remedy:
      "Keep both databases as they are. Find out what the source lacks, and bring it back by hand from the copy, before anything else.",
  });
}
