import type pg from "pg";
import { applicationNamePrefix } from "../../postgres/connection.ts";

/** Sessions of one kind that are open on the server. */
export interface SessionGroup {
  readonly user: string;
  /** As the client calls itself; `unnamed` without a name. */
  readonly application: string;
  readonly usesTls: boolean;
  readonly count: number;
}

/** A rule of `pg_hba.conf` that holds for connections with TLS only (`hostssl`) or for those without (`hostnossl`). */
export interface ConditionalRule {
  readonly line: number;
  readonly type: "hostssl" | "hostnossl";
  readonly databases: string;
  readonly users: string;
  readonly address: string;
  readonly method: string;
}

/** Who is connected now, and how; our own sessions are left out. Reads only. */
export async function readSessions(client: pg.Client): Promise<SessionGroup[]> {
  const { rows } = await client.query<SessionGroup>(
    `select a.usename::text as "user", coalesce(nullif(a.application_name, ''), 'unnamed') as application,
            coalesce(s.ssl, false) as "usesTls", count(*)::int as count
       from pg_stat_activity a left join pg_stat_ssl s using (pid)
      where a.backend_type in ('client backend', 'walsender') and a.application_name not like $1
      group by 1, 2, 3 order by 1, 2, 3`,
    [`${applicationNamePrefix}:%`],
  );
  return rows;
}

/** Rules whose meaning changes with `ssl`: without it `hostssl` matches nobody, and `hostnossl` everybody. Reads only. */
export async function readConditionalRules(client: pg.Client): Promise<ConditionalRule[]> {
  // Options are left out: they may hold the password of a directory.
  const { rows } = await client.query<ConditionalRule>(
    `select line_number as line, type, array_to_string(database, ',') as databases,
            array_to_string(user_name, ',') as users,
            concat(address, '/' || nullif(netmask, '')) as address, auth_method as method
       from pg_hba_file_rules where type in ('hostssl', 'hostnossl') order by line_number`,
  );
  return rows;
}

/** A rule as it stands in the file, without its options. */
export function describeRule(rule: ConditionalRule): string {
  const { line, type, databases, users, address, method } = rule;
  return `line ${line}: ${type} ${databases} ${users} ${address} ${method}`;
}
