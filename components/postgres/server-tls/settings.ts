import type pg from "pg";
import { quoteIdentifier, quoteLiteral } from "../identifiers.ts";
import { certificateFile } from "./certificate-file.ts";

/** The settings that switch TLS on, in the order in which they are written: `ssl` only when its files are named. */
export const tlsSettings = [
  { name: "ssl_cert_file", value: certificateFile },
  { name: "ssl_key_file", value: certificateFile },
  { name: "ssl", value: "on" },
] as const;

export type TlsSettingName = (typeof tlsSettings)[number]["name"];

/** What the server says about its settings of TLS, and about its configuration files as far as a reload matters. */
export interface TlsConfiguration {
  /** Ours that stand in `postgresql.auto.conf`, where ALTER SYSTEM writes. */
  readonly own: readonly TlsSettingName[];
  /** What somebody else set: the setting and where, such as `ssl in postgresql.conf`. */
  readonly foreign: readonly string[];
  /** The server has `ssl` on, as it last read its files; whether it serves TLS only a connection tells. */
  readonly isOn: boolean;
  /** Files that changed since the server last read them: a reload would put that into force, too. */
  readonly unread: readonly string[];
  /** Entries of the configuration files that the server cannot apply: with one of them a reload changes nothing. */
  readonly broken: readonly string[];
  /** ALTER SYSTEM would leave every line of `postgresql.auto.conf` as it is: nobody edited that file by hand. */
  readonly isAutoFilePlain: boolean;
}

/** Where ALTER SYSTEM writes, in the data folder. */
export const autoFile = "postgresql.auto.conf";

/** Reads only. Takes a superuser. */
export async function readTlsConfiguration(client: pg.Client): Promise<TlsConfiguration> {
  const { rows: written } = await client.query<Entry>(entriesQuery);
  const { rows: given } = await client.query<{ name: string; source: string }>(givenQuery);
  const { rows: files } = await client.query<{ name: string }>(unreadQuery);
  const { rows } = await client.query<{ isOn: boolean; isAutoFilePlain: boolean }>(stateQuery);
  const entries = written.filter(({ name }) => name.startsWith("ssl"));
  const isOwn = (entry: Entry) =>
    entry.file === autoFile &&
    tlsSettings.some(({ name, value }) => entry.name === name && entry.setting === value);
  return {
    own: tlsSettings
      .map(({ name }) => name)
      .filter((name) => entries.some((entry) => entry.name === name && isOwn(entry))),
    foreign: [
      ...entries.filter((entry) => !isOwn(entry)).map(({ name, file }) => `${name} in ${file}`),
      ...given.map(({ name, source }) => `${name} from the ${source}`),
    ],
    isOn: rows[0]?.isOn ?? false,
    unread: files.map(({ name }) => name),
    broken: written.filter(({ error }) => error !== null).map(({ name, file }) => `${name} in ${file}`),
    isAutoFilePlain: rows[0]?.isAutoFilePlain ?? false,
  };
}

interface Entry {
  readonly name: string;
  readonly setting: string;
  readonly file: string;
  readonly error: string | null;
}

/** ALTER SYSTEM: outside of a transaction, one setting at a time, each an atomic rewrite of the file. */
export async function writeTlsSetting(client: pg.Client, name: TlsSettingName): Promise<void> {
  const value = tlsSettings.find((setting) => setting.name === name)?.value ?? "";
  await client.query(`alter system set ${quoteIdentifier(name)} = ${quoteLiteral(value)}`);
}

export async function resetTlsSetting(client: pg.Client, name: TlsSettingName): Promise<void> {
  await client.query(`alter system reset ${quoteIdentifier(name)}`);
}

/** Tells the server to read its files again. It does so a moment later; sessions that are open go on as they are. */
export async function reloadConfiguration(client: pg.Client): Promise<void> {
  await client.query("select pg_reload_conf()");
}

const fileName = "regexp_replace(sourcefile, '^.*/', '')";

// One that takes a restart is no reason for the others not to be applied (guc-file.l, ProcessConfigFileInternal).
const entriesQuery = `
  select lower(coalesce(name, '?')) as name, coalesce(setting, '') as setting,
         case when sourcefile = current_setting('data_directory') || '/${autoFile}' then '${autoFile}'
              else ${fileName} end as file,
         nullif(error, 'setting could not be applied') as error
    from pg_file_settings
   where name ilike 'ssl%' or error is not null
   order by seqno`;

// What a file says is told by its entries; 'override' is what the server sets itself.
const givenQuery = `
  select name, source from pg_settings
   where name like 'ssl%' and context <> 'internal' and source not in ('default', 'configuration file', 'override')
   order by name`;

// The time of a file has whole seconds: a change in the very second of the last reading is not told.
const unreadQuery = `
  select ${fileName} as name
    from (select current_setting(name) from unnest(array['config_file', 'hba_file', 'ident_file']) as name
          union select sourcefile from pg_file_settings
          union select current_setting('data_directory') || '/${autoFile}') as file (sourcefile)
   where (pg_stat_file(sourcefile, true)).modification > pg_conf_load_time()
   order by 1`;

// The file may hold a password of a replication: it is looked through where it is. Its first two lines are comments
// that ALTER SYSTEM writes itself (guc.c, write_auto_conf_file).
const stateQuery = `
  select current_setting('ssl') = 'on' as "isOn",
         coalesce((select bool_and(line ~ '^[A-Za-z_][A-Za-z0-9_.]* = ''.*''$' or (number <= 2 and line ~ '^# ') or line = '')
                     from regexp_split_to_table(pg_read_file('${autoFile}', 0, 1048576, true), E'\\n')
                          with ordinality as content (line, number)), true) as "isAutoFilePlain"`;
