import type { ClientBase } from "pg";
import { sqlState } from "../../errors.ts";

export interface Setting {
  readonly name: string;
  readonly value: string;
}

/**
 * What our sessions pin and the application's functions and views may depend on: values as text, the day of a moment.
 * An index or a materialised view that is built under other settings holds other values than the application looks for.
 * `IntervalStyle` and `lc_monetary` are not among them: rows in the text format would be misread.
 */
const buildSettings = ["TimeZone", "DateStyle", "bytea_output", "extra_float_digits", "xmlbinary"];

const allSettings = [...buildSettings, "IntervalStyle", "lc_monetary"];

/** A view's owner is shown what its policies show him, where our sessions fail rather than miss a row. */
const ownerSettings = [...allSettings, "row_security"];

/** Gives a session that loads and builds the application's settings. */
export const useApplicationSettingsQuery = useQuery(buildSettings);

/** Runs `use`, which reads no row for us, under all of the application's settings. */
export async function withApplicationSettings(client: ClientBase, use: () => Promise<void>): Promise<void> {
  const { rows } = await client.query<Setting>(
    `SELECT name, pg_catalog.current_setting(name) AS value FROM ${listOf(ownerSettings)} AS own(name)`,
  );
  await client.query(useQuery(ownerSettings));
  await use();
  await client.query(
    "SELECT pg_catalog.set_config(name, value, false) FROM ROWS FROM (unnest($1::text[]), unnest($2::text[])) AS own(name, value)",
    [rows.map(({ name }) => name), rows.map(({ value }) => value)],
  );
}

/**
 * The settings that a session of this role has in this database when it pins none: of the role, of the database, of the
 * server's files. None where our role may not read the server's files.
 */
export async function readApplicationSettings(client: ClientBase): Promise<Setting[]> {
  try {
    return (await client.query<Setting>(settingsQuery(allSettings))).rows;
  } catch (error) {
    if (sqlState(error) === insufficientPrivilege) return [];
    throw error;
  }
}

const insufficientPrivilege = "42501";

function useQuery(names: readonly string[]): string {
  return `SELECT pg_catalog.set_config(own.name, own.value, false) FROM (${settingsQuery(names)}) AS own`;
}

function listOf(names: readonly string[]): string {
  return `(VALUES ${names.map((name) => `('${name}')`).join(", ")})`;
}

/**
 * SQL for the value that the current role has been given for a setting in this database, in at most one row. The most
 * specific of the four kinds of `pg_db_role_setting` rows wins (manual, "ALTER ROLE").
 *
 * @param name SQL for the setting's name
 */
export function boundSetting(name: string): string {
  return `
      SELECT pg_catalog.substr(entry, pg_catalog.strpos(entry, '=') + 1) AS value
        FROM pg_catalog.pg_db_role_setting setting
       CROSS JOIN pg_catalog.unnest(setting.setconfig) AS entry
       WHERE lower(pg_catalog.split_part(entry, '=', 1)) = lower(${name})
         AND setting.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
         AND setting.setrole IN (0, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user))
       ORDER BY (setting.setrole <> 0)::int + (setting.setdatabase <> 0)::int DESC, setting.setrole <> 0 DESC
       LIMIT 1`;
}

function settingsQuery(names: readonly string[]): string {
  return `
  SELECT known.name, COALESCE(bound.value, written.setting, known.boot_val) AS value
    FROM ${listOf(names)} AS wanted(name)
    JOIN pg_catalog.pg_settings known ON known.name = wanted.name
    LEFT JOIN LATERAL (${boundSetting("known.name")}) AS bound ON true
    LEFT JOIN LATERAL (
      SELECT file.setting FROM pg_catalog.pg_file_settings file
       WHERE lower(file.name) = lower(known.name) AND file.error IS NULL
       ORDER BY file.seqno DESC LIMIT 1) AS written ON true`;
}
