import type { ClientBase } from "pg";
import type { Finding } from "../../finding.ts";
import { findingsOf, listNames } from "../definitions.ts";

/** What one server says about itself, its current database, and the role we log in as. */
export interface ServerFacts {
  readonly versionNumber: number;
  readonly major: number;
  readonly database: string;
  readonly user: string;
  /** The same for a clone made from a volume backup, so equality alone proves nothing. */
  readonly systemIdentifier: string | null;
  readonly inRecovery: boolean;
  readonly isSuperuser: boolean;
  readonly bypassesRowSecurity: boolean;
  readonly encoding: string;
  /** With the provider and its locale where that is not the operating system. */
  readonly collation: string;
  readonly characterType: string;
  readonly maxConnections: number;
  readonly reservedConnections: number;
  /** Client sessions of the whole server, ours included. */
  readonly connections: number;
  /** Sessions of this database that are not ours. */
  readonly otherSessions: number;
  /** Capacity of the shared lock table, in locks. */
  readonly lockCapacity: number;
  readonly databaseSizeBytes: number;
  readonly offersTls: boolean;
  /** Where its data is; `null` when our role may not ask. */
  readonly dataFolder: string | null;
  /** Databases beside the current one and the server's own. */
  readonly otherDatabases: readonly string[];
  /** Our pinned settings hold, and the process that answers is the one that we were told of. */
  readonly isDirect: boolean;
}

export const serverDefinitions = {
  POOLER_IN_BETWEEN: {
    severity: "blocker",
    acceptable: false,
    remedy:
      "Use the server's own URL: session settings, advisory locks and exported snapshots do not survive a pooler.",
  },
  SOURCE_IN_RECOVERY: {
    severity: "blocker",
    acceptable: false,
    remedy: "Name the service that runs the primary; a replica can be neither paused nor fenced.",
  },
  TARGET_IN_RECOVERY: {
    severity: "blocker",
    acceptable: false,
    remedy: "Name the service that runs the primary; a replica accepts no writes.",
  },
  NOT_SUPERUSER: {
    severity: "blocker",
    acceptable: false,
    remedy: "Let the service's DATABASE_URL use the superuser `postgres`, Railway's default.",
  },
  SOURCE_TOO_OLD: {
    severity: "blocker",
    acceptable: false,
    remedy: "Upgrade the source to PostgreSQL 14 or later first.",
  },
  TARGET_TOO_OLD: {
    severity: "blocker",
    acceptable: false,
    remedy: "Deploy the target with PostgreSQL 15 or later, for example `pgvector/pgvector:pg17`.",
  },
  TARGET_OLDER_THAN_SOURCE: {
    severity: "blocker",
    acceptable: false,
    remedy: "Deploy the target with at least the source's major version.",
  },
  ENCODING_DIFFERS: {
    severity: "blocker",
    acceptable: false,
    remedy: "Create the target database with the source's encoding.",
  },
  COLLATION_DIFFERS: {
    severity: "warning",
    acceptable: false,
    remedy: "Check that no query, constraint or range partition relies on the text order of the source.",
  },
  ENCODING_UNCHECKED: {
    severity: "warning",
    acceptable: false,
    remedy: "Nothing, if the applications always wrote it so: the bytes are moved as they are.",
  },
  OTHER_DATABASES: {
    severity: "warning",
    acceptable: false,
    remedy: "Move what is needed from them yourself before the old service is removed.",
  },
  FEWER_CONNECTIONS: {
    severity: "warning",
    acceptable: false,
    remedy:
      "Raise max_connections on the target to the source's at least, and restart it before the cutover.",
  },
  CONNECTION_SLOTS: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Raise max_connections on that server or close idle sessions there; lower `copy.workers` if that is enough.",
  },
} as const;

const found = findingsOf(serverDefinitions);

/** The fence is made with CREATE OR REPLACE TRIGGER, which came with 14. */
const oldestSource = 14;
const oldestTarget = 15;

