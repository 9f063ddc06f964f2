import { randomInt } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { CutoverError } from "../errors.ts";
import {
  applicationNamePrefix,
  type ConnectionTarget,
  connect,
  cutConnection,
  endConnection,
  type SessionAdmission,
  withConnection,
} from "../postgres/connection.ts";
import { holdsLock, LockWatch } from "./lock-watch.ts";
import { maintenanceDatabase } from "./maintenance.ts";

/**
 * Takes this project's advisory lock on both servers, the source first. Once both are held, sessions that an orphaned
 * run left behind are ended, so that nothing it still wants to do can happen.
 *
 * @throws CutoverError `ANOTHER_RUN_ACTIVE`
 */
export async function excludeOtherRuns(
  source: ConnectionTarget,
  target: ConnectionTarget,
): Promise<Exclusion> {
  const exclusion = new Exclusion(source, target);
  await exclusion.acquire();
  return exclusion;
}

interface Held {
  /** An advisory lock of this run alone, in the sessions that hold the common one: what proves that they still live. */
  readonly runKey: string;
  readonly source: pg.Client;
  readonly target: pg.Client;
  readonly watches: readonly LockWatch[];
  readonly lost: AbortController;
}

/**
 * What makes this run the only one, for as long as two sessions live. They are watched: when one of them is gone, its
 * server silent, or the run given up, every session that was opened through `connections` is cut at once, and none can
 * be opened any more. So a run that was cut off and wakes up later finds every door closed: whoever holds the locks by
 * then has ended its sessions, and a new one is refused because its run's own lock is gone.
 */
export class Exclusion {
  /** The two databases as this run may use them. */
  readonly connections: { readonly source: ConnectionTarget; readonly target: ConnectionTarget };
  readonly #source: ConnectionTarget;
  readonly #target: ConnectionTarget;
  #held: Held | undefined;

  constructor(source: ConnectionTarget, target: ConnectionTarget) {
    this.#source = source;
    this.#target = target;
    this.connections = {
      source: { ...source, admission: this.#admission() },
      target: { ...target, admission: this.#admission() },
    };
  }

  /** The session on the source's server that holds the lock, in the maintenance database: reachable on a sealed source too. */
  get source(): pg.Client {
    return this.#current.source;
  }

  /** The session on the target database that holds the lock; the journal is written through it. */
  get target(): pg.Client {
    return this.#current.target;
  }

  /** Aborted, with a CutoverError as its reason, as soon as this run must stop. */
  get signal(): AbortSignal {
    return this.#current.lost.signal;
  }

  /** Stops whatever this run does, hanging or not. {@link renew} begins anew. */
  giveUp(reason: CutoverError): void {
    this.#held?.lost.abort(reason);
  }

  async acquire(): Promise<void> {
    const runKey = String(randomInt(2 ** 47));
    const source = await openControl(this.#source, maintenanceDatabase(this.#source));
    let target: pg.Client | undefined;
    try {
      await takeLock(source, "source", runKey);
      target = await openControl(this.#target, this.#target.database);
      await takeLock(target, "target", runKey);
      await endRunSessions(source, this.#source.database);
      await endRunSessions(target, this.#target.database);
    } catch (error) {
      if (target !== undefined) await endConnection(target);
      await endConnection(source);
      throw error;
    }
    const lost = new AbortController();
    const watches = [
      new LockWatch({
        server: this.#source,
        database: maintenanceDatabase(this.#source),
        holder: source,
        runKey,
        lost,
      }),
      new LockWatch({ server: this.#target, database: this.#target.database, holder: target, runKey, lost }),
    ];
    for (const holder of [source, target]) {
      lost.signal.addEventListener("abort", () => cutConnection(holder));
    }
    this.#held = { runKey, source, target, watches, lost };
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
    const begunAt = Date.now();
    for (;;) {
      try {
        await endHolder(this.#source, maintenanceDatabase(this.#source), former.runKey);
        await endHolder(this.#target, this.#target.database, former.runKey);
        return await this.acquire();
      } catch (error) {
        const isBusy = error instanceof CutoverError && error.code === "ANOTHER_RUN_ACTIVE";
        if (Date.now() - begunAt >= (isBusy ? patience.busyMs : patience.unreachableMs)) throw error;
      }
      await delay(patience.intervalMs);
    }
  }

  async release(): Promise<void> {
    if (this.#held !== undefined) await this.#close(this.#held);
  }

  get #current(): Held {
    if (this.#held === undefined) throw new TypeError("the locks were never taken");
    return this.#held;
  }

  async #close({ watches, target, source }: Held): Promise<void> {
    await Promise.all(watches.map((watch) => watch.stop()));
    for (const session of [target, source]) await endConnection(session);
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

const defaultPatience: Patience = { unreachableMs: 60_000, busyMs: 5_000, intervalMs: 500 };

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
  const giveUpAt = Date.now() + sessionsEndWithinMs;
  for (;;) {
    const { rowCount } = await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = $4 and application_name like $1 and application_name <> all($2) and application_name <> $3`,
      [`${applicationNamePrefix}:%`, observers, `${applicationNamePrefix}:control`, database],
    );
    if (rowCount === 0) return;
    if (Date.now() >= giveUpAt) throw sessionsRemain(rowCount ?? 0);
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
