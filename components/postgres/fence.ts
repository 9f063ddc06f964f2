import type pg from "pg";
import { CutoverError } from "../errors.ts";
import { quoteIdentifier, quoteLiteral, quoteQualified } from "./identifiers.ts";

/** A relation that carries the fence: a table or a partition. */
export interface FencedTable {
  readonly schema: string;
  readonly name: string;
}

export const fenceTriggerName = "pgvector_cutover_fence";

/**
 * Closes the source's fence inside the caller's transaction, which holds SHARE ROW EXCLUSIVE locks on every table, so
 * that one COMMIT releases the locks and refuses the writers that waited (fencing.md: tried with simple and prepared
 * statements, READ WRITE transactions and session_replication_role = replica). The function reads no row: a fence
 * that looks at one would be open to transactions with an older snapshot.
 *
 * @param options.yieldAfterMs the fence lets writers pass again by itself after so long, and remembers that it did: a
 *   run that died must not keep them out for ever. `null`: it never does. See {@link perpetuateSourceFence}.
 */
export async function closeSourceFence(
  source: pg.Client,
  options: {
    tables: readonly FencedTable[];
    schemas: readonly string[];
    migrationId: string;
    epoch: number;
    yieldAfterMs: number | null;
  },
): Promise<void> {
  await source.query(`
    create schema if not exists pgvector_cutover;
    create sequence pgvector_cutover.passed;
    create table pgvector_cutover.witness (
      migration_id text primary key, epoch bigint not null, fenced_at timestamptz not null default clock_timestamp(),
      yields_at timestamptz not null);
  `);
  const { rows } = await source.query(
    `insert into pgvector_cutover.witness (migration_id, epoch, yields_at)
     values ($1, $2, coalesce(clock_timestamp() + $3::float8 * interval '1 millisecond', 'infinity'))
     returning yields_at::text as "yieldsAt"`,
    [options.migrationId, options.epoch, options.yieldAfterMs],
  );
  await source.query(fenceFunctions(options.schemas, yieldsAt(rows[0].yieldsAt)));
  await source.query(fenceTriggers(options.tables));
  await source.query(eventTriggers);
}

/**
 * Makes the source's fence last, from inside a sealed database that nobody else has a session on: it will be looked
 * into again after the promotion. Only when nobody was let pass until now is the copy still whole.
 *
 * @returns whether a writer was let pass before
 */
export async function perpetuateSourceFence(source: pg.Client, schemas: readonly string[]): Promise<boolean> {
  await inTransaction(source, async () => {
    await source.query(fenceFunctions(schemas, "false"));
    await source.query("update pgvector_cutover.witness set yields_at = 'infinity'");
  });
  const { rows } = await source.query("select is_called as passed from pgvector_cutover.passed");
  return rows[0].passed;
}

/**
 * Not transactional, therefore seen whatever becomes of the write: that is what proves afterwards that nobody passed.
 * The server's clock decides when, which may be set; it does not decide whether.
 */
function yieldsAt(time: string): string {
  return `(case when clock_timestamp() >= ${quoteLiteral(time)}::timestamptz
                then nextval('pgvector_cutover.passed') > 0 else false end)`;
}

/**
 * Closes the target's fence. Its functions read the row that promotion sets: opening by a row reaches every session at
 * once and together with the journal, and an older snapshot errs on the closed side. Safe to repeat.
 *
 * @param options.loaderToken lets those pass that set it in their session (`loaderSetting`), until the fence is closed
 *   again without one: while the copy is made, nobody but the loader writes to it
 */
export async function closeTargetFence(
  target: pg.Client,
  options: { tables: readonly FencedTable[]; schemas: readonly string[]; loaderToken?: string },
): Promise<void> {
  await inTransaction(target, async () => {
    await target.query(
      "update pgvector_cutover.fence set open = false, loader_hash = sha256(convert_to($1::text, 'UTF8'))",
      [options.loaderToken ?? null],
    );
    await dropEventTriggers(target);
    await target.query(
      fenceFunctions(
        options.schemas,
        `exists (select from pgvector_cutover.fence
                  where open or loader_hash = sha256(convert_to(current_setting('${loaderSetting}', true), 'UTF8')))`,
      ),
    );
    await target.query(fenceTriggers(options.tables));
    await target.query(eventTriggers);
  });
}

/** The session setting in which the loader shows its token. */
export const loaderSetting = "pgvector_cutover.loader";

/**
 * Lets writers in again on the source at once: the functions become harmless, which needs no lock on any table, and
 * the witness goes, in one commit. What is left of the fence is taken down by `removeFence`. Safe to repeat.
 */
