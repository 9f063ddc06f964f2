import type pg from "pg";
import { CutoverError } from "../../errors.ts";
import { applicationNamePrefix } from "../../postgres/connection.ts";
import { pause } from "../../railway/waiting.ts";
import type { MoveContext } from "./move-services.ts";

/**
 * The health check queries the database, so a healthy service has opened a session on the target since its deployment
 * began. Without any health check a service may open none for a while: that is told, not refused. Returns how many were seen.
 */
export async function proveSessions(
  context: MoveContext,
  { name, since, required }: SessionProof,
): Promise<number> {
  const giveUpAt = performance.now() + (required ? sessionWaitMs : sessionWaitMs / 4);
  for (;;) {
    const { rows } = await context.target.query(
      `select count(*)::int as count from pg_stat_activity
        where datname = current_database() and backend_type = 'client backend' and backend_start >= $1::timestamptz
          and application_name not like $2`,
      [since, `${applicationNamePrefix}:%`],
    );
    if (rows[0].count > 0) {
      context.reporter.detail(
        `${name}: ${rows[0].count} new sessions on the target since its deployment began`,
      );
      return rows[0].count;
    }
    if (performance.now() >= giveUpAt) break;
    await pause(500, context.signal);
  }
  if (!required) {
    context.reporter.detail(
      `${name}: no session on the target yet (it has no health check that would open one)`,
    );
    return 0;
  }
  throw new CutoverError({
    code: "SERVICE_NOT_SEEN_ON_TARGET",
    message: `${name} is deployed and healthy, but no new session arrived on the target.`,
    remedy: "Check that the service reads its database URL from the configured variables.",
  });
}

export interface SessionProof {
  /** The service's name. */
  readonly name: string;
  /** The target's time when the service was begun to move. */
  readonly since: string;
  /** Whether a missing session is refused. */
  readonly required: boolean;
}

const sessionWaitMs = 20_000;

/** The target server's own time, as text that it understands. */
export async function targetTime(target: pg.Client): Promise<string> {
  const { rows } = await target.query("select clock_timestamp()::text as now");
  return rows[0].now;
}
