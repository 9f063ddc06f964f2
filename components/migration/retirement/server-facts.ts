import type pg from "pg";
import { scratchDatabases } from "../../postgres/archive/scratch-database.ts";
import { applicationNamePrefix } from "../../postgres/connection.ts";
import { isSealed } from "../../postgres/fence/fence.ts";
import { currentMajor } from "../../postgres/relations.ts";

/** What the running old server tells from outside of the sealed database. */
export interface ServerFacts {
  readonly major: number;
  readonly isSealed: boolean;
  /** Whoever is connected to any database of the server, in words. */
  readonly sessions: readonly string[];
  /** Slots, standbys, subscriptions and prepared transactions, in words. */
  readonly links: readonly string[];
  readonly cronJobs: readonly string[];
  /** Databases beside the one that was moved: they would go with the volume, and are in no backup. */
  readonly otherDatabases: readonly string[];
  readonly databaseBytes: number;
  /** What a killed run left beside it: the next one begins with dropping that. */
  readonly scratchBytes: number;
  /** What the write-ahead log may take while a database is copied. */
  readonly walBytes: number;
}

type Sizes = Pick<ServerFacts, "databaseBytes" | "scratchBytes" | "walBytes">;

/** Looks at the server from its maintenance database. Reads only. */
export async function readServerFacts(maintenance: pg.Client, database: string): Promise<ServerFacts> {
  const names = async (text: string, parameters: unknown[] = []) =>
    (await maintenance.query<{ name: string }>(text, parameters)).rows.map(({ name }) => name);
  const { rows } = await maintenance.query<Sizes>(
    `select pg_database_size($1)::float8 as "databaseBytes",
            (select coalesce(sum(pg_database_size(oid)), 0)::float8 from pg_database where datname = any($2)) as "scratchBytes",
            pg_size_bytes(current_setting('max_wal_size'))::float8 as "walBytes"`,
    [database, Object.values(scratchDatabases)],
  );
  const sizes = rows[0] as Sizes;
  return {
    ...sizes,
    major: await currentMajor(maintenance),
    isSealed: await isSealed(maintenance, database),
    sessions: await names(sessionsQuery, [database, `${applicationNamePrefix}:%`]),
    links: await names(linksQuery, [database]),
    cronJobs: await readCronJobs(maintenance, database),
    otherDatabases: [
      ...(await names(otherDatabasesQuery, [database, Object.values(scratchDatabases)])),
      ...(await names(maintenanceTablesQuery)),
    ],
  };
}

/** pg_cron keeps all jobs of a server in one database, and says which (`cron.database_name`). */
export async function readCronJobs(client: pg.Client, database: string): Promise<string[]> {
  const { rows: present } = await client.query("select to_regclass('cron.job') is not null as present");
  if (!present[0].present) return [];
  // Older versions of pg_cron have no names, and no other databases than their own, hence the detour by jsonb.
  const { rows } = await client.query<{ name: string }>(
    `select coalesce(job->>'jobname', job->>'jobid') as name from (select to_jsonb(j) as job from cron.job j) listed
      where coalesce((job->>'active')::boolean, true) and coalesce(job->>'database', $1) = $1 order by 1`,
    [database],
  );
  return rows.map(({ name }) => name);
}

/** On the database anybody but the server's own maintenance; on the others, clients and replication. */
const sessionsQuery = `
  select distinct coalesce(nullif(application_name, ''), 'an unnamed application')
         || case when backend_type = 'client backend' then '' else ' (' || backend_type || ')' end
         || coalesce(' in database ' || nullif(datname, $1), '')
         || coalesce(' from ' || host(client_addr), '') as name
    from pg_stat_activity
   where pid <> pg_backend_pid() and application_name not like $2
     and (datname = $1 and backend_type not in ('autovacuum worker', 'parallel worker')
          or backend_type in ('client backend', 'walsender') or backend_type like 'logical replication%worker%')
   order by 1`;

/** A physical slot has no database, and belongs to a standby of the whole server. */
const linksQuery = `
  select 'replication slot ' || slot_name as name from pg_replication_slots where database = $1 or database is null
  union all
  select 'subscription ' || subname from pg_subscription
   where subdbid = (select oid from pg_database where datname = $1)
  union all
  select 'prepared transaction ' || gid from pg_prepared_xacts where database = $1
   order by 1`;

const otherDatabasesQuery = `
  select 'database ' || datname as name from pg_database
   where not datistemplate and datname <> $1 and datname <> 'postgres' and datname <> all($2) order by 1`;

/** In the maintenance database, which every server has, and which is empty unless somebody used it. */
const maintenanceTablesQuery = `
  select 'table ' || c.oid::regclass::text || ' in database ' || current_database() as name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where c.relkind in ('r', 'p', 'm') and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
     and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
   order by 1`;
