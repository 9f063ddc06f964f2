import type pg from "pg";
import { z } from "zod";
import { CutoverError } from "../errors.ts";
import {
  afterwardsSchema,
  type MigrationRecord,
  type MigrationState,
  migrationRecordSchema,
} from "./record.ts";

/** The schema of ours on the target (journal and fence) and, while it is fenced, on the source (witness and fence). */
export const cutoverSchema = "pgvector_cutover";

/** One migration as the journal holds it. `epoch` names the run that owns it: each takeover raises it. */
export interface JournalEntry {
  readonly id: string;
  readonly epoch: number;
  readonly updatedAt: string;
  readonly record: MigrationRecord;
}

/** Who may write to the journal: the id and epoch a run holds. A stale epoch changes nothing. */
export interface JournalOwner {
  readonly id: string;
  readonly epoch: number;
}

/**
 * The newest migration in the target's journal, or `undefined` where there is none. Reads only.
 *
 * @throws CutoverError `JOURNAL_UNREADABLE` when a row does not parse: a newer version of this program wrote it.
 */
export async function readJournal(target: pg.Client): Promise<JournalEntry | undefined> {
  const exists = await target.query("select to_regclass($1) is not null as present", [
    `${cutoverSchema}.migration`,
  ]);
  if (!exists.rows[0].present) return undefined;
  const { rows } = await target.query(
    `select id, epoch::int as epoch, to_char(updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as updated_at, record
       from pgvector_cutover.migration order by (state <> 'aborted') desc, started_at desc limit 1`,
  );
  return rows.length === 0 ? undefined : parseEntry(rows[0]);
}

/** Creates the journal and the row that opens the target's fence, closed. Safe to repeat. */
export async function ensureJournal(target: pg.Client): Promise<void> {
  await target.query(`
    create schema if not exists pgvector_cutover;
    revoke all on schema pgvector_cutover from public;
    create table if not exists pgvector_cutover.migration (
      id text primary key,
      epoch bigint not null,
      state text not null,
      record jsonb not null,
      started_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    );
    create unique index if not exists migration_live on pgvector_cutover.migration ((true)) where state <> 'aborted';
    create table if not exists pgvector_cutover.event (
      number bigint generated always as identity primary key,
      migration_id text not null,
      epoch bigint not null,
      state text not null,
      at timestamptz not null default clock_timestamp(),
      text text not null
    );
    create table if not exists pgvector_cutover.fence (
      only_row boolean primary key default true check (only_row),
      open boolean not null,
      loader_hash bytea,
      loader_role name
    );
    insert into pgvector_cutover.fence (open) values (false) on conflict do nothing;
    do $$ begin
      if not exists (select from pg_attribute
                      where attrelid = 'pgvector_cutover.fence'::regclass and attname = 'loader_role') then
        alter table pgvector_cutover.fence add column loader_role name;
      end if;
    end $$;
    comment on schema pgvector_cutover is 'Journal of the move of the application schemas into this database.';
  `);
}

/** Writes the first row of a migration: the intent to load. The unique index refuses a second live one. */
export async function beginMigration(
  target: pg.Client,
  id: string,
  record: MigrationRecord,
): Promise<JournalOwner> {
  await target.query(
    "insert into pgvector_cutover.migration (id, epoch, state, record) values ($1, 1, $2, $3)",
    [id, record.state, JSON.stringify(record)],
  );
  const owner = { id, epoch: 1 };
  await addEvent(target, owner, record.state, "begun");
  return owner;
}

/**
 * Makes this run the owner of an unfinished migration by raising its epoch: whoever held it before can change nothing
 * any more. Called only under the exclusion locks.
 *
 * @throws CutoverError `JOURNAL_LOST`
 */
export async function takeOver(target: pg.Client, entry: JournalEntry): Promise<JournalOwner> {
  const { rowCount } = await target.query(
    "update pgvector_cutover.migration set epoch = epoch + 1, updated_at = now() where id = $1 and epoch = $2 and state = $3",
    [entry.id, entry.epoch, entry.record.state],
  );
  if (rowCount !== 1) throw journalLost(entry, entry.record.state);
  const owner = { id: entry.id, epoch: entry.epoch + 1 };
  await addEvent(target, owner, entry.record.state, "taken over");
  return owner;
}

/**
 * Replaces the record if this run still owns the migration and it is still in state `from`: a compare-and-set.
 *
 * @throws CutoverError `JOURNAL_LOST` when another run took over or the state moved on; the caller must stop.
 */
export async function transition(
  target: pg.Client,
  owner: JournalOwner,
  from: MigrationState,
  record: MigrationRecord,
  text: string,
): Promise<void> {
  const { rowCount } = await target.query(
    `update pgvector_cutover.migration set state = $4, record = $5, updated_at = now()
      where id = $1 and epoch = $2 and state = $3`,
    [owner.id, owner.epoch, from, record.state, JSON.stringify(migrationRecordSchema.parse(record))],
  );
  if (rowCount !== 1) throw journalLost(owner, from);
  await addEvent(target, owner, record.state, text);
}

/**
 * Notes something of a finished migration. Only the given fields are written: what another run noted meanwhile stays.
 *
 * @throws CutoverError `JOURNAL_LOST`
 */
export async function noteAfterwards(
  target: pg.Client,
  owner: JournalOwner,
  fields: z.infer<typeof afterwardsSchema>,
  text: string,
): Promise<void> {
  const { rowCount } = await target.query(
    `update pgvector_cutover.migration set record = record || $3, updated_at = now()
      where id = $1 and epoch = $2 and state = 'finished'`,
    [owner.id, owner.epoch, JSON.stringify(afterwardsSchema.parse(fields))],
  );
  if (rowCount !== 1) throw journalLost(owner, "finished");
  await addEvent(target, owner, "finished", text);
}

/** The dated history of one migration, oldest first. */
export async function readEvents(
  target: pg.Client,
  id: string,
): Promise<{ at: string; state: string; text: string }[]> {
  const { rows } = await target.query(
    `select to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at, state, text
       from pgvector_cutover.event where migration_id = $1 order by number`,
    [id],
  );
  return rows;
}

/** Adds a line to a migration's history. */
export async function addEvent(
  target: pg.Client,
  owner: JournalOwner,
  state: string,
  text: string,
): Promise<void> {
  await target.query(
    "insert into pgvector_cutover.event (migration_id, epoch, state, text) values ($1, $2, $3, $4)",
    [owner.id, owner.epoch, state, text],
  );
}

const rowSchema = z.object({
  id: z.string(),
  epoch: z.int(),
  updated_at: z.string(),
  record: migrationRecordSchema,
});

function parseEntry(row: unknown): JournalEntry {
  const parsed = rowSchema.safeParse(row);
  if (!parsed.success) {
    throw new CutoverError({
      code: "JOURNAL_UNREADABLE",
      message: "The journal in the target's schema pgvector_cutover does not read as this version writes it.",
      remedy: "Use the version of this program that began the migration. Nothing was changed.",
      cause: parsed.error,
    });
  }
  const { id, epoch, updated_at: updatedAt, record } = parsed.data;
  return { id, epoch, updatedAt, record };
}

function journalLost(owner: JournalOwner, expected: MigrationState): CutoverError {
  return new CutoverError({
    code: "JOURNAL_LOST",
    message: `Migration ${owner.id} is no longer this run's in state ${expected}: another run took it over.`,
    remedy: "Let the other run finish; `npm run status` shows what it does.",
  });
}
