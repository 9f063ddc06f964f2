import { randomInt } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { CutoverError, hasCode } from "../../errors.ts";
import {
  applicationNamePrefix,
  type ConnectionTarget,
  connect,
  cutConnection,
  endConnection,
  type SessionAdmission,
  withConnection,
} from "../../postgres/connection.ts";
import { maintenanceDatabase } from "../fence/maintenance.ts";
import { holdsLock, LockWatch } from "./lock-watch.ts";

/**
 * Takes this project's advisory lock on both servers, the source first. Once both are held, sessions that an orphaned
 * run left behind are ended, so that nothing it still wants to do can happen.
 *
 * @param servers without a source: for what is left after the promotion, when the source may be gone already
 * @throws CutoverError `ANOTHER_RUN_ACTIVE`
 */
export async function excludeOtherRuns(servers: ExcludedServers): Promise<Exclusion> {
  const exclusion = new Exclusion(servers);
  await exclusion.acquire();
  return exclusion;
}

export interface ExcludedServers {
  readonly source?: ConnectionTarget | undefined;
  readonly target: ConnectionTarget;
}

interface Holder {
  readonly session: pg.Client;
  readonly watch: LockWatch;
}

interface Held {
  /** An advisory lock of this run alone, in the sessions that hold the common one: what proves that they still live. */
  readonly runKey: string;
  source: Holder | undefined;
  readonly target: Holder;
  readonly lost: AbortController;
}

/**
 * What makes this run the only one, for as long as its sessions live. They are watched: when one of them is gone, its
 * server silent, or the run given up, every session that was opened through {@link guarded} connections is cut at once,
 * and none can be opened any more. So a run that was cut off and wakes up later finds every door closed: whoever holds
 * the locks by then has ended its sessions, and a new one is refused because its run's own lock is gone.
 */
export class Exclusion {
  #servers: ExcludedServers;
  #held: Held | undefined;

  constructor(servers: ExcludedServers) {
    this.#servers = servers;
  }

  /** The same database as this run may use it. */
  guarded(connection: ConnectionTarget): ConnectionTarget {
    return { ...connection, admission: this.#admission() };
  }

  /** The session on the source's server that holds the lock, in the maintenance database: reachable on a sealed source too. */
  get source(): pg.Client {
    const { source } = this.#current;
    if (source === undefined) throw new TypeError("this run has nothing to do with the source");
    return source.session;
  }

  /** The session on the target database that holds the lock; the journal is written through it. */
  get target(): pg.Client {
    return this.#current.target.session;
  }

  /** Aborted, with a CutoverError as its reason, as soon as this run must stop. */
  get signal(): AbortSignal {
    return this.#current.lost.signal;
  }

  /** Stops whatever this run does, hanging or not. {@link renew} begins anew. */
  giveUp(reason: CutoverError): void {
    this.#held?.lost.abort(reason);
  }

  /**
   * Asks the sessions that hold the locks whether they still live. What no lock of a database can stop, such as a call of
   * Railway's API, is asked for only right after this.
   *
   * @throws CutoverError `EXCLUSION_LOST`
   */
  async assertAlone(): Promise<void> {
    const { source, target, lost } = this.#current;
    lost.signal.throwIfAborted();
    try {
      await Promise.all([target, source].map((holder) => holder?.session.query("select 1")));
    } catch (error) {
      throw lost.signal.aborted ? lost.signal.reason : new CutoverError({ ...lockLost, cause: error });
    }
  }

  async acquire(): Promise<void> {
    const runKey = String(randomInt(2 ** 47));
    const { source, target } = this.#servers;
    const sessions: pg.Client[] = [];
    const open = async (server: ConnectionTarget, database: string) => {
      const session = await openControl(server, database);
      sessions.push(session);
      await takeLock(session, server.label, runKey);
      return session;
    };
    try {
      const onSource = source === undefined ? undefined : await open(source, maintenanceDatabase(source));
      const onTarget = await open(target, target.database);
      if (source !== undefined && onSource !== undefined) await endRunSessions(onSource, source.database);
      await endRunSessions(onTarget, target.database);
      const lost = new AbortController();
      const hold = (server: ConnectionTarget, database: string, session: pg.Client): Holder => {
        lost.signal.addEventListener("abort", () => cutConnection(session));
        return { session, watch: new LockWatch({ server, database, holder: session, runKey, lost }) };
      };
      this.#held = {
        runKey,
        source:
          source === undefined || onSource === undefined
            ? undefined
            : hold(source, maintenanceDatabase(source), onSource),
        target: hold(target, target.database, onTarget),
        lost,
      };
    } catch (error) {
      for (const session of sessions) await endConnection(session);
      throw error;
    }
  }

