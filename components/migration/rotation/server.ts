import { randomBytes } from "node:crypto";
import type pg from "pg";
import { CutoverError, hasCode } from "../../errors.ts";
import { type ConnectionTarget, connect, endConnection } from "../../postgres/connection.ts";
import { quoteIdentifier, quoteLiteral } from "../../postgres/identifiers.ts";
import { scramVerifier } from "../../postgres/scram-verifier.ts";
import { pause } from "../../railway/waiting.ts";

/**
 * A second superuser that exists as long as a rotation is under way, with the new password: whatever the run dies between,
 * what Railway's variable holds by then logs one of the two in.
 */
export const rotationRole = "pgvector_cutover_rotation";

/** The same database, logged in to by the rotation's own role. */
export function asRotationRole(connection: ConnectionTarget, password: string): ConnectionTarget {
  return { ...connection, user: rotationRole, password };
}

/** 256 bits in characters that a URL takes as they are: Railway inserts them into `DATABASE_URL` without encoding. */
export function newPassword(): string {
  return randomBytes(32).toString("base64url");
}

/** What the server stores of a role's password. */
export interface RoleFacts {
  readonly isSuperuser: boolean;
  /** `null`: it has none, and the server asks for none. */
  readonly verifier: string | null;
  /** Applications of other sessions that logged in this role, and how many there are of each. */
  readonly sessions: readonly { readonly application: string; readonly count: number }[];
  /** Standbys and receivers of logical replication that logged in this role: they cannot come back with the old password. */
  readonly replicating: readonly string[];
  readonly isStandby: boolean;
}

/** Looks at a role. Reads only; what only a superuser may see is left out for others. */
export async function readRole(client: pg.Client, role: string): Promise<RoleFacts> {
  const { rows } = await client.query(
    `select rolsuper, pg_is_in_recovery() as standby,
            (select rolsuper from pg_roles where rolname = current_user) as may_look
       from pg_roles where rolname = $1`,
    [role],
  );
  const facts = rows[0] ?? { rolsuper: false, standby: false, may_look: false };
  const isSuperuser = facts.rolsuper && facts.may_look;
  const { rows: stored } = isSuperuser
    ? await client.query("select rolpassword from pg_authid where rolname = $1", [role])
    : { rows: [] };
  const { rows: sessions } = await client.query(
    `select application_name as application, count(*)::int as count
       from pg_stat_activity
      where usename = $1 and backend_type = 'client backend' and application_name not like 'pgvector_cutover:%'
      group by 1 order by 1`,
    [role],
  );
  const { rows: replicating } = await client.query(
    "select distinct application_name as name from pg_stat_replication where usename = $1 order by 1",
    [role],
  );
  return {
    isSuperuser,
    verifier: stored[0]?.rolpassword ?? null,
    sessions,
    replicating: replicating.map(({ name }) => name),
    isStandby: facts.standby,
  };
}

/** Makes the rotation's role, or gives the one that is there this password. */
export async function giveRotationRole(client: pg.Client, password: string): Promise<void> {
  const { rows } = await client.query("select from pg_roles where rolname = $1", [rotationRole]);
  const verb = rows.length === 0 ? "create" : "alter";
  await client.query(
    `${verb} role ${quoteIdentifier(rotationRole)} superuser login password ${quoteLiteral(scramVerifier(password))}`,
  );
}

export async function dropRotationRole(client: pg.Client): Promise<void> {
  await client.query(`drop role if exists ${quoteIdentifier(rotationRole)}`);
}

/** Gives a role what the server is to store as its password; one of an earlier `readRole` brings that password back. */
export async function setVerifier(client: pg.Client, role: string, verifier: string): Promise<void> {
  await client.query(`alter role ${quoteIdentifier(role)} password ${quoteLiteral(verifier)}`);
}

/** Whether the server lets this account in. What is no refusal of the account is thrown. */
export async function isAccepted(connection: ConnectionTarget): Promise<boolean> {
  try {
    await endConnection(await connect(connection, { purpose: "observe", readOnly: true }));
    return true;
  } catch (error) {
    if (isRefusal(error)) return false;
    throw error;
  }
}

/** A wrong password (28P01), no such role, or a pg_hba.conf that keeps it out (28000). */
export function isRefusal(error: unknown): boolean {
  return hasCode(error, "WRONG_PASSWORD");
}

/**
 * Ends the role's sessions that are older than the change: they were let in by the old password. Those in the middle of a
 * transaction get some time to finish it.
 *
 * @returns how many were ended
 */
export async function endOlderSessions(
  client: pg.Client,
  role: string,
  changedAt: string,
  { graceMs = 10_000, signal }: { readonly graceMs?: number; readonly signal?: AbortSignal } = {},
): Promise<number> {
  const giveUpAt = performance.now() + graceMs + terminationMs;
  const graceEndsAt = performance.now() + graceMs;
  const ended = new Set<number>();
  for (;;) {
    const { rows } = await client.query(
      `select pid, case when state = 'idle' or $3 then pg_terminate_backend(pid) end as ended
         from pg_stat_activity
        where usename = $1 and backend_start <= $2::timestamptz and pid <> pg_backend_pid()
          and backend_type in ('client backend', 'walsender')`,
      [role, changedAt, performance.now() >= graceEndsAt],
    );
    for (const row of rows) if (row.ended) ended.add(row.pid);
    if (rows.length === 0) return ended.size;
    if (performance.now() >= giveUpAt) {
      throw new CutoverError({
        code: "SESSIONS_REMAIN",
        message: `${rows.length} sessions that were opened with the old password do not end, although the server was told to end them.`,
        remedy: "Look at them in pg_stat_activity, then run the same command again.",
      });
    }
    await pause(250, signal);
  }
}

const terminationMs = 30_000;

/**
 * For the rest of a superuser's session: a verifier is no password, but nobody has to find one in a log, where parameters of
 * statements may be, too, or in the statistics.
 */
export async function keepOutOfLog(client: pg.Client): Promise<void> {
  await client.query(
    `select set_config(name, value, false)
       from (values ('log_statement', 'none'), ('log_min_duration_statement', '-1'), ('log_duration', 'off'),
                    ('log_min_duration_sample', '-1'), ('log_transaction_sample_rate', '0'),
                    ('log_min_error_statement', 'panic'), ('log_parameter_max_length_on_error', '0'),
                    ('pg_stat_statements.track', 'none')) as setting(name, value)`,
  );
}
