import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import type { MovedTable } from "../../postgres/relations.ts";
import type { Reporter } from "../reporter.ts";

/**
 * Names the sessions that hold us up, and ends them once the grace period is over: they are this application's own.
 *
 * @param endAt by `performance.now()`
 */
export async function endBlockers(
  monitor: pg.Client,
  waitingPid: number,
  endAt: number,
  reporter: Reporter,
  signal: AbortSignal,
): Promise<void> {
  const named = new Set<number>();
  const ended = new Set<number>();
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
      if (performance.now() < endAt) continue;
      await monitor.query("select pg_terminate_backend($1)", [pid]);
      // It may take a while to go.
      if (!ended.has(pid))
        reporter.detail(
          `ended session ${pid} (${name || "unnamed"}): it held its locks longer than the grace period`,
        );
      ended.add(pid);
    }
    await delay(200, undefined, { signal }).catch(() => {});
  }
}

/** A waiting ACCESS EXCLUSIVE request makes plain readers queue behind it: such DDL is cancelled while the pause lasts. */
export async function cancelReaderBlockers(
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

/** Names the sessions that hold locks on the tables against ours. */
export async function describeBlockers(
  monitor: pg.Client,
  tables: readonly Pick<MovedTable, "oid">[],
): Promise<string> {
  const { rows } = await monitor.query(
    `select distinct a.pid, a.application_name as name from pg_locks l join pg_stat_activity a using (pid)
      where l.relation = any($1::oid[]) and l.granted and l.pid <> pg_backend_pid()
        and l.mode in ('RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
      limit 5`,
    [tables.map((table) => table.oid)],
  );
  return rows.map(({ pid, name }) => `${pid} (${name || "unnamed"})`).join(", ");
}