  /**
   * Takes the locks again after they were lost: a restarted server is waited for, and what is left of this run's former
   * sessions is ended. Another run that took over meanwhile keeps them.
   *
   * @throws CutoverError `ANOTHER_RUN_ACTIVE`, those of `connect`
   */
  async renew(patience: Patience = defaultPatience): Promise<void> {
    const former = this.#current;
    this.giveUp(new CutoverError(givenUp));
    await this.#close(former);
    const begunAt = performance.now();
    for (;;) {
      try {
        const { source, target } = this.#servers;
        if (source !== undefined) await endHolder(source, maintenanceDatabase(source), former.runKey);
        await endHolder(target, target.database, former.runKey);
        return await this.acquire();
      } catch (error) {
        const isBusy = hasCode(error, "ANOTHER_RUN_ACTIVE");
        if (performance.now() - begunAt >= (isBusy ? patience.busyMs : patience.unreachableMs)) throw error;
      }
      await delay(patience.intervalMs);
    }
  }

  /** After the promotion the source is out of the game: what becomes of it must not stop this run any more. */
  async letGoOfSource(): Promise<void> {
    const held = this.#current;
    this.#servers = { target: this.#servers.target };
    const { source } = held;
    held.source = undefined;
    if (source === undefined) return;
    await source.watch.stop();
    await endConnection(source.session);
  }

  async release(): Promise<void> {
    if (this.#held !== undefined) await this.#close(this.#held);
  }

  get #current(): Held {
    if (this.#held === undefined) throw new TypeError("the locks were never taken");
    return this.#held;
  }

  async #close({ source, target }: Held): Promise<void> {
    for (const holder of [target, source]) {
      if (holder === undefined) continue;
      await holder.watch.stop();
      await endConnection(holder.session);
    }
  }

  /** Read anew for each session: after {@link renew} it is another lock that counts. */
  #admission(): SessionAdmission {
    const current = () => this.#current;
    return {
      get signal() {
        return current().lost.signal;
      },
      async admit(client) {
        if (!(await holdsLock(client, current().runKey))) throw new CutoverError(lockLost);
      },
    };
  }
}

/** How long a server that does not answer, and a lock that somebody else holds, are waited for. */
export interface Patience {
  readonly unreachableMs: number;
  readonly busyMs: number;
  readonly intervalMs: number;
}

/**
 * Waiting harms nobody: without it a human would have to run the same command again. Longer than a server takes to free
 * the lock of a session that fell silent.
 */
const defaultPatience: Patience = { unreachableMs: 15 * 60_000, busyMs: 45_000, intervalMs: 500 };

/** Whether a run is active now, told from its lock on the target. Reads only. */
export async function isRunActive(target: pg.Client): Promise<boolean> {
  return (await lockHolder(target)) !== undefined;
}

/** Purposes of sessions that only look; every other session of ours belongs to a run. */
export const observerPurposes = ["preflight", "status", "observe", "watch"] as const;

/** "pgvcuto" as a number: advisory locks are per database, so one constant serves every project. */
const exclusionKey = "31638955564037231";

/**
 * The server ends a session that holds the lock when it has heard nothing for so long, and with it the lock: a machine
 * that was lost together with its connection must not keep the next run out until the keepalives notice, hours later.
 */
