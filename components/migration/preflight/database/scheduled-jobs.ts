import type { ClientBase } from "pg";
import type { Finding } from "../../finding.ts";
import { findingsOf } from "../definitions.ts";

/** What pg_cron runs on a database. A job's command is never read: it can hold constants of the application. */
export interface ScheduledJobs {
  /** Active jobs for this database, by name or number. */
  readonly jobs: readonly string[];
  /** The database that holds pg_cron's jobs when it is another one, which is not looked into. */
  readonly keptIn: string | null;
}

export const scheduledJobDefinitions = {
  SCHEDULED_JOB: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Disable the job on the source (cron.alter_job(…, active := false)), and schedule it on the target after the cutover; or accept that it is lost.",
  },
} as const;

const found = findingsOf(scheduledJobDefinitions);

export async function readScheduledJobs(client: ClientBase): Promise<ScheduledJobs> {
  const { rows } = await client.query<{ isHere: boolean; keptIn: string | null }>(
    `SELECT to_regclass('cron.job') IS NOT NULL AS "isHere",
            NULLIF(NULLIF(current_setting('cron.database_name', true), ''), current_database()::text) AS "keptIn"`,
  );
  const { isHere, keptIn } = rows[0] as { isHere: boolean; keptIn: string | null };
  if (!isHere) return { jobs: [], keptIn };
  // Older versions of pg_cron have neither names nor other databases, hence the detour by jsonb.
  const { rows: jobs } = await client.query<{ name: string }>(
    `SELECT COALESCE(row ->> 'jobname', 'number ' || (row ->> 'jobid')) AS name
       FROM (SELECT to_jsonb(job) AS row FROM cron.job) listed
      WHERE COALESCE(row ->> 'active', 'true') = 'true'
        AND COALESCE(row ->> 'database', current_database()::text) = current_database()::text
      ORDER BY 1`,
  );
  return { jobs: jobs.map(({ name }) => name), keptIn: null };
}

export function checkScheduledJobs({ jobs, keptIn }: ScheduledJobs): Finding[] {
  if (keptIn !== null) {
    return [
      found(
        "SCHEDULED_JOB",
        `pg_cron in ${keptIn}`,
        `pg_cron keeps its jobs in the database ${keptIn}, which was not looked into: they can write to the source during the cutover.`,
      ),
    ];
  }
  return jobs.map((job) =>
    found(
      "SCHEDULED_JOB",
      `pg_cron ${job}`,
      "pg_cron runs this job on the source, where its writes are refused from the cutover on; the target does not get it.",
    ),
  );
}
