import { createHash } from "node:crypto";
import type pg from "pg";
import { CutoverError, sqlState } from "../../errors.ts";
import { quoteIdentifier, quoteLiteral, quoteQualified } from "../identifiers.ts";
import { inTransaction } from "../transaction.ts";
import { dropEventTriggers, type FencedTable, fenceTriggerName, unfencedTables } from "./parts.ts";
import { fencedByAnother } from "./removal.ts";
import { readWitness } from "./state.ts";

export { inTransaction } from "../transaction.ts";
export { type FencedTable, fenceTriggerName } from "./parts.ts";
export { dropSourceSchema, removeFence } from "./removal.ts";
export {
  eventTriggersOff,
  type FenceState,
  isWhole,
  readFence,
  readWitness,
  type Witness,
} from "./state.ts";

/**
 * Closes the source's fence inside the caller's transaction, which holds SHARE ROW EXCLUSIVE locks on every table, so
 * that one COMMIT releases the locks and refuses the writers that waited (fencing.md: tried with simple and prepared
 * statements, READ WRITE transactions and session_replication_role = replica). The function reads no row: a fence
 * that looks at one would be open to transactions with an older snapshot. What an earlier fence could not take along
 * when it was opened is used again.
 *
 * @param options.yieldAfterMs the fence lets writers pass again by itself after so long, and remembers that it did: a
 *   run that died must not keep them out for ever. `null`: it never does. See {@link limitSourceFence}.
 * @throws CutoverError `JOURNAL_LOST` when another fence's witness stands
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
  const [former] = await lastAnswer<{ migrationId: string }>(
    source,
    `create schema if not exists pgvector_cutover;
     create sequence if not exists pgvector_cutover.passed;
     create table if not exists pgvector_cutover.witness (
       migration_id text primary key, epoch bigint not null, fenced_at timestamptz not null default clock_timestamp(),
       yields_at timestamptz not null);
     select migration_id as "migrationId" from pgvector_cutover.witness`,
  );
  if (former !== undefined) throw fencedByAnother(former.migrationId);
  // The first one takes effect at once, whatever becomes of this transaction: without a witness it says nothing.
  const [witness] = await lastAnswer<{ yieldsAt: string }>(
    source,
    `select setval('pgvector_cutover.passed', 1, false);
     insert into pgvector_cutover.witness (migration_id, epoch, yields_at)
     values (${quoteLiteral(options.migrationId)}, ${BigInt(options.epoch)}, ${endOfFence(options.yieldAfterMs)})
     returning yields_at::text as "yieldsAt"`,
  );
  await source.query(
    [
      fenceFunctions(options.schemas, passesFrom(witness?.yieldsAt ?? "infinity")),
      fenceTriggers(options.tables),
      eventTriggers,
    ].join("\n"),
  );
}

/** What the last one of several statements answers that are sent as one message: writers wait for each round trip. */
async function lastAnswer<Row extends pg.QueryResultRow>(
  client: pg.Client,
  statements: string,
): Promise<Row[]> {
  const answers = (await client.query(statements)) as unknown as ReadonlyArray<pg.QueryResult<Row>>;
  return answers.at(-1)?.rows ?? [];
}

/**
 * Gives the source's closed fence another end: `null` makes it last, which from inside a sealed database that nobody else
 * has a session on is final. Only when nobody was let pass until now is the copy still whole.
 *
 * @returns whether a writer was let pass before
 */
export async function limitSourceFence(
  source: pg.Client,
  schemas: readonly string[],
  yieldAfterMs: number | null,
): Promise<boolean> {
  await inTransaction(source, async () => {
    const { rows } = await source.query(
      `update pgvector_cutover.witness set yields_at = ${endOfFence(yieldAfterMs)} returning yields_at::text as "yieldsAt"`,
    );
    await source.query(fenceFunctions(schemas, passesFrom(rows[0]?.yieldsAt ?? "infinity")));
  });
  const { rows } = await source.query("select is_called as passed from pgvector_cutover.passed");
  return rows[0].passed;
}

function endOfFence(yieldAfterMs: number | null): string {
  return yieldAfterMs === null
    ? "'infinity'"
    : `clock_timestamp() + ${Number(yieldAfterMs)}::float8 * interval '1 millisecond'`;
}

/**
 * Not transactional, therefore seen whatever becomes of the write: that is what proves afterwards that nobody passed.
 * The server's clock decides when, which may be set; it does not decide whether.
 */
