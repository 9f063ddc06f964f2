import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { CutoverError } from "../errors.ts";
import { applicationNamePrefix, type ConnectionTarget, connect } from "../postgres/connection.ts";
import { maintenanceDatabase } from "./maintenance.ts";

/** The sessions that make this run the only one, for as long as they live. */
export interface Exclusion {
  /** Session on the source's maintenance database: reachable on a sealed source too. */
  readonly source: pg.Client;
  /** Session on the target database; the journal is written through it. */
  readonly target: pg.Client;
  release(): Promise<void>;
}

/**
 * Takes this project's advisory lock on both servers, the source first. Once both are held, sessions that an orphaned
 * run left behind are ended, so that nothing it still wants to do can happen.
 *
 * @throws CutoverError `ANOTHER_RUN_ACTIVE`
 */
export async function excludeOtherRuns(
  source: ConnectionTarget,
  target: ConnectionTarget,
): Promise<Exclusion> {
  const onSource = await connect(source, { purpose: "control", database: maintenanceDatabase(source) });
  let onTarget: pg.Client | undefined;
  try {
    await takeLock(onSource, "source");
    onTarget = await connect(target, { purpose: "control" });
    await takeLock(onTarget, "target");
    await endRunSessions(onSource, source.database);
    await endRunSessions(onTarget, target.database);
  } catch (error) {
    await onTarget?.end().catch(() => {});
    await onSource.end().catch(() => {});
    throw error;
  }
  const sessions = [onTarget, onSource];
  return {
    source: onSource,
    target: onTarget,
    release: async () => {
      for (const session of sessions) await session.end().catch(() => {});
    },
  };
}

/** Whether a run is active now, told from its lock on the target. Reads only. */
export async function isRunActive(target: pg.Client): Promise<boolean> {
  return (await lockHolder(target)) !== undefined;
}

/** Purposes of sessions that only look; every other session of ours belongs to a run. */
export const observerPurposes = ["preflight", "status", "observe"] as const;

/** "pgvcuto" as a number: advisory locks are per database, so one constant serves every project. */
const exclusionKey = "31638955564037231";

async function takeLock(client: pg.Client, label: string): Promise<void> {
  const { rows } = await client.query("select pg_try_advisory_lock($1::bigint) as locked", [exclusionKey]);
  if (rows[0].locked) return;
  const holder = await lockHolder(client);
  throw new CutoverError({
    code: "ANOTHER_RUN_ACTIVE",
    message: `Another run of the cutover holds the lock on the ${label} server${holder === undefined ? "" : ` since ${holder}`}. This run changed nothing.`,
    remedy: "Wait for it to end, then run again; `npm run status` shows what it does.",
  });
}

async function lockHolder(client: pg.Client): Promise<string | undefined> {
  const { rows } = await client.query(
    `select to_char(a.backend_start at time zone 'UTC', 'HH24:MI:SS "UTC"') as since
       from pg_locks l join pg_stat_activity a using (pid)
      where l.locktype = 'advisory' and l.granted and ((l.classid::bigint << 32) | l.objid::bigint) = $1::bigint
        and l.database = (select oid from pg_database where datname = current_database())`,
    [exclusionKey],
  );
  return rows[0]?.since;
}

/**
 * Ends the sessions that runs left on one database, and waits until they are gone: what they had under way is rolled
 * back then. Only for whoever holds the exclusion lock.
 */
export async function endRunSessions(client: pg.Client, database: string): Promise<void> {
  const observers = observerPurposes.map((purpose) => `${applicationNamePrefix}:${purpose}`);
  for (;;) {
    const { rowCount } = await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = $4 and application_name like $1 and application_name <> all($2) and application_name <> $3`,
      [`${applicationNamePrefix}:%`, observers, `${applicationNamePrefix}:control`, database],
    );
    if (rowCount === 0) return;
    await delay(100);
  }
}
