import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { CutoverError, sqlState } from "../errors.ts";
import { type ConnectionTarget, connect } from "../postgres/connection.ts";
import { quoteQualified } from "../postgres/identifiers.ts";
import { listTables, type MovedTable } from "../postgres/relations.ts";
import { deadManTimeoutMs, Heartbeat } from "./heartbeat.ts";
import type { Reporter } from "./reporter.ts";

export interface WritePauseOptions {
  readonly source: ConnectionTarget;
  /** Session L: already holds the exclusion lock on the source; will hold the table locks. */
  readonly lockSession: pg.Client;
  readonly schemas: readonly string[];
  /** Total time for getting all locks. Blockers are ended after half of it. */
  readonly lockTimeoutMs: number;
  readonly pauseLimitMs: number;
  readonly reporter: Reporter;
  /** After how long without a sign of life the server frees the writers. */
  readonly deadManTimeoutMs?: number;
  isEngineAlive(): Promise<boolean>;
}

/** Writers wait, readers go on; a snapshot of exactly that moment is exported. */
export interface WritePause {
  readonly pausedAt: Date;
  readonly tables: readonly MovedTable[];
  /** Session L: holds the table locks in its open transaction. */
  readonly lockSession: pg.Client;
  /** Session S: holds the exported snapshot. */
  readonly snapshotSession: pg.Client;
  readonly snapshot: string;
  readonly heartbeat: Heartbeat;
  /** Ends every session of the pause; the server drops what locks still stand. Safe to repeat. */
  release(): Promise<void>;
}

/**
 * Locks every table of the schemas IN SHARE ROW EXCLUSIVE MODE in session L, then exports a snapshot from a session S
 * begun after the locks stand: the other order, or any statement before the locks, gives a snapshot that misses rows
 * committed while the locks were waited for (fencing.md, Snapshots).
 *
 * @throws CutoverError `LOCKS_NOT_GRANTED`
 */
export async function pauseWrites(options: WritePauseOptions): Promise<WritePause> {
  const monitor = await connect(options.source, { purpose: "monitor" });
  try {
    return await pauseWithMonitor(options, monitor);
  } catch (error) {
    await monitor.end().catch(() => {});
    throw error;
  }
}

async function pauseWithMonitor(options: WritePauseOptions, monitor: pg.Client): Promise<WritePause> {
  const giveUpAt = Date.now() + options.lockTimeoutMs;
  for (;;) {
    const tables = await listTables(monitor, options.schemas);
    const pausedAt = await lockTables(options, monitor, tables, giveUpAt);
    const { snapshotSession, snapshot, tablesNow } = await exportSnapshot(options);
    if (sameTables(tables, tablesNow)) {
      const heartbeat = new Heartbeat({
        session: options.lockSession,
        deadline: pausedAt.getTime() + options.pauseLimitMs,
        pauseLimitMs: options.pauseLimitMs,
        isEngineAlive: options.isEngineAlive,
        onBeat: () => cancelReaderBlockers(monitor, tables, options.reporter),
      });
      return {
        pausedAt,
        tables,
        lockSession: options.lockSession,
        snapshotSession,
        snapshot,
        heartbeat,
        release: async () => {
          heartbeat.stop();
          await snapshotSession.end().catch(() => {});
          await monitor.end().catch(() => {});
          await options.lockSession.end().catch(() => {});
        },
      };
    }
    await snapshotSession.end();
    await options.lockSession.query("rollback");
    options.reporter.detail("a table appeared while the locks were taken; taking them again");
  }
}

/** Session S and what it sees; begun when the locks stand. */
async function exportSnapshot({
  source,
  schemas,
}: WritePauseOptions): Promise<{ snapshotSession: pg.Client; snapshot: string; tablesNow: MovedTable[] }> {
  const snapshotSession = await connect(source, { purpose: "snapshot" });
  try {
    await snapshotSession.query("begin isolation level repeatable read read only");
    const { rows } = await snapshotSession.query("select pg_export_snapshot() as snapshot");
    return {
      snapshotSession,
      snapshot: rows[0].snapshot,
      tablesNow: await listTables(snapshotSession, schemas),
    };
  } catch (error) {
    await snapshotSession.end().catch(() => {});
    throw error;
  }
}

/**
 * One try after another until all locks are had at once. Everything is released between tries: locks held while
 * waiting for the next would pause writers without getting anywhere. The first try does not wait at all.
 */
