import type pg from "pg";
import { z } from "zod";
import { CutoverError } from "../../errors.ts";
import { journalTable } from "../journal/journal-table.ts";
import { type RotationRecord, rotationRecordSchema } from "./record.ts";

/** One rotation as the journal holds it. `epoch` names the run that owns it: each takeover raises it. */
export interface RotationEntry {
  readonly id: string;
  readonly epoch: number;
  readonly updatedAt: string;
  readonly record: RotationRecord;
}

/**
 * The newest rotation in the target's journal, or `undefined` where there was none. Reads only.
 *
 * @throws CutoverError `JOURNAL_UNREADABLE`
 */
export async function readRotation(target: pg.Client): Promise<RotationEntry | undefined> {
  const { rows: present } = await target.query(
    "select to_regclass('pgvector_cutover.rotation') is not null as present",
  );
  if (!present[0].present) return undefined;
  const { rows } = await target.query(
    `select id, epoch::int as epoch, record,
            to_char(updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as "updatedAt"
       from pgvector_cutover.rotation order by started_at desc limit 1`,
  );
  return rows.length === 0 ? undefined : parseEntry(rows[0]);
}

/** Writes the first row of a rotation, or the same one anew. The unique index refuses a second unfinished one. */
export async function beginRotation(target: pg.Client, id: string, record: RotationRecord): Promise<void> {
  await target.query(journalTable("rotation", ["finished", "put-back"]));
  await target.query(
    `insert into pgvector_cutover.rotation (id, epoch, state, record) values ($1, 1, $2, $3)
     on conflict (id) do update
       set epoch = rotation.epoch + 1, state = excluded.state, record = excluded.record, updated_at = now()`,
    [id, record.state, JSON.stringify(rotationRecordSchema.parse(record))],
  );
}

/**
 * Makes this run the owner by raising the epoch. Only under the exclusion lock.
 *
 * @throws CutoverError `JOURNAL_LOST`
 */
export async function takeOverRotation(target: pg.Client, entry: RotationEntry): Promise<RotationEntry> {
  const { rowCount } = await target.query(
    "update pgvector_cutover.rotation set epoch = epoch + 1, updated_at = now() where id = $1 and epoch = $2",
    [entry.id, entry.epoch],
  );
  if (rowCount !== 1) throw journalLost(entry.id);
  return { ...entry, epoch: entry.epoch + 1 };
}

/**
 * Replaces the record, if this run still owns the rotation.
 *
 * @throws CutoverError `JOURNAL_LOST`
 */
export async function saveRotation(target: pg.Client, { id, epoch, record }: RotationEntry): Promise<void> {
  const { rowCount } = await target.query(
    "update pgvector_cutover.rotation set state = $3, record = $4, updated_at = now() where id = $1 and epoch = $2",
    [id, epoch, record.state, JSON.stringify(rotationRecordSchema.parse(record))],
  );
  if (rowCount !== 1) throw journalLost(id);
}

const rowSchema = z.object({
  id: z.string(),
  epoch: z.int(),
  updatedAt: z.string(),
  record: rotationRecordSchema,
});

function parseEntry(row: unknown): RotationEntry {
  const parsed = rowSchema.safeParse(row);
  if (parsed.success) return parsed.data;
  throw new CutoverError({
    code: "JOURNAL_UNREADABLE",
    message: "The table pgvector_cutover.rotation does not read as this version writes it.",
    remedy: "Use the version of this program that began the rotation. Nothing was changed.",
    cause: parsed.error,
  });
}

function journalLost(id: string): CutoverError {
  return new CutoverError({
    code: "JOURNAL_LOST",
    message: `The rotation ${id} is no longer this run's: another run took it over.`,
    remedy: "Let the other run finish, then look with `npm run rotate-password`, without --yes.",
  });
}