function passesFrom(time: string): string {
  if (time === "infinity") return "false";
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
  const { loaderToken } = options;
  // The server may log a statement.
  const loaderHash =
    loaderToken === undefined
      ? "null"
      : `'\\x${createHash("sha256").update(loaderToken, "utf8").digest("hex")}'`;
  // Sent as one message, they are one transaction.
  await target.query(
    [
      `update pgvector_cutover.fence set open = false, loader_hash = ${loaderHash}, loader_role = null;`,
      dropEventTriggers,
      fenceFunctions(
        options.schemas,
        `exists (select from pgvector_cutover.fence
                  where open or loader_hash = sha256(convert_to(current_setting('${loaderSetting}', true), 'UTF8'))
                     or loader_hash is not null and loader_role = session_user)`,
        { askedFirst: true },
      ),
      fenceTriggers(options.tables),
      eventTriggers,
    ].join("\n"),
  );
}

/**
 * The statement that fences every table of the schemas that has no fence yet. It ends each transaction that makes tables
 * of the copy, so that nobody ever sees one without its fence. The functions must be there: {@link closeTargetFence}.
 */
export function fenceNewTables(schemas: readonly string[]): string {
  const trigger = quoteIdentifier(fenceTriggerName);
  const moved = `array[${schemas.map(quoteLiteral).join(", ")}]::pg_catalog.text[]`;
  return `
    do $fence$
    declare
      made record;
    begin
      for made in ${unfencedTables(moved)} loop
        execute pg_catalog.format(
          'create trigger ${trigger} before insert or update or delete or truncate on %I.%I
             for each statement execute function pgvector_cutover.refuse_write()', made.schema, made.name);
        execute pg_catalog.format(
          'alter table only %I.%I enable always trigger ${trigger}', made.schema, made.name);
      end loop;
    end $fence$;`;
}

/** The session setting in which the loader shows its token. */
export const loaderSetting = "pgvector_cutover.loader";

/**
 * Lets the sessions of a role pass the target's fence like the loader, as long as that may, and without its token: what
 * is bound to a role can be read by every other, and stands in the server's log. `null`: no role any more.
 */
export async function admitRole(target: pg.Client, role: string | null): Promise<void> {
  await target.query("update pgvector_cutover.fence set loader_role = $1", [role]);
}

/**
 * Lets writers in again on the source at once: the functions become harmless, which needs no lock on any table, and
 * the witness's row goes, in one commit. No reader of anything holds that up, a backup neither. What is left of the
 * fence is taken down by `removeFence` and `dropSourceSchema`. Safe to repeat.
 *
 * @throws CutoverError `JOURNAL_LOST` when the fence is another migration's, `SOURCE_NOT_OPENED`
 */
export async function openSourceFence(source: pg.Client, migrationId: string): Promise<void> {
  const { rows } = await source.query(
    `select to_regnamespace('pgvector_cutover') is not null as schema, to_regclass('pgvector_cutover.witness') is not null as witness`,
  );
  if (!rows[0].schema) return;
  try {
    await inTransaction(source, async () => {
      await source.query(`set local lock_timeout = ${openingTimeoutMs}`);
      const witness = await readWitness(source);
      if (witness !== null && witness.migrationId !== migrationId) throw fencedByAnother(witness.migrationId);
      await source.query(`${dropEventTriggers}\n${fenceFunctions([], "true")}`);
      if (rows[0].witness) await source.query("delete from pgvector_cutover.witness");
    });
  } catch (error) {
    throw sqlState(error) === "55P03" ? notOpened(error) : error;
  }
}

/** Nobody waits behind these locks, and only who writes to the fence itself holds them. */
const openingTimeoutMs = 5_000;

function notOpened(cause: unknown): CutoverError {
  return new CutoverError({
    code: "SOURCE_NOT_OPENED",
    message: `Somebody holds the fence on the source locked (its event triggers or the table pgvector_cutover.witness), so it could not be opened within ${openingTimeoutMs / 1_000} s. Writes are still refused there.`,
    remedy:
      "End that session (pg_locks and pg_stat_activity on the source show it), then run `npm run abort -- --yes` again.",
    cause,
  });
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

/**
 * SECURITY DEFINER so that roles without rights on our schema still get the refusal and no other error.
 *
 * @param options.askedFirst whether it may be asked for definitions that are none of the fence's business, too: it is
 *   sooner answered than what a definition touches, but for the source the answer leaves a trace
 */
function fenceFunctions(
  schemas: readonly string[],
  isOpen: string,
  options: { askedFirst: boolean } = { askedFirst: false },
): string {
  const pass = `if ${isOpen} then return; end if;`;
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
      ${options.askedFirst ? pass : ""}
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
      ${options.askedFirst ? "" : pass}
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
