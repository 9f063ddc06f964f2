import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { CutoverError } from "../errors.ts";
import { applicationNamePrefix } from "../postgres/connection.ts";

/**
 * Ends every session on the source database that is not ours, and waits until none comes back. Asked from the
 * maintenance database, so that it works on a sealed one too.
 *
 * @param settleMs how long nobody may reappear
 * @throws CutoverError `SOURCE_STILL_USED` naming who came back
 */
export async function emptySource(
  maintenance: pg.Client,
  options: { database: string; settleMs: number; mayReturn: boolean },
): Promise<number> {
  const ended = await endSessions(maintenance, options.database);
  if (options.mayReturn) return ended;
  await delay(options.settleMs);
  const back = await foreignSessions(maintenance, options.database);
  if (back.length === 0) return ended;
  throw new CutoverError({
    code: "SOURCE_STILL_USED",
    message: `Sessions came back to the source after all services had moved: ${describe(back)}.`,
    remedy:
      "Find what connects there (another project, a job with a literal URL), point it at the target or stop it, then run again.",
  });
}

/** Ends every session on the database that is not ours; returns how many. */
export async function endSessions(maintenance: pg.Client, database: string): Promise<number> {
  const { rowCount } = await maintenance.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where ${foreign}`,
    [database, `${applicationNamePrefix}:%`],
  );
  return rowCount ?? 0;
}

/**
 * Ends every session on a sealed database that is not ours until none is left: one that was just starting shows itself
 * late, and a terminated one may still be committing.
 */
export async function waitUntilEmpty(maintenance: pg.Client, database: string): Promise<void> {
  for (let quiet = 0; quiet < 3; ) {
    quiet = (await endSessions(maintenance, database)) === 0 ? quiet + 1 : 0;
    await delay(100);
  }
}

/** Sessions on the database that are not ours, asked from another database of the server. */
export async function foreignSessions(
  maintenance: pg.Client,
  database: string,
): Promise<{ name: string; address: string | null }[]> {
  const { rows } = await maintenance.query(
    `select distinct application_name as name, host(client_addr) as address from pg_stat_activity where ${foreign}`,
    [database, `${applicationNamePrefix}:%`],
  );
  return rows;
}

const foreign =
  "datname = $1 and backend_type = 'client backend' and pid <> pg_backend_pid() and application_name not like $2";

function describe(sessions: readonly { name: string; address: string | null }[]): string {
  return sessions
    .map(({ name, address }) => `${name || "unnamed"} from ${address ?? "a local socket"}`)
    .join(", ");
}