export async function openSourceFence(source: pg.Client, migrationId: string): Promise<void> {
  const { rows } = await source.query("select to_regnamespace('pgvector_cutover') is not null as present");
  if (!rows[0].present) return;
  await inTransaction(source, async () => {
    const witness = await readWitness(source);
    if (witness !== null && witness.migrationId !== migrationId) throw fencedByAnother(witness.migrationId);
    await dropEventTriggers(source);
    await source.query(`
      ${fenceFunctions([], "true")}
      drop table if exists pgvector_cutover.witness;
      drop sequence if exists pgvector_cutover.passed;`);
  });
}

function fencedByAnother(migrationId: string): CutoverError {
  return new CutoverError({
    code: "JOURNAL_LOST",
    message: `The source is fenced by another migration (${migrationId}); it was not opened.`,
    remedy: "Let the other run finish; `npm run status` shows what it does.",
  });
}

/**
 * Takes an opened fence down, table by table with a short lock timeout each, so that applications never queue behind
 * it for long. Returns the tables whose lock could not be had; their triggers let everything pass.
 */
export async function removeFence(client: pg.Client): Promise<FencedTable[]> {
  await dropEventTriggers(client);
  const busy: FencedTable[] = [];
  for (const table of await fencedTables(client)) {
    try {
      await inTransaction(client, async () => {
        await client.query("set local lock_timeout = '500ms'");
        await client.query(
          `drop trigger if exists ${quoteIdentifier(fenceTriggerName)} on ${quoteQualified(table.schema, table.name)}`,
        );
      });
    } catch {
      busy.push(table);
    }
  }
  if (busy.length === 0) {
    await client.query(`
      drop function if exists pgvector_cutover.refuse_write();
      drop function if exists pgvector_cutover.refuse_ddl();
    `);
  }
  return busy;
}

/** Removes our schema from the source, once its fence is down. */
export async function dropSourceSchema(source: pg.Client): Promise<void> {
  await source.query("drop schema if exists pgvector_cutover");
}

export interface FenceState {
  /** Tables in the moved schemas without an ENABLE ALWAYS fence trigger. Empty when the fence stands. */
  readonly unfenced: readonly FencedTable[];
  readonly eventTriggers: boolean;
  /** The witness on the source, `null` where there is none (and always on the target). */
  readonly witness: Witness | null;
}

/** What the commit that closes the source's fence leaves there. */
export interface Witness {
  readonly migrationId: string;
  readonly epoch: number;
  /** The fence's time is over and it lets writers pass, or it has let one pass: the copy may lack something. */
  readonly yielded: boolean;
  /** When it lets writers pass by itself; `null` for never. */
  readonly yieldsAt: string | null;
}

/** Whether nothing can have been written behind it: all triggers stand, and it has let nobody pass. */
export function isWhole({ unfenced, eventTriggers, witness }: FenceState): boolean {
  return unfenced.length === 0 && eventTriggers && witness?.yielded !== true;
}

/** What stands of the fence. Reads only. */
export async function readFence(client: pg.Client, schemas: readonly string[]): Promise<FenceState> {
  const unfenced = await client.query(
    `select n.nspname as schema, c.relname as name
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = any($1) and c.relkind in ('r', 'p')
        and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
        and not exists (select from pg_trigger t where t.tgrelid = c.oid and t.tgname = $2 and t.tgenabled = 'A')
      order by 1, 2`,
    [schemas, fenceTriggerName],
  );
  const events = await client.query(
    "select count(*)::int as count from pg_event_trigger where evtname = any($1) and evtenabled = 'A'",
    [eventTriggerNames],
  );
  return {
    unfenced: unfenced.rows,
    eventTriggers: events.rows[0].count === eventTriggerNames.length,
    witness: await readWitness(client),
  };
}

/** The migration that fenced this source, `null` where none did. Reads only. */
export async function readWitness(source: pg.Client): Promise<FenceState["witness"]> {
  const present = await source.query("select to_regclass('pgvector_cutover.witness') is not null as present");
  if (!present.rows[0].present) return null;
  const { rows } = await source.query(
    `select migration_id as "migrationId", epoch::int as epoch,
            yields_at <= clock_timestamp() or (select is_called from pgvector_cutover.passed) as yielded,
            case when yields_at <> 'infinity'
                 then to_char(yields_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') end as "yieldsAt"
       from pgvector_cutover.witness`,
  );
  return rows[0] ?? null;
}

/** Whether the row that promotion sets lets everybody pass the target's fence; `false` where there is none. Reads only. */
export async function isTargetFenceOpen(target: pg.Client): Promise<boolean> {
  const present = await target.query("select to_regclass('pgvector_cutover.fence') is not null as present");
  if (!present.rows[0].present) return false;
  const { rows } = await target.query("select open from pgvector_cutover.fence");
  return rows[0]?.open === true;
}