const silentHolderTimeoutMs = 30_000;

async function openControl(server: ConnectionTarget, database: string): Promise<pg.Client> {
  const client = await connect(server, { purpose: "control", database });
  // Asked for by name: servers before version 14 do not have the first one.
  await client.query(
    `select set_config(name, $1, false) from pg_settings
      where name in ('idle_session_timeout', 'idle_in_transaction_session_timeout')`,
    [String(silentHolderTimeoutMs)],
  );
  return client;
}

async function takeLock(client: pg.Client, label: string, runKey: string): Promise<void> {
  const { rows } = await client.query("select pg_try_advisory_lock($1::bigint) as locked", [exclusionKey]);
  if (rows[0].locked) {
    await client.query("select pg_advisory_lock($1::bigint)", [runKey]);
    return;
  }
  const holder = await lockHolder(client);
  throw new CutoverError({
    code: "ANOTHER_RUN_ACTIVE",
    message: `Another run of the cutover holds the lock on the ${label} server${holder === undefined ? "" : ` since ${holder}`}. This run changed nothing.`,
    remedy: `Wait for it to end, then run again; \`npm run status\` shows what it does. When its machine was lost, the server frees the lock within ${silentHolderTimeoutMs / 1_000} s.`,
  });
}

/** Ends the session that holds a run's own lock, if it still lives on a server that has not noticed its end. */
async function endHolder(server: ConnectionTarget, database: string, runKey: string): Promise<void> {
  await withConnection(server, { purpose: "renew", database }, (client) =>
    client.query(
      `select pg_terminate_backend(pid) from pg_locks
        where locktype = 'advisory' and granted and ((classid::bigint << 32) | objid::bigint) = $1::bigint`,
      [runKey],
    ),
  );
}

async function lockHolder(client: pg.Client): Promise<string | undefined> {
  const { rows } = await client.query(
    `select to_char(a.backend_start at time zone 'UTC', 'HH24:MI:SS "UTC"') as since
       from pg_locks l join pg_stat_activity a using (pid)
      where l.locktype = 'advisory' and l.granted and ((l.classid::bigint << 32) | l.objid::bigint) = $1::bigint
        and l.database = (select oid from pg_database where datname = current_database())`,
    [exclusionKey],
  );
  return rows[0]?.since;
}

/**
 * Ends the sessions that runs left on one database, and waits until they are gone: what they had under way is rolled
 * back then. Only for whoever holds the exclusion lock.
 *
 * @throws CutoverError `SESSIONS_REMAIN`
 */
export async function endRunSessions(client: pg.Client, database: string): Promise<void> {
  const observers = observerPurposes.map((purpose) => `${applicationNamePrefix}:${purpose}`);
  const giveUpAt = performance.now() + sessionsEndWithinMs;
  for (;;) {
    const { rowCount } = await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = $4 and application_name like $1 and application_name <> all($2) and application_name <> $3`,
      [`${applicationNamePrefix}:%`, observers, `${applicationNamePrefix}:control`, database],
    );
    if (rowCount === 0) return;
    if (performance.now() >= giveUpAt) throw sessionsRemain(rowCount ?? 0);
    await delay(100);
  }
}

const sessionsEndWithinMs = 60_000;

function sessionsRemain(count: number): CutoverError {
  return new CutoverError({
    code: "SESSIONS_REMAIN",
    message: `${count} sessions of an earlier run do not end, although the server was told to end them ${sessionsEndWithinMs / 1_000} s ago. Nothing was changed.`,
    remedy: "Look at them in pg_stat_activity (application_name pgvector_cutover:…), then run again.",
  });
}

const lockLost = {
  code: "EXCLUSION_LOST",
  message: "This run is not the only one any more: the session that held its lock is gone.",
  remedy: "Run again: the journal knows how far things are. `npm run status` shows it.",
} as const;

const givenUp = { ...lockLost, message: "This run's sessions were given up to begin anew." } as const;
