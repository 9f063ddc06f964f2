import { applicationNamePrefix, keepaliveSettings, type ReachedTarget } from "../connection.ts";

/** The whole environment of one of PostgreSQL's programs: how it reaches the database, and nothing of this process's. */
export function clientEnvironment(
  target: ReachedTarget,
  { purpose, readOnly }: { readonly purpose: string; readonly readOnly: boolean },
): NodeJS.ProcessEnv {
  return {
    PGHOST: target.host,
    PGPORT: String(target.port),
    PGDATABASE: target.database,
    PGUSER: target.user,
    PGPASSWORD: target.password,
    PGSSLMODE: target.tls === "require" ? "require" : "disable",
    PGGSSENCMODE: "disable",
    PGCONNECT_TIMEOUT: "15",
    PGAPPNAME: `${applicationNamePrefix}:${purpose}`,
    PGCLIENTENCODING: "UTF8",
    PGOPTIONS: Object.entries({
      standard_conforming_strings: "on",
      default_transaction_read_only: readOnly ? "on" : "off",
      ...keepaliveSettings,
    })
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(" "),
    // No home: a root.crt or .pgpass of the operator would change how the server is checked or the login is made.
    HOME: "/nonexistent",
    LC_ALL: "C",
  };
}
