import type pg from "pg";
import { CutoverError, sqlState } from "../../errors.ts";
import { type ConnectionTarget, connect, cutConnection, endConnection } from "../connection.ts";
import { loaderSetting } from "../fence/fence.ts";
import { quoteLiteral } from "../identifiers.ts";
import { silenceLogQuery, unlessStatementsAreLogged } from "../silent-log.ts";
import { useApplicationSettingsQuery } from "./application-settings.ts";

/** The sessions of one load, so that all of them can be cut at once. */
export class LoadSessions {
  readonly #source: ConnectionTarget;
  readonly #target: ConnectionTarget;
  readonly #snapshot: string;
  readonly #loaderSettings: Readonly<Record<string, string>>;
  readonly #buildKilobytes: number;
  readonly #open = new Set<pg.Client>();
  #cut = false;

  constructor(options: {
    source: ConnectionTarget;
    target: ConnectionTarget;
    snapshot: string;
    loaderToken?: string;
    workers: number;
  }) {
    this.#source = options.source;
    this.#target = options.target;
    this.#snapshot = options.snapshot;
    this.#loaderSettings = options.loaderToken === undefined ? {} : { [loaderSetting]: options.loaderToken };
    this.#buildKilobytes = Math.max(
      leastBuildKilobytes,
      Math.floor(buildMemoryKilobytes / mostWriters(options.workers)),
    );
  }

  /**
   * Reads the source as the exported snapshot saw it, on a session that ends right afterwards: the server would end
   * one that is idle in its transaction while the target is at work, and its locks would be in the application's way.
   *
   * @throws CutoverError those of `openSource`
   */
  async read<Result>(use: (reader: pg.Client) => Promise<Result>): Promise<Result> {
    const reader = await this.openSource();
    try {
      return await use(reader);
    } finally {
      await this.release(reader);
    }
  }

  /**
   * A session that reads the source as the exported snapshot saw it, for constant use.
   *
   * @throws CutoverError `SNAPSHOT_LOST`, those of `connect`
   */
  async openSource(): Promise<pg.Client> {
    const client = await this.#track(connect(this.#source, { purpose: "copy", readOnly: true }));
    const snapshot = `SET TRANSACTION SNAPSHOT ${quoteLiteral(this.#snapshot)}`;
    try {
      await client.query(
        `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ${snapshot}; ${silenceServerLogQuery}`,
      );
    } catch (error) {
      throw sqlState(error) === undefined ? error : snapshotLost(error);
    }
    return client;
  }

  /**
   * A session that writes the copy. Its commits are asynchronous: `commitSynchronously` makes them last.
   *
   * @param searchPath for functions of the application that name their objects without a schema
   * @throws CutoverError those of `connect`
   */
  async openTarget(searchPath: string): Promise<pg.Client> {
    const client = await this.#track(
      connect(this.#target, { purpose: "load", settings: this.#loaderSettings }),
    );
    await client.query(targetSettingsQuery, [searchPath, this.#buildKilobytes]);
    return client;
  }

  /** Cuts every session without a farewell; what runs on them fails at once, and the servers roll it back. */
  cut(): void {
    this.#cut = true;
    for (const client of this.#open) cutConnection(client);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open].map((client) => this.release(client)));
  }

  async release(client: pg.Client): Promise<void> {
    this.#open.delete(client);
    if (this.#cut) cutConnection(client);
    else await endConnection(client);
  }

  async #track(connecting: Promise<pg.Client>): Promise<pg.Client> {
    const client = await connecting;
    this.#open.add(client);
    if (this.#cut) cutConnection(client);
    return client;
  }
}

/**
 * A session that writes the copy, exchanged for a new one now and then: the fence's trigger is compiled anew for each
 * table that a session writes, and at each change of any definition the server looks through all that a session has
 * compiled. With 2,000 tables that was half of the target's work.
 */
export class Writer {
  readonly #sessions: LoadSessions;
  readonly #searchPath: string;
  #client: pg.Client;
  #tables = 0;

  /** @param searchPath what the session has, and those that come after it */
  constructor(sessions: LoadSessions, client: pg.Client, searchPath: string) {
    this.#sessions = sessions;
    this.#client = client;
    this.#searchPath = searchPath;
  }

  /** The session as it is now; not to be kept beyond a piece of work. */
  get client(): pg.Client {
    return this.#client;
  }

  /** The session to write one more table with. */
  async forNextTable(): Promise<pg.Client> {
    if (this.#tables === tablesPerSession) await this.#exchange();
    this.#tables++;
    return this.#client;
  }

  async #exchange(): Promise<void> {
    const former = this.#client;
    this.#tables = 0;
    try {
      this.#client = await this.#sessions.openTarget(this.#searchPath);
    } catch {
      // The server has no room for another one at the moment: the former is as good, only slower.
      return;
    }
    await this.#sessions.release(former);
  }
}

/** A new session costs about as much as the tenth part of these. */
const tablesPerSession = 100;

/** Makes every earlier asynchronous commit of the server durable: its log is flushed up to this transaction's record. */
export async function commitSynchronously(client: pg.Client): Promise<void> {
  await client.query(
    "SET synchronous_commit = on; SELECT pg_catalog.pg_logical_emit_message(true, 'pgvector_cutover', 'loaded')",
  );
}

/** Sessions that write the copy: one for each that reads it, and some that build indexes meanwhile. */
function mostWriters(workers: number): number {
  return workers + Math.ceil(workers / 2);
}

/**
 * How many sessions read and write the rows of a load of so many workers, where so many are free on each side. A
 * reader without a writer would be idle in its transaction until its server ends it.
 */
export function shareSessions(
  workers: number,
  free: { readonly source: number; readonly target: number },
): { readers: number; writers: number } {
  const writers = clamp(mostWriters(workers), free.target);
  return { writers, readers: Math.min(writers, clamp(workers, free.source)) };
}

/** At least one, and what is free at the moment at most. */
function clamp(wanted: number, free: number): number {
  return Math.max(1, Math.min(wanted, free - spareSessions));
}

/** What the run opens beside the load, and a person who looks what is wrong. */
const spareSessions = 3;

/** How many more sessions the server has room for at the moment. */
export async function freeSessions(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ free: number }>(freeSessionsQuery);
  return (rows[0] as { free: number }).free;
}

/** What all sessions together may use to build indexes; more makes them no faster (measured with 64 MB to 1 GB each). */
const buildMemoryKilobytes = 512 * 1024;

/** The server's default, which one session is given however many there are; a server that is set lower keeps its own. */
const leastBuildKilobytes = 64 * 1024;

const freeSessionsQuery = `
  SELECT pg_catalog.current_setting('max_connections')::int
         - pg_catalog.current_setting('superuser_reserved_connections')::int
         - COALESCE(pg_catalog.current_setting('reserved_connections', true)::int, 0)
         - (SELECT sum(numbackends)::int FROM pg_catalog.pg_stat_database) AS free`;

const silenceServerLogQuery = silenceLogQuery(unlessStatementsAreLogged);

/**
 * - lz4 compresses TOAST several times faster than the default pglz; older or special builds lack it.
 * - Without parallel workers an index build needs no shared memory, of which a container has 64 MB.
 * - The check interval ends a statement of ours soon after we are gone.
 * - Indexes and generated columns may depend on the application's settings, immutable as their functions claim to be.
 */
const targetSettingsQuery = `
  SELECT pg_catalog.set_config(setting.name,
           CASE setting.name WHEN 'maintenance_work_mem' THEN LEAST(known.setting::int8, $2::int8)::text
                ELSE setting.value END, false)
    FROM (VALUES ('search_path', $1::text),
                 ('maintenance_work_mem', ''),
                 ('check_function_bodies', 'off'),
                 ('synchronous_commit', 'off'),
                 ('xmloption', 'content'),
                 ('max_parallel_maintenance_workers', '0'),
                 ('client_connection_check_interval', '500ms'),
                 ('default_toast_compression', 'lz4')) AS setting(name, value)
    JOIN pg_catalog.pg_settings known USING (name)
   WHERE (known.enumvals IS NULL OR setting.value = ANY(known.enumvals))
  UNION ALL ${useApplicationSettingsQuery}
  UNION ALL ${silenceServerLogQuery}`;

function snapshotLost(cause: unknown): CutoverError {
  return new CutoverError({
    code: "SNAPSHOT_LOST",
    message: "The source's snapshot cannot be used any more: the session that exported it has ended.",
    remedy:
      "Run again; if it happens again, look for what ends sessions on the source or for a pooler in between.",
    cause,
  });
}
