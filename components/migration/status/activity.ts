import type pg from "pg";
import { applicationNamePrefix } from "../../postgres/connection.ts";
import { isRunActive } from "../exclusion/exclusion.ts";

/** Whether a run is at work, as told by the lock that it holds; `null` where that could not be asked. */
export interface ActiveRun {
  readonly isActive: boolean | null;
  readonly since: string | null;
  /** The address that its sessions come from. */
  readonly from: string | null;
}

export const noRun: ActiveRun = { isActive: false, since: null, from: null };
export const unknownRun: ActiveRun = { isActive: null, since: null, from: null };

/** The run that holds the exclusion in the session's database. Reads only. */
export async function readActiveRun(client: pg.Client): Promise<ActiveRun> {
  if (!(await isRunActive(client))) return noRun;
  const { rows } = await client.query(
    `select ${asUtc("a.backend_start")} as since, host(a.client_addr) as from
       from pg_stat_activity a
      where a.application_name = $1 and a.datname = current_database()
        and exists (select from pg_locks l where l.pid = a.pid and l.locktype = 'advisory' and l.granted)
      order by a.backend_start limit 1`,
    [`${applicationNamePrefix}:control`],
  );
  return { isActive: true, since: rows[0]?.since ?? null, from: rows[0]?.from ?? null };
}

/**
 * When the transaction began that holds the locks on a database's tables, and with it the pause; `null` where none
 * does. Asked from the maintenance database. Reads only.
 */
export async function readLocksSince(maintenance: pg.Client, database: string): Promise<string | null> {
  const { rows } = await maintenance.query(
    `select ${asUtc("min(a.xact_start)")} as since
       from pg_stat_activity a
      where a.datname = $1 and a.application_name = $2
        and exists (select from pg_locks l
                     where l.pid = a.pid and l.locktype = 'relation' and l.mode = 'ShareRowExclusiveLock' and l.granted)`,
    [database, `${applicationNamePrefix}:lock`],
  );
  return rows[0]?.since ?? null;
}

function asUtc(expression: string): string {
  return `to_char(${expression} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}
