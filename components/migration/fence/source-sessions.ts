import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { CutoverError } from "../../errors.ts";
import { applicationNamePrefix } from "../../postgres/connection.ts";
import type { Acceptance } from "../inputs.ts";

/** What else than us is connected to a database. */
export interface ForeignSession {
  /** `application_name`; empty where it gave none. */
  readonly name: string;
  readonly address: string | null;
  /** `client backend`, `walsender`, or what a background worker calls itself. */
  readonly kind: string;
}

/** The source without anybody but us on it. */
export interface EmptiedSource {
  /** Sessions that were ended. */
  readonly ended: number;
  /** By `performance.now()`. */
  readonly emptiedAtMs: number;
}

/**
 * Ends every session on the source database that is not ours. Asked from the maintenance database, so that it works on a
 * sealed one too.
 *
 * @throws CutoverError `SOURCE_STILL_USED` when replication writes into it
 */
export async function emptySource(maintenance: pg.Client, database: string): Promise<EmptiedSource> {
  await assertNothingReplicated(maintenance, database);
  return { ended: await endSessions(maintenance, database), emptiedAtMs: performance.now() };
}

/**
 * Waits until nobody has had a reason to come back to an emptied source for long enough, and looks who is there.
 *
 * @param options.settleMs how long after it was emptied a consumer may take to come back
 * @param options.accept consumers that may: the seal cuts them off
 * @throws CutoverError `SOURCE_STILL_USED` naming who came back
 */
export async function assertNobodyReturned(
  maintenance: pg.Client,
  { emptiedAtMs }: EmptiedSource,
  options: { database: string; settleMs: number; accept: readonly Acceptance[] },
): Promise<void> {
  await delay(Math.max(0, emptiedAtMs + options.settleMs - performance.now()));
  await assertNothingReplicated(maintenance, options.database);
  const accepted = acceptedConsumers(options.accept).map(({ object }) => object);
  const back = (await foreignSessions(maintenance, options.database)).filter(
    (session) => !accepted.includes(consumerName(session)),
  );
  if (back.length === 0) return;
  throw new CutoverError({
    code: "SOURCE_STILL_USED",
    message: `Sessions came back to the source after all services had moved: ${describe(back)}.`,
    remedy:
      "Find what connects there (another project, a job with a literal URL), point it at the target or stop it, then run again. What may be cut off is accepted by this code and its application name.",
  });
}

/** The consumers of the source that the configuration lets be cut off, each by its application name, or `unnamed`. */
export function acceptedConsumers(accept: readonly Acceptance[]): Acceptance[] {
  return accept.filter(({ code }) => code === "SOURCE_STILL_USED");
}

/** Ends every session on the database that is not ours; returns how many. */
export async function endSessions(maintenance: pg.Client, database: string): Promise<number> {
  const { rowCount } = await maintenance.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where ${foreign} and backend_type not like '${replicationWorkers}'`,
    [database, `${applicationNamePrefix}:%`],
  );
  return rowCount ?? 0;
}

/**
 * Ends every session on a sealed database that is not ours until none is left: a terminated one may still be committing.
 * Afterwards nothing works there but the server's own maintenance.
 *
 * @throws CutoverError `SOURCE_STILL_USED` when somebody does not go, or replication writes into the database
 */
export async function waitUntilEmpty(
  maintenance: pg.Client,
  database: string,
  limitMs: number = emptyWithinMs,
): Promise<void> {
  const giveUpAt = performance.now() + limitMs;
  for (;;) {
    // In this order: who has started in between is a session by then, and who begins to start now is refused.
    const isSomebodyStarting = await hasStartingSessions(maintenance, database);
    const ended = await endSessions(maintenance, database);
    if (!isSomebodyStarting && ended === 0) break;
    if (performance.now() >= giveUpAt) throw notEmptied(await foreignSessions(maintenance, database));
    await delay(20);
  }
  await assertNothingReplicated(maintenance, database);
}

/**
 * A session that was let in before the seal is in no list of sessions until it has started, which may take long. But it
 * holds a lock on the database from before it looks whether it may come in until it is in the list (`InitPostgres` in
 * PostgreSQL's postinit.c).
 */
async function hasStartingSessions(maintenance: pg.Client, database: string): Promise<boolean> {
  const { rows } = await maintenance.query<{ exists: boolean }>(
    `select exists (select from pg_locks
        where locktype = 'object' and classid = 'pg_database'::regclass and mode = 'RowExclusiveLock' and granted
          and objid = (select oid from pg_database where datname = $1)) as exists`,
    [database],
  );
  return (rows[0] as { exists: boolean }).exists;
}

const emptyWithinMs = 60_000;

/**
 * Rows that logical replication applies pass the fence, whose triggers fire for statements, and its workers are no
 * sessions that anybody could be asked to end: the launcher starts them again. Asked from another database.
 *
 * @throws CutoverError `SOURCE_STILL_USED`
 */
export async function assertNothingReplicated(maintenance: pg.Client, database: string): Promise<void> {
  const { rows } = await maintenance.query<{ name: string }>(
    `select 'subscription ' || subname as name from pg_subscription
      where subenabled and subdbid = (select oid from pg_database where datname = $1)
     union all
     select distinct backend_type from pg_stat_activity where datname = $1 and backend_type like '${replicationWorkers}'
      order by 1`,
    [database],
  );
  if (rows.length === 0) return;
  throw new CutoverError({
    code: "SOURCE_STILL_USED",
    message: `Logical replication writes into the source past its fence, so the copy may lack rows: ${rows.map(({ name }) => name).join(", ")}.`,
    remedy:
      "Disable the subscription on the source (ALTER SUBSCRIPTION … DISABLE), then run again: everything is copied afresh.",
  });
}

/** Who is on the database beside us and the server's own maintenance, asked from another database of the server. */
export async function foreignSessions(maintenance: pg.Client, database: string): Promise<ForeignSession[]> {
  const { rows } = await maintenance.query(
    `select distinct application_name as name, host(client_addr) as address, backend_type as kind
       from pg_stat_activity where ${foreign} order by 1, 2, 3`,
    [database, `${applicationNamePrefix}:%`],
  );
  return rows;
}

const replicationWorkers = "logical replication%";

/** A parallel worker ends with the session that it works for. */
const foreign =
  "datname = $1 and pid <> pg_backend_pid() and application_name not like $2 and backend_type not in ('autovacuum worker', 'parallel worker')";

function consumerName({ name }: ForeignSession): string {
  return name || "unnamed";
}

function notEmptied(left: readonly ForeignSession[]): CutoverError {
  return new CutoverError({
    code: "SOURCE_STILL_USED",
    message: `The source is sealed, but not everybody left it: ${describe(left) || "sessions come and go"}.`,
    remedy: "Find out on the source's server why they do not end (pg_stat_activity), then run again.",
  });
}

function describe(sessions: readonly ForeignSession[]): string {
  return sessions
    .map((session) => {
      const what = session.kind === "client backend" ? "" : ` (${session.kind})`;
      return `${consumerName(session)}${what} from ${session.address ?? "a local socket"}`;
    })
    .join(", ");
}
