import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { allOf } from "../../all-of.ts";
import { CutoverError, sqlState } from "../../errors.ts";
import {
  type ConnectionTarget,
  connect,
  cutConnection,
  endConnection,
  endOnceOpen,
} from "../../postgres/connection.ts";
import { quoteQualified } from "../../postgres/identifiers.ts";
import { inTurn } from "../../postgres/in-turn.ts";
import { beginExportingSnapshot } from "../../postgres/read-only-transaction.ts";
import { listTables, type MovedTable } from "../../postgres/relations.ts";
import type { Reporter } from "../reporter.ts";
import { deadManTimeoutMs, Heartbeat } from "./heartbeat.ts";
import { cancelReaderBlockers, describeBlockers, endBlockers } from "./lock-blockers.ts";

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
  /** As the snapshot sees them. */
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
  const { source } = options;
  // The snapshot's session waits for its transaction: once writers wait, a long way to the server would keep them.
  const opening = [
    connect(source, { purpose: "monitor", lockTimeoutMs: options.lockTimeoutMs }),
    connect(source, { purpose: "snapshot", pipeline: true }),
  ];
  try {
    const [monitor, snapshotSession] = (await allOf(opening)) as [pg.Client, pg.Client];
    return await pauseWith(options, { monitor, snapshotSession });
  } catch (error) {
    await Promise.all(opening.map(endOnceOpen));
    throw error;
  }
}

interface Sessions {
  readonly monitor: pg.Client;
  /** Session S. */
  readonly snapshotSession: pg.Client;
}

async function pauseWith(options: WritePauseOptions, sessions: Sessions): Promise<WritePause> {
  const { monitor, snapshotSession } = sessions;
  const giveUpAt = performance.now() + options.lockTimeoutMs;
  for (;;) {
    const tables = await listInTime(options, monitor);
    const pausedAt = await lockTables(options, monitor, tables, giveUpAt);
    const pause = pausedAt && (await holdPause(options, sessions, { tables, pausedAt }));
    if (pause !== undefined) return pause;
    await allOf([snapshotSession.query("rollback"), options.lockSession.query("rollback")]);
    options.reporter.detail("a table appeared or disappeared while the locks were taken; taking them again");
    await delay(relistDelayMs);
  }
}

/** Who asks for the size of a table waits for whoever is changing it. */
async function listInTime(
  { schemas, lockTimeoutMs }: WritePauseOptions,
  monitor: pg.Client,
): Promise<MovedTable[]> {
  try {
    return await listTables(monitor, schemas);
  } catch (error) {
    if (sqlState(error) !== "55P03") throw error;
    const { rows } = await monitor.query(
      "select oid from pg_class where relkind in ('r', 'p') and relnamespace in (select oid from pg_namespace where nspname = any($1))",
      [schemas],
    );
    throw locksNotGranted(lockTimeoutMs, await describeBlockers(monitor, rows));
  }
}

/**
 * Keeps the locks from the moment they stand, however long the export of the snapshot takes.
 *
 * @returns `undefined` when the locks miss a table that the snapshot sees
 */
async function holdPause(
  options: WritePauseOptions,
  { monitor, snapshotSession }: Sessions,
  { tables, pausedAt }: { tables: readonly MovedTable[]; pausedAt: Date },
): Promise<WritePause | undefined> {
  const { lockSession, pauseLimitMs, isEngineAlive, reporter } = options;
  const beat = oneAtATime(() => snapshotSession.query("select 1"));
  let exported: Exported | undefined;
  const heartbeat = new Heartbeat({
    session: lockSession,
    deadline: pausedAt.getTime() + pauseLimitMs,
    pauseLimitMs,
    isEngineAlive,
    onBeat: () => {
      if (exported !== undefined) beat();
      return cancelReaderBlockers(monitor, tables, reporter);
    },
  });
  try {
    exported = await exportSnapshot(snapshotSession, options.schemas, heartbeat.signal);
    heartbeat.signal.throwIfAborted();
  } catch (error) {
    heartbeat.stop();
    throw heartbeat.signal.aborted ? heartbeat.signal.reason : error;
  }
  const { snapshot, tablesNow } = exported;
  if (!sameTables(tables, tablesNow)) {
    heartbeat.stop();
    return undefined;
  }
  return {
    pausedAt,
    tables: tablesNow,
    lockSession,
    snapshotSession,
    snapshot,
    heartbeat,
    release: async () => {
      heartbeat.stop();
      await Promise.all([snapshotSession, monitor, lockSession].map(endConnection));
    },
  };
}