async function lockTables(
  { lockSession, lockTimeoutMs, reporter, deadManTimeoutMs: timeoutMs = deadManTimeoutMs }: WritePauseOptions,
  monitor: pg.Client,
  tables: readonly MovedTable[],
  giveUpAt: number,
): Promise<Date> {
  const names = tables
    .filter((table) => !table.isPartition)
    .map((table) => quoteQualified(table.schema, table.name))
    .join(", ");
  const pid = await backendPid(lockSession);
  const endBlockersAt = giveUpAt - lockTimeoutMs / 2;
  for (let attempt = 0; ; attempt++) {
    const remainingMs = giveUpAt - Date.now();
    if (remainingMs <= 0) throw locksNotGranted(lockTimeoutMs, await describeBlockers(monitor, tables));
    await lockSession.query("begin");
    await lockSession.query(`set local idle_in_transaction_session_timeout = ${timeoutMs}`);
    const waitMs = Math.min(remainingMs, attemptTimeoutMs);
    await lockSession.query(`set local statement_timeout = ${attempt === 0 ? 0 : Math.ceil(waitMs)}`);
    const pausedAt = new Date();
    const watching = new AbortController();
    const watcher =
      attempt === 0
        ? Promise.resolve()
        : endBlockers(monitor, pid, endBlockersAt, reporter, watching.signal).catch(() => {});
    try {
      if (names !== "") {
        await lockSession.query(
          `lock table ${names} in share row exclusive mode${attempt === 0 ? " nowait" : ""}`,
        );
      }
      await lockSession.query("set local statement_timeout = 0");
      return pausedAt;
    } catch (error) {
      // 55P03 lock_not_available, 57014 query_canceled (our statement_timeout), 40P01 deadlock_detected.
      if (!["55P03", "57014", "40P01"].includes(sqlState(error) ?? "")) throw error;
      await lockSession.query("rollback");
    } finally {
      watching.abort();
      await watcher;
    }
    await delay(Math.min(100 * attempt, 1_000));
  }
}

const attemptTimeoutMs = 2_000;

/** Names the sessions that hold us up, and ends them once the grace period is over: they are this application's own. */
async function endBlockers(
  monitor: pg.Client,
  waitingPid: number,
  endAt: number,
  reporter: Reporter,
  signal: AbortSignal,
): Promise<void> {
  const named = new Set<number>();
  while (!signal.aborted) {
    const { rows } = await monitor.query(
      `select pid, application_name as name, state, extract(epoch from now() - xact_start)::int as age
         from pg_stat_activity where pid = any(pg_blocking_pids($1)) and backend_type = 'client backend'`,
      [waitingPid],
    );
    for (const { pid, name, state, age } of rows) {
      if (!named.has(pid))
        reporter.detail(`waiting for session ${pid} (${name || "unnamed"}, ${state}, ${age ?? 0} s)`);
      named.add(pid);
      if (Date.now() < endAt) continue;
      await monitor.query("select pg_terminate_backend($1)", [pid]);
      reporter.detail(
        `ended session ${pid} (${name || "unnamed"}): it held its locks longer than the grace period`,
      );
    }
    await delay(200, undefined, { signal }).catch(() => {});
  }
}

/** A waiting ACCESS EXCLUSIVE request makes plain readers queue behind it: such DDL is cancelled while the pause lasts. */
async function cancelReaderBlockers(
  monitor: pg.Client,
  tables: readonly MovedTable[],
  reporter: Reporter,
): Promise<void> {
  const { rows } = await monitor.query(
    `select distinct l.pid, a.application_name as name, pg_cancel_backend(l.pid)
       from pg_locks l join pg_stat_activity a using (pid)
      where l.mode = 'AccessExclusiveLock' and not l.granted and l.relation = any($1::oid[])`,
    [tables.map((table) => table.oid)],
  );
  for (const { pid, name } of rows) {
    reporter.detail(
      `cancelled a schema change of session ${pid} (${name || "unnamed"}): readers queued behind it`,
    );
  }
}

async function describeBlockers(monitor: pg.Client, tables: readonly MovedTable[]): Promise<string> {
  const { rows } = await monitor.query(
    `select distinct a.pid, a.application_name as name from pg_locks l join pg_stat_activity a using (pid)
      where l.relation = any($1::oid[]) and l.granted and l.pid <> pg_backend_pid()
        and l.mode in ('RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
      limit 5`,
    [tables.map((table) => table.oid)],
  );
  return rows.map(({ pid, name }) => `${pid} (${name || "unnamed"})`).join(", ");
}

async function backendPid(client: pg.Client): Promise<number> {
  const { rows } = await client.query("select pg_backend_pid() as pid");
  return rows[0].pid;
}

function sameTables(before: readonly MovedTable[], after: readonly MovedTable[]): boolean {
  const oids = new Set(before.map((table) => table.oid));
  return before.length === after.length && after.every((table) => oids.has(table.oid));
}

function locksNotGranted(lockTimeoutMs: number, blockers: string): CutoverError {
  return new CutoverError({
    code: "LOCKS_NOT_GRANTED",
    message: `The source's tables could not all be locked within ${lockTimeoutMs / 1000} s${blockers === "" ? "" : `; sessions in the way: ${blockers}`}. Everything was released; production goes on as before.`,
    remedy: "End the long transactions it names, or raise limits.lockTimeoutMs, and run again.",
  });
}
