import type { ClientBase } from "pg";
import { sqlState } from "../../../errors.ts";
import type { Finding } from "../../finding.ts";
import { findingsOf } from "../definitions.ts";
import { readOnlySetting } from "./read-only.ts";
import type { BoundSetting } from "./settings.ts";

export const serverSettingDefinitions = {
  SERVER_SETTING_DIFFERS: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Set it on the target as on the source (ALTER DATABASE … SET is enough for most), or accept that queries behave differently.",
  },
} as const;

const found = findingsOf(serverSettingDefinitions);

/**
 * The settings of the whole server (configuration file, ALTER SYSTEM, command line) that change what statements mean,
 * whether they end, or whether what they did lasts, by name. Values in the form in which they were written; none where our
 * role may not see them.
 */
export async function readServerSettings(client: ClientBase): Promise<Record<string, string>> {
  try {
    const { rows } = await client.query<{ name: string; value: string }>(serverSettingsQuery, [
      [...decisiveSettings, readOnlySetting],
    ]);
    return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
  } catch (error) {
    if (sqlState(error) === insufficientPrivilege) return {};
    throw error;
  }
}

const insufficientPrivilege = "42501";

/**
 * One that the target's database sets itself as the source's server does is the same for the applications; what the
 * source's database sets is compared with what the target's sets.
 */
export function compareServerSettings(
  source: Readonly<Record<string, string>>,
  target: Readonly<Record<string, string>>,
  bound: { readonly source: readonly BoundSetting[]; readonly target: readonly BoundSetting[] },
): Finding[] {
  const inDatabase = (side: "source" | "target", name: string) =>
    bound[side].find((each) => each.scope === "database" && each.name.toLowerCase() === name.toLowerCase());
  return Object.entries(source)
    .filter(([name]) => name !== readOnlySetting && inDatabase("source", name) === undefined)
    .filter(([name, value]) => {
      const there = inDatabase("target", name)?.value ?? target[name];
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
  "idle_session_timeout",
  "transaction_timeout",
  "lock_timeout",
  "max_prepared_transactions",
  "row_security",
  "session_replication_role",
  "array_nulls",
  "backslash_quote",
  "extra_float_digits",
  "lo_compat_privileges",
  "xmlbinary",
  "xmloption",
  "synchronous_commit",
  "fsync",
  "full_page_writes",
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