/** Sessions that the cutover itself keeps open beside the copy workers: lock, snapshot, journal, watch, fence. */
const ownSessions = 6;

export async function readServer(client: ClientBase): Promise<ServerFacts> {
  const { rows } = await client.query<
    Omit<ServerFacts, "major" | "systemIdentifier" | "isDirect"> & Directness
  >(serverQuery);
  const { backendPid, searchPath, mayReadControl, ...facts } = rows[0] as ServerFacts & Directness;
  // `processID` is what the server sent at the start of the session (BackendKeyData); a pooler sends one of its own.
  const announcedPid = (client as ClientBase & { processID?: number }).processID;
  return {
    ...facts,
    major: Math.floor(facts.versionNumber / 10_000),
    systemIdentifier: mayReadControl ? await readSystemIdentifier(client) : null,
    isDirect: searchPath === "pg_catalog" && (announcedPid === undefined || announcedPid === backendPid),
  };
}

/** Checks what one server tells by itself. */
export function checkServer(side: "source" | "target", server: ServerFacts): Finding[] {
  const findings: Finding[] = [];
  if (!server.isDirect) {
    findings.push(
      found("POOLER_IN_BETWEEN", side, "What answers is not the server itself but a connection pooler."),
    );
  }
  if (server.inRecovery) {
    findings.push(
      found(
        side === "source" ? "SOURCE_IN_RECOVERY" : "TARGET_IN_RECOVERY",
        side,
        "The server is a replica (in recovery).",
      ),
    );
  }
  if (!server.isSuperuser) {
    findings.push(
      found(
        "NOT_SUPERUSER",
        side,
        `The role ${server.user} is no superuser, so it can neither create the event trigger that fences DDL nor seal the database.`,
      ),
    );
  }
  if (side === "source" && server.otherDatabases.length > 0) {
    findings.push(
      found(
        "OTHER_DATABASES",
        side,
        `Its server holds other databases, which are not looked into and stay there: ${listNames(server.otherDatabases)}.`,
      ),
    );
  }
  if (side === "source" && server.encoding === "SQL_ASCII") {
    findings.push(
      found(
        "ENCODING_UNCHECKED",
        side,
        "Its encoding is SQL_ASCII: the server never checked that text is valid in any encoding.",
      ),
    );
  }
  if (side === "source" && server.major < oldestSource) {
    findings.push(found("SOURCE_TOO_OLD", side, `It runs PostgreSQL ${server.major}.`));
  }
  if (side === "target" && server.major < oldestTarget) {
    findings.push(found("TARGET_TOO_OLD", side, `It runs PostgreSQL ${server.major}.`));
  }
  return findings;
}

/** Checks what only the comparison of both servers tells. */
export function compareServers(source: ServerFacts, target: ServerFacts): Finding[] {
  const findings: Finding[] = [];
  if (target.major < source.major) {
    findings.push(
      found(
        "TARGET_OLDER_THAN_SOURCE",
        "target",
        `The target runs PostgreSQL ${target.major}, the source ${source.major}: a dump cannot be loaded into an older server.`,
      ),
    );
  }
  if (target.maxConnections < source.maxConnections) {
    findings.push(
      found(
        "FEWER_CONNECTIONS",
        "target",
        `The source allows ${source.maxConnections} connections, the target ${target.maxConnections}, which its present users share with the moved services.`,
      ),
    );
  }
  if (source.encoding !== target.encoding) {
    findings.push(
      found(
        "ENCODING_DIFFERS",
        "target",
        `The source is encoded in ${source.encoding}, the target in ${target.encoding}: text could be loaded that later cannot be read.`,
      ),
    );
  }
  if (source.collation !== target.collation || source.characterType !== target.characterType) {
    findings.push(
      found(
        "COLLATION_DIFFERS",
        "target",
        `The source sorts text by ${source.collation}/${source.characterType}, the target by ${target.collation}/${target.characterType}; indexes are rebuilt, the order of results may change.`,
      ),
    );
  }
  return findings;
}