/** Whether new sessions may be opened on the database. Asked from another database of the same server. */
export async function isSealed(maintenance: pg.Client, database: string): Promise<boolean> {
  const { rows } = await maintenance.query("select datallowconn from pg_database where datname = $1", [
    database,
  ]);
  return rows[0]?.datallowconn === false;
}

/** Refuses every new session on the database, superusers included (55000), or allows them again. Transactional. */
export async function setSeal(maintenance: pg.Client, database: string, sealed: boolean): Promise<void> {
  await maintenance.query(
    `alter database ${quoteIdentifier(database)} with allow_connections ${sealed ? "false" : "true"}`,
  );
}

const eventTriggerNames = ["pgvector_cutover_ddl", "pgvector_cutover_drop"];

/** SECURITY DEFINER so that roles without rights on our schema still get the refusal and no other error. */
function fenceFunctions(schemas: readonly string[], isOpen: string): string {
  const moved = `array[${schemas.map(quoteLiteral).join(", ")}]::text[]`;
  return `
    create or replace function pgvector_cutover.refuse_write() returns trigger
      language plpgsql security definer set search_path = pg_catalog as $fence$
    begin
      if ${isOpen} then return null; end if;
      raise exception using errcode = '25006',
        message = 'writes are paused: this table is being moved to another database',
        hint = 'Retry; the application is being pointed at the new database.';
    end $fence$;
    create or replace function pgvector_cutover.refuse_ddl() returns event_trigger
      language plpgsql security definer set search_path = pg_catalog as $fence$
    declare
      touched text;
    begin
      if tg_event = 'sql_drop' then
        select object_identity into touched from pg_event_trigger_dropped_objects()
         where schema_name = any(${moved}) or (object_type = 'schema' and object_name = any(${moved})) limit 1;
      else
        select object_identity into touched from pg_event_trigger_ddl_commands()
         where not in_extension
           and (schema_name = any(${moved}) or (object_type = 'schema' and object_identity = any(select quote_ident(s) from unnest(${moved}) s)))
         limit 1;
      end if;
      if touched is null then return; end if;
      if ${isOpen} then return; end if;
      raise exception using errcode = '25006',
        message = 'schema changes are paused: this schema is being moved to another database';
    end $fence$;`;
}

function fenceTriggers(tables: readonly FencedTable[]): string {
  const trigger = quoteIdentifier(fenceTriggerName);
  return tables
    .map((table) => quoteQualified(table.schema, table.name))
    .map(
      (table) => `
        create or replace trigger ${trigger} before insert or update or delete or truncate on ${table}
          for each statement execute function pgvector_cutover.refuse_write();
        alter table only ${table} enable always trigger ${trigger};`,
    )
    .join("");
}

const eventTriggers = `
  create event trigger pgvector_cutover_ddl on ddl_command_end execute function pgvector_cutover.refuse_ddl();
  create event trigger pgvector_cutover_drop on sql_drop execute function pgvector_cutover.refuse_ddl();
  alter event trigger pgvector_cutover_ddl enable always;
  alter event trigger pgvector_cutover_drop enable always;`;

async function dropEventTriggers(client: pg.Client): Promise<void> {
  for (const name of eventTriggerNames)
    await client.query(`drop event trigger if exists ${quoteIdentifier(name)}`);
}

async function fencedTables(client: pg.Client): Promise<FencedTable[]> {
  const { rows } = await client.query(
    `select n.nspname as schema, c.relname as name
       from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
      where t.tgname = $1 and t.tgparentid = 0 order by 1, 2`,
    [fenceTriggerName],
  );
  return rows;
}

/**
 * Commits. A transaction that has failed, such as by a statement that somebody cancelled, ends in a rollback instead,
 * and the server answers that without an error.
 */
export async function commit(client: pg.Client): Promise<void> {
  const { command } = await client.query("commit");
  if (command === "COMMIT") return;
  throw new CutoverError({
    code: "TRANSACTION_ROLLED_BACK",
    message:
      "The server rolled a transaction back in place of committing it; what was in it did not take place.",
    remedy: "Run again. If it recurs, find out who cancels statements on that server.",
  });
}

/** Runs `work` in one transaction, rolled back when it throws. */
export async function inTransaction<Result>(client: pg.Client, work: () => Promise<Result>): Promise<Result> {
  await client.query("begin");
  try {
    const result = await work();
    await commit(client);
    return result;
  } catch (error) {
    await client.query("rollback").catch(() => {});
    throw error;
  }
}
