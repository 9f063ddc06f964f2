import type { ClientBase } from "pg";
import type { Finding } from "../../finding.ts";
import { findingsOf } from "../definitions.ts";

/** A setting bound to a database, a role, or both. Its value is compared and never shown: it can be a key. */
export interface BoundSetting {
  /** `database`, `all roles`, `role app`, `role app in this database`; `server` for the one read from its files. */
  readonly scope: string;
  readonly name: string;
  readonly value: string;
}

export const settingDefinitions = {
  SETTING_LOST: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Set it on the target (ALTER DATABASE or ALTER ROLE … SET), or accept that the applications run without it.",
  },
  SETTING_ADDED: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Reset it on the target (ALTER DATABASE or ALTER ROLE … RESET), or accept that the applications run with it.",
  },
  SERVER_SETTING_DIFFERS: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Set it on the target as on the source (ALTER DATABASE … SET is enough for most), or accept that queries behave differently.",
  },
  TARGET_READ_ONLY: {
    severity: "blocker",
    acceptable: false,
    remedy:
      "Reset default_transaction_read_only on the target; if a cutover set it, `npm run status` says so.",
  },
  SOURCE_READ_ONLY: {
    severity: "warning",
    acceptable: false,
    remedy:
      "Find out who set default_transaction_read_only on the source; if a cutover did, `npm run status` says so.",
  },
} as const;

const found = findingsOf(settingDefinitions);

export async function readSettings(client: ClientBase): Promise<BoundSetting[]> {
  const { rows: bound } = await client.query<BoundSetting>(settingsQuery);
  return [...bound, ...(await readServerFiles(client))];
}

/** Whether the applications' own role meets read-only transactions; other roles are nobody's who has to write. */
export function checkReadOnly(
  side: "source" | "target",
  settings: readonly BoundSetting[],
  user: string,
): Finding[] {
  return settings
    .filter((setting) => bindsApplications(setting, user))
    .filter(({ value }) => !["off", "false", "no", "0"].includes(value.toLowerCase()))
    .map(({ scope }) =>
      found(
        side === "target" ? "TARGET_READ_ONLY" : "SOURCE_READ_ONLY",
        side,
        `default_transaction_read_only is set for the ${scope}: applications cannot write there.`,
      ),
    );
}

/** @param sourceRoles a setting of a role that the source does not know is none of the applications' */
export function compareSettings(
  source: readonly BoundSetting[],
  target: readonly BoundSetting[],
  user: string,
  sourceRoles: readonly string[],
): Finding[] {
  const onSource = new Set(source.map(({ scope, name }) => `${scope}: ${name}`));
  const reaches = ({ scope }: BoundSetting) => {
    const role = /^role (.*?)( in this database)?$/s.exec(scope)?.[1];
    return role === undefined || sourceRoles.includes(role);
  };
  const added = target
    .filter((setting) => !bindsApplications(setting, user) && reaches(setting))
    .filter(({ scope, name }) => !onSource.has(`${scope}: ${name}`) && !/^(hnsw|ivfflat)\./.test(name))
    .map(({ scope, name }) =>
      found(
        "SETTING_ADDED",
        `${scope}: ${name}`,
        "The target has this setting and the source has not: the applications would run under it.",
      ),
    );
  const lost = source
    .filter((setting) => !bindsApplications(setting, user))
    .filter(
      (setting) =>
        !target.some(
          ({ scope, name, value }) =>
            scope === setting.scope && name === setting.name && value === setting.value,
        ),
    )
    .map(({ scope, name }) =>
      found(
        "SETTING_LOST",
        `${scope}: ${name}`,
        "The source has this setting and the target has not, or has another value; a dump of schemas does not carry it.",
      ),
    );
  return [...lost, ...added];
}

/**
 * The settings of the whole server (configuration file, ALTER SYSTEM, command line) that change what statements mean or
 * whether they end, by name. Values in the form in which they were written.
 */
export async function readServerSettings(client: ClientBase): Promise<Record<string, string>> {
  const { rows: rights } = await client.query<{ mayRead: boolean }>(
    `SELECT has_function_privilege('pg_catalog.pg_show_all_file_settings()', 'EXECUTE') AS "mayRead"`,
  );
  if (rights[0]?.mayRead !== true) return {};
  const { rows } = await client.query<{ name: string; value: string }>(serverSettingsQuery, [
    decisiveSettings,
  ]);
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
}