/** Whether the source has room for the sessions that read the copy beside those that use it now. */
export function checkSourceSlots(source: ServerFacts, copyWorkers: number): Finding[] {
  const free = source.maxConnections - source.reservedConnections - source.connections;
  const needed = ownSessions + copyWorkers;
  if (free >= needed) return [];
  return [
    found(
      "CONNECTION_SLOTS",
      "source",
      `${free} of ${source.maxConnections} connections are free, but about ${needed} are needed: ${ownSessions} for the cutover and ${copyWorkers} copy workers.`,
    ),
  ];
}

/** Whether the target has room for the copy and for the sessions that now use the source. */
export function checkConnectionSlots(
  source: ServerFacts | undefined,
  target: ServerFacts,
  copyWorkers: number,
): Finding[] {
  const free = target.maxConnections - target.reservedConnections - target.connections;
  const needed = ownSessions + Math.max(copyWorkers, source?.otherSessions ?? 0);
  if (free >= needed) return [];
  return [
    found(
      "CONNECTION_SLOTS",
      "target",
      `${free} of ${target.maxConnections} connections are free, but about ${needed} are needed: ${ownSessions} for the cutover, then ${copyWorkers} copy workers or the ${source?.otherSessions ?? "unknown number of"} sessions that now use the source.`,
    ),
  ];
}

interface Directness {
  readonly backendPid: number;
  readonly searchPath: string;
  readonly mayReadControl: boolean;
}

async function readSystemIdentifier(client: ClientBase): Promise<string> {
  const { rows } = await client.query<{ identifier: string }>(
    "SELECT system_identifier::text AS identifier FROM pg_catalog.pg_control_system()",
  );
  return (rows[0] as { identifier: string }).identifier;
}

const serverQuery = `
  SELECT current_setting('server_version_num')::int AS "versionNumber",
         current_database()::text AS database,
         current_user::text AS "user",
         pg_is_in_recovery() AS "inRecovery",
         r.rolsuper AS "isSuperuser",
         r.rolsuper OR r.rolbypassrls AS "bypassesRowSecurity",
         pg_encoding_to_char(d.encoding)::text AS encoding,
         concat_ws(' ', d.datcollate, NULLIF(to_jsonb(d) ->> 'datlocprovider', 'c'),
                   COALESCE(to_jsonb(d) ->> 'daticulocale', to_jsonb(d) ->> 'datlocale'), to_jsonb(d) ->> 'daticurules') AS collation,
         d.datctype::text AS "characterType",
         current_setting('max_connections')::int AS "maxConnections",
         current_setting('superuser_reserved_connections')::int
           + COALESCE(current_setting('reserved_connections', true)::int, 0) AS "reservedConnections",
         (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
         (SELECT count(*)::int FROM pg_stat_activity
           WHERE backend_type = 'client backend' AND datname = current_database() AND pid <> pg_backend_pid())
           AS "otherSessions",
         current_setting('max_locks_per_transaction')::int
           * (current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int)
           AS "lockCapacity",
         pg_database_size(d.oid)::float8 AS "databaseSizeBytes",
         CASE WHEN r.rolsuper THEN current_setting('data_directory') END AS "dataFolder",
         current_setting('ssl') = 'on' AS "offersTls",
         ARRAY(SELECT o.datname::text FROM pg_database o
                WHERE NOT o.datistemplate AND o.datname NOT IN (current_database(), 'postgres') ORDER BY 1) AS "otherDatabases",
         pg_backend_pid() AS "backendPid",
         current_setting('search_path') AS "searchPath",
         has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') AS "mayReadControl"
    FROM pg_database d, pg_roles r
   WHERE d.datname = current_database() AND r.rolname = current_user`;