interface Exported {
  readonly snapshot: string;
  /** What the snapshot sees. */
  readonly tablesNow: readonly MovedTable[];
}

/** In session S, begun when the locks stand. It is cut when `lost` says that they do not any more. */
async function exportSnapshot(
  session: pg.Client,
  schemas: readonly string[],
  lost: AbortSignal,
): Promise<Exported> {
  const cut = () => cutConnection(session);
  lost.addEventListener("abort", cut);
  session.once("end", () => lost.removeEventListener("abort", cut));
  const [snapshot, tablesNow] = await inTurn(session, [
    () => beginExportingSnapshot(session),
    () => listTables(session, schemas),
  ]);
  return { snapshot, tablesNow };
}

/** On a silent connection they would queue up. */
function oneAtATime(work: () => Promise<unknown>): () => void {
  let busy = false;
  return () => {
    if (busy) return;
    busy = true;
    work()
      .catch(() => {})
      .finally(() => {
        busy = false;
      });
  };
}

/**
 * One try after another until all locks are had at once. Everything is released between tries: locks held while
 * waiting for the next would pause writers without getting anywhere. The first try does not wait at all.
 *
 * @param giveUpAt by `performance.now()`: the wall clock may be set meanwhile
 * @returns when writers began to wait; `undefined` when a table is not there any more, or something else by its name
 */
async function lockTables(
  { lockSession, lockTimeoutMs, reporter, deadManTimeoutMs: timeoutMs = deadManTimeoutMs }: WritePauseOptions,
  monitor: pg.Client,
  tables: readonly MovedTable[],
  giveUpAt: number,
): Promise<Date | undefined> {
  // Partitions by name, too: the lock of a root covers them only where the root is among the moved tables.
  const names = tables.map((table) => quoteQualified(table.schema, table.name)).join(", ");
  const pid = await backendPid(lockSession);
  const endBlockersAt = giveUpAt - lockTimeoutMs / 2;
  for (let attempt = 0; ; attempt++) {
    const remainingMs = giveUpAt - performance.now();
    if (remainingMs <= 0) throw locksNotGranted(lockTimeoutMs, await describeBlockers(monitor, tables));
    const waitMs = Math.min(remainingMs, attemptTimeoutMs);
    await lockSession.query(
      `begin; set local idle_in_transaction_session_timeout = ${timeoutMs};
       set local statement_timeout = ${attempt === 0 ? 0 : Math.ceil(waitMs)}`,
    );
    const pausedAt = new Date();
    const watching = new AbortController();
    const watcher =
      attempt === 0
        ? Promise.resolve()
        : endBlockers(monitor, pid, endBlockersAt, reporter, watching.signal).catch(() => {});
    try {
      const lock = `lock table ${names} in share row exclusive mode${attempt === 0 ? " nowait" : ""}; `;
      await lockSession.query(`${names === "" ? "" : lock}set local statement_timeout = 0`);
      return pausedAt;
    } catch (error) {
      if (isOfAnotherTable(error)) return undefined;
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

/** undefined_table, invalid_schema_name, wrong_object_type. */
function isOfAnotherTable(error: unknown): boolean {
  return ["42P01", "3F000", "42809"].includes(sqlState(error) ?? "");
}

const attemptTimeoutMs = 2_000;
const relistDelayMs = 100;

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
