import type pg from "pg";
import { z } from "zod";
import { CutoverError } from "../../errors.ts";
import type { RunNote } from "../evidence/run-note.ts";
import { journalTable } from "./journal-table.ts";
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
  if (!(await hasJournal(target))) return undefined;
  const { rows } = await target.query(
    `select ${entryColumns}
       from pgvector_cutover.migration order by (state <> 'aborted') desc, started_at desc limit 1`,
  );
  return rows.length === 0 ? undefined : parseEntry(rows[0]);
}

/**
 * One migration by its id, whatever became of it; `undefined` where the journal has none of that id. Reads only.
 *
 * @throws CutoverError `JOURNAL_UNREADABLE`
 */
export async function readMigration(target: pg.Client, id: string): Promise<JournalEntry | undefined> {
  if (!(await hasJournal(target))) return undefined;
  const { rows } = await target.query(
    `select ${entryColumns} from pgvector_cutover.migration where id = $1`,
    [id],
  );
  return rows.length === 0 ? undefined : parseEntry(rows[0]);
}

/** Ids and states of all migrations that the journal knows, newest first. Reads only. */
export async function listMigrations(target: pg.Client): Promise<{ id: string; state: string }[]> {
  if (!(await hasJournal(target))) return [];
  const { rows } = await target.query(
    "select id, state from pgvector_cutover.migration order by started_at desc, id",
  );
  return rows;
}

async function hasJournal(target: pg.Client): Promise<boolean> {
  const { rows } = await target.query("select to_regclass($1) is not null as present", [
    `${cutoverSchema}.migration`,
  ]);
  return rows[0].present;
}

/** What `parseEntry` reads. */
const entryColumns = `id, epoch::int as epoch, record,
  to_char(updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as updated_at`;

/** Creates the journal and the row that opens the target's fence, closed. Safe to repeat. */
export async function ensureJournal(target: pg.Client): Promise<void> {
  await target.query(`${journalTable("migration", ["aborted"])}
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
    `with begun as (
       insert into pgvector_cutover.migration (id, epoch, state, record) values ($1, 1, $2, $3) returning id, epoch, state)
     insert into pgvector_cutover.event (migration_id, epoch, state, text) select id, epoch, state, 'begun' from begun`,
    [id, record.state, JSON.stringify(record)],
  );
  return { id, epoch: 1 };
}

/**
 * Makes this run the owner of an unfinished migration by raising its epoch: whoever held it before can change nothing
 * any more. Called only under the exclusion locks. Returns the migration as it is from then on.
 *
 * @param note of the run that takes over, added to those before
 * @throws CutoverError `JOURNAL_LOST`
 */
export async function takeOver(
  target: pg.Client,
  entry: JournalEntry,
  note?: Omit<RunNote, "epoch">,
): Promise<JournalEntry> {
  const former = entry.record.context.runs?.at(-1);
  const run = note === undefined ? [] : [{ ...withoutRepetition(note, former), epoch: entry.epoch + 1 }];
  const { rows } = await target.query(
    `with taken as (
       update pgvector_cutover.migration set epoch = epoch + 1, updated_at = now(),
              record = case $4::jsonb when '[]' then record
                       else jsonb_set(record, '{context,runs}', coalesce(record #> '{context,runs}', '[]') || $4::jsonb) end
        where id = $1 and epoch = $2 and state = $3 returning *),
     noted as (
       insert into pgvector_cutover.event (migration_id, epoch, state, text)
       select id, epoch, state, 'taken over' from taken)
     select ${entryColumns} from taken`,
    [entry.id, entry.epoch, entry.record.state, JSON.stringify(run)],
  );
  if (rows.length !== 1) throw journalLost(entry, entry.record.state);
  return parseEntry(rows[0]);
}

/** Settings are noted again only where they are others than those of the run before. */
function withoutRepetition<Note extends Pick<RunNote, "configuration">>(
  note: Note,
  former: RunNote | undefined,
): Note {
  const { sha256 } = note.configuration;
  if (former?.configuration.sha256 !== sha256) return note;
  return { ...note, configuration: { sha256, settings: null } };
}

/**
 * Replaces the record if this run still owns the migration and it is still in state `from`: a compare-and-set.
 *
 * @param options.opensFence lets everybody pass the target's fence, in the same transaction
 * @throws CutoverError `JOURNAL_LOST` when another run took over or the state moved on; the caller must stop.
 */
export async function transition(
  target: pg.Client,
  owner: JournalOwner,
  from: MigrationState,
  record: MigrationRecord,
  text: string,
  { opensFence = false } = {},
): Promise<void> {
  const opened = `,
     opened as (update pgvector_cutover.fence set open = true where exists (select from moved))`;
  const { rowCount } = await target.query(
    `with moved as (
       update pgvector_cutover.migration set state = $4, record = $5, updated_at = now()
        where id = $1 and epoch = $2 and state = $3 returning id, epoch, state)${opensFence ? opened : ""}
     insert into pgvector_cutover.event (migration_id, epoch, state, text) select id, epoch, state, $6 from moved`,
    [owner.id, owner.epoch, from, record.state, JSON.stringify(migrationRecordSchema.parse(record)), text],
  );
  if (rowCount !== 1) throw journalLost(owner, from);
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
    `with noted as (
       update pgvector_cutover.migration set record = record || $3, updated_at = now()
        where id = $1 and epoch = $2 and state = 'finished' returning id, epoch, state)
     insert into pgvector_cutover.event (migration_id, epoch, state, text) select id, epoch, state, $4 from noted`,
    [owner.id, owner.epoch, JSON.stringify(afterwardsSchema.parse(fields)), text],
  );
  if (rowCount !== 1) throw journalLost(owner, "finished");
}

/** One line of a migration's history, by the target server's clock. `epoch` names the run that wrote it. */
export interface JournalEvent {
  readonly at: string;
  readonly epoch: number;
  readonly state: string;
  readonly text: string;
}

/** The dated history of one migration, oldest first. */
export async function readEvents(target: pg.Client, id: string): Promise<JournalEvent[]> {
  const { rows } = await target.query(
    `select to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at, epoch::int as epoch, state, text
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