/** One that the target's database sets itself as the source's server does is the same for the applications. */
export function compareServerSettings(
  source: Readonly<Record<string, string>>,
  target: Readonly<Record<string, string>>,
  targetBound: readonly BoundSetting[],
): Finding[] {
  return Object.entries(source)
    .filter(([name, value]) => {
      const bound = targetBound.find(
        (each) => each.scope === "database" && each.name.toLowerCase() === name.toLowerCase(),
      );
      const there = bound?.value ?? target[name];
      return there !== undefined && plain(there) !== plain(value);
    })
    .map(([name]) =>
      found(
        "SERVER_SETTING_DIFFERS",
        name,
        "The source's server is configured with another value than the target's.",
      ),
    );
}

/** `Etc/UTC` and `UTC` are one time zone; `'iso, mdy'` and `ISO,MDY` one style. */
function plain(value: string): string {
  return value
    .toLowerCase()
    .replaceAll(/[\s']+/g, "")
    .replace(/^etc\/(?=utc$)/, "")
    .replace(/^(?:true|yes|1)$/, "on")
    .replace(/^(?:false|no)$/, "off");
}

const decisiveSettings = [
  "TimeZone",
  "DateStyle",
  "IntervalStyle",
  "lc_monetary",
  "lc_numeric",
  "lc_time",
  "default_text_search_config",
  "default_transaction_isolation",
  "standard_conforming_strings",
  "transform_null_equals",
  "bytea_output",
  "search_path",
  "statement_timeout",
  "idle_in_transaction_session_timeout",
  "lock_timeout",
  "max_prepared_transactions",
];

// Our own sessions pin some of these, so that what a session shows is not what others get.
const serverSettingsQuery = `
  SELECT s.name, CASE WHEN s.source IN ('command line', 'environment variable') THEN s.setting
                      ELSE COALESCE(written.setting, s.boot_val) END AS value
    FROM pg_settings s
    LEFT JOIN LATERAL (SELECT f.setting FROM pg_file_settings f
                        WHERE lower(f.name) = lower(s.name) AND f.error IS NULL ORDER BY f.seqno DESC LIMIT 1) written ON true
   WHERE s.name = ANY ($1::text[])
   ORDER BY 1`;

function bindsApplications({ name, scope }: BoundSetting, user: string): boolean {
  return (
    name === readOnlySetting &&
    (!scope.startsWith("role ") || scope === `role ${user}` || scope === `role ${user} in this database`)
  );
}

/** ALTER SYSTEM and the configuration file. What a session shows does not tell: every session of ours sets it itself. */
async function readServerFiles(client: ClientBase): Promise<BoundSetting[]> {
  const { rows: rights } = await client.query<{ mayRead: boolean }>(
    `SELECT has_function_privilege('pg_catalog.pg_show_all_file_settings()', 'EXECUTE') AS "mayRead"`,
  );
  if (rights[0]?.mayRead !== true) return [];
  const { rows } = await client.query<BoundSetting>(
    `SELECT 'server' AS scope, name, setting AS value FROM pg_file_settings
      WHERE name = $1 AND error IS NULL ORDER BY seqno DESC LIMIT 1`,
    [readOnlySetting],
  );
  return rows;
}

const readOnlySetting = "default_transaction_read_only";

const settingsQuery = `
  SELECT CASE WHEN s.setrole = 0 AND s.setdatabase = 0 THEN 'all roles'
              WHEN s.setrole = 0 THEN 'database'
              WHEN s.setdatabase = 0 THEN 'role ' || r.rolname
              ELSE 'role ' || r.rolname || ' in this database' END AS scope,
         split_part(entry, '=', 1) AS name,
         substr(entry, strpos(entry, '=') + 1) AS value
    FROM pg_db_role_setting s
    LEFT JOIN pg_roles r ON r.oid = s.setrole
   CROSS JOIN LATERAL unnest(s.setconfig) entry
   WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
   ORDER BY 1, 2`;
