import type pg from "pg";
import { CutoverError } from "../../errors.ts";
import type { ConnectionTarget } from "../../postgres/connection.ts";
import type { ServerCertificate } from "../../postgres/secure-socket.ts";
import { type CertificateFiles, readCertificateFiles } from "../../postgres/server-tls/certificate-file.ts";
import { readServedCertificate } from "../../postgres/server-tls/served-certificate.ts";
import { readTlsConfiguration, type TlsConfiguration } from "../../postgres/server-tls/settings.ts";
import { readJournal } from "../journal/journal.ts";
import type { MigrationState } from "../journal/record.ts";
import { type ConditionalRule, readConditionalRules, readSessions, type SessionGroup } from "./clients.ts";

/** Everything that a change of the target's TLS is decided by. Holds no secret. */
export interface TargetTlsObservation {
  readonly server: TlsServerFacts;
  readonly configuration: TlsConfiguration;
  readonly files: CertificateFiles;
  /** What a new connection is shown; `null` where the server offers no TLS. */
  readonly served: ServerCertificate | null;
  /** Rules of `pg_hba.conf` that hold for connections with TLS, or for those without, only. */
  readonly rules: readonly ConditionalRule[];
  readonly sessions: readonly SessionGroup[];
  /** `null` where the journal holds no migration. */
  readonly migration: MigrationState | null;
}

export interface TlsServerFacts {
  readonly major: number;
  readonly inRecovery: boolean;
  /** The server's program has a TLS library in it. */
  readonly supportsTls: boolean;
  /** `allow_alter_system`, which came with PostgreSQL 17. */
  readonly allowsAlterSystem: boolean;
}

/**
 * Looks at the target's server. Reads only.
 *
 * @throws CutoverError `TLS_NOT_SUPERUSER`, `JOURNAL_UNREADABLE`, `SERVER_UNREACHABLE`
 */
export async function observeTargetTls(
  client: pg.Client,
  connection: ConnectionTarget,
): Promise<TargetTlsObservation> {
  const { rows } = await client.query<TlsServerFacts & { readonly isSuperuser: boolean }>(serverQuery);
  const { isSuperuser, ...server } = rows[0] as TlsServerFacts & { readonly isSuperuser: boolean };
  if (!isSuperuser) throw notSuperuser(connection.user);
  return {
    server,
    configuration: await readTlsConfiguration(client),
    files: await readCertificateFiles(client),
    served: await readServedCertificate(connection),
    rules: await readConditionalRules(client),
    sessions: await readSessions(client),
    migration: (await readJournal(client))?.record.state ?? null,
  };
}

const serverQuery = `
  select current_setting('server_version_num')::int / 10000 as major,
         pg_is_in_recovery() as "inRecovery",
         current_setting('ssl_library') <> '' as "supportsTls",
         coalesce(current_setting('allow_alter_system', true), 'on') = 'on' as "allowsAlterSystem",
         (select rolsuper from pg_roles where rolname = current_user) as "isSuperuser"`;

function notSuperuser(user: string): CutoverError {
  return new CutoverError({
    code: "TLS_NOT_SUPERUSER",
    message: `The role ${user} is no superuser of the target: it may neither run a program on the server nor change its configuration. Nothing was changed.`,
    remedy: "Let the service's DATABASE_URL log in the superuser, `postgres` by Railway's default.",
  });
}
