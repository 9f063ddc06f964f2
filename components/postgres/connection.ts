import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import pg from "pg";
import { allOf } from "../all-of.ts";
import { CutoverError, describeError, sqlState } from "../errors.ts";
import { sendInOrder } from "./in-order.ts";
import { inTurn } from "./in-turn.ts";
import { keepAliveDelayMs, openPinnedSocket, unreachableRemedy } from "./secure-socket.ts";

/** How one database is reached. Held in memory only: neither serialised nor logged. */
export interface ConnectionTarget {
  /** "source" or "target" as the operator knows it, for messages. */
  readonly label: string;
  /** A name or address, or the folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  readonly tls: TlsPolicy;
  /** Set for the sessions of a run that must be the only one at work. */
  readonly admission?: SessionAdmission;
}

/** One that a program which is not ours may be handed: such a program cannot be held to a pinned certificate. */
export interface ReachedTarget extends ConnectionTarget {
  readonly tls: "off" | "require";
}

/** Whether sessions may be opened on a database, and how long they may live. */
export interface SessionAdmission {
  /** Aborted when nothing more may be done: every session is cut at once, and none is opened any more. */
  readonly signal: AbortSignal;
  /** Called with each new session before anybody else uses it. Throws when it must not be used. */
  admit(client: pg.Client): Promise<void>;
}

/**
 * Decided by the transport, not here:
 * - `off`: clear text.
 * - `require`: TLS with whoever answers, for ways that are private without it.
 * - a fingerprint: TLS with the server that has exactly this certificate; `null` where it is not known yet: nobody is logged
 *   in to then.
 */
export type TlsPolicy = "off" | "require" | { readonly fingerprint: string | null };

export interface SessionOptions {
  /** Shown in `pg_stat_activity.application_name`, after the project's prefix. */
  readonly purpose: string;
  /** Forces `default_transaction_read_only` on for the session: the server itself refuses every write. */
  readonly readOnly?: boolean;
  /** A statement that waits longer for a lock fails (55P03). Without it, it waits as long as it takes. */
  readonly lockTimeoutMs?: number;
  /** Connects to another database of the same server. */
  readonly database?: string;
  /** More settings. They come with the session's start, which no server writes into its log, unlike a statement. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly connectTimeoutMs?: number;
  /** Sends each statement at once, without waiting for the answers to earlier ones. */
  readonly pipeline?: boolean;
}

/** Every session of ours carries this prefix, so that it can be told from an application's. */
export const applicationNamePrefix = "pgvector_cutover";

/**
 * Opens one session with every setting pinned that changes how values are written as text, and with no time limit and
 * no asynchronous commit inherited from the role or the database. The search path is empty: every name in our SQL is
 * qualified.
 *
 * @throws CutoverError `SERVER_UNREACHABLE`, `WRONG_PASSWORD`, `TLS_NOT_OFFERED`, `CERTIFICATE_NOT_PINNED`,
 *   `CERTIFICATE_CHANGED`, `DATABASE_SEALED`, `DATABASE_NOT_FOUND`, `TOO_MANY_CONNECTIONS`, `CONNECTION_FAILED`, and what
 *   the target's admission throws
 */
export async function connect(target: ConnectionTarget, options: SessionOptions): Promise<pg.Client> {
  const { tls } = target;
  const timeoutMs = options.connectTimeoutMs ?? 15_000;
  const startedAt = performance.now();
  const pinned =
    typeof tls === "object" ? await openPinnedSocket(target, tls.fingerprint, timeoutMs) : undefined;
  const client = new pg.Client({
    host: target.host,
    port: target.port,
    database: options.database ?? target.database,
    user: target.user,
    password: target.password,
    // To the client a pinned connection is one in clear: it cannot ask for TLS once more, nor do without.
    ssl: tls === "require" ? { rejectUnauthorized: false } : false,
    ...(pinned === undefined ? {} : { stream: () => asToBeConnected(pinned) }),
    connectionTimeoutMillis: Math.max(1, timeoutMs - (performance.now() - startedAt)),
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveDelayMs,
    application_name: `${applicationNamePrefix}:${options.purpose}`.slice(0, 63),
    options: sessionSettings(options),
    pipeline: options.pipeline ?? false,
  });
  // Without a listener a lost connection ends the process; every query on it fails on its own anyway.
  client.on("error", () => {});
  if (!client.pipeline) sendInOrder(client);
  const settingUp = async (step: () => Promise<unknown>) => {
    try {
      await step();
    } catch (error) {
      await client.end().catch(() => {});
      throw connectionError(target, error);
    }
  };
  await settingUp(() => client.connect());
  await inTurn(client, [
    // The first one, for why a session was refused is what must be known of its end.
    async () => {
      if (target.admission !== undefined) await admit(client, target.admission);
    },
    () => settingUp(() => client.query(laterSettings)),
  ]);
  return client;
}

/** The client connects whatever stream it is given, and begins once that says that it is connected. */
function asToBeConnected(socket: TLSSocket): TLSSocket {
  return Object.assign(socket, {
    connect() {
      process.nextTick(() => socket.emit(socket.destroyed ? "close" : "connect"));
      return socket;
    },
  });
}

/** Cuts a session without a farewell: what runs on it fails at once here, and the server rolls it back. */
export function cutConnection(client: pg.Client): void {
  (client as unknown as { connection: { stream: Socket } }).connection.stream.destroy();
}

async function admit(client: pg.Client, admission: SessionAdmission): Promise<void> {
  const { signal } = admission;
  const cut = () => cutConnection(client);
  signal.addEventListener("abort", cut);
  client.once("end", () => signal.removeEventListener("abort", cut));
  try {
    signal.throwIfAborted();
    await admission.admit(client);
  } catch (error) {
    cut();
    throw signal.aborted ? signal.reason : error;
  }
}

/** Runs `use` with a session that is closed afterwards, whatever happens. */
export async function withConnection<Result>(
  target: ConnectionTarget,
  options: SessionOptions,
  use: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = await connect(target, options);
  try {
    return await use(client);
  } finally {
    await endConnection(client);
  }
}

/** Runs `use` with a session on each, opened side by side and closed afterwards, whatever happens. */
export async function withConnections<const Targets extends readonly ConnectionTarget[], Result>(
  targets: Targets,
  options: SessionOptions,
  use: (clients: { readonly [Index in keyof Targets]: pg.Client }) => Promise<Result>,
): Promise<Result> {
  const connecting = targets.map((target) => connect(target, options));
  try {
    return await use((await allOf(connecting)) as never);
  } finally {
    await Promise.all(connecting.map(endOnceOpen));
  }
}

/** Ends a session that may still be opening. One that cannot be opened is none to end: whoever waits for it is told. */
export async function endOnceOpen(opening: Promise<pg.Client>): Promise<void> {
  await opening.then(endConnection, () => {});
}

/** Ends a session in order, or cuts it where the server does not say goodbye: a silent connection would hang here. */
export async function endConnection(client: pg.Client): Promise<void> {
  const silence = setTimeout(() => cutConnection(client), farewellTimeoutMs);
  await client.end().catch(() => {});
  clearTimeout(silence);
}

const farewellTimeoutMs = 2_000;

/** Parses a `postgresql://` URL as Railway renders it. Throws `URL_INVALID` when a part is empty, as an unresolved reference leaves it. */
export function parseDatabaseUrl(label: string, text: string, tls: TlsPolicy): ConnectionTarget {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const database = url === undefined ? "" : decodeURIComponent(url.pathname.slice(1));
  if (url === undefined || !/^postgres(ql)?:$/.test(url.protocol) || url.hostname === "" || database === "") {
    throw new CutoverError({
      code: "URL_INVALID",
      message: `The ${label} database's URL is not usable: its host or database name is empty.`,
      remedy:
        "Open the service's variables on Railway and check the rendered URL; a public URL has an empty host until a TCP proxy exists.",
    });
  }
  return {
    label,
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? 5432 : Number(url.port),
    database,
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    tls,
  };
}

/**
 * The URL of a database as a command gets it in `DATABASE_URL`; the inverse of {@link parseDatabaseUrl}. A secret.
 * The folder of a Unix socket is its parameter `host`, as libpq, Prisma and node-postgres read it.
 */
export function databaseUrl({ host, port, user, password, database }: ConnectionTarget): string {
  const isFolder = host.startsWith("/");
  const url = new URL(
    `postgresql://${isFolder ? "localhost" : host.includes(":") ? `[${host}]` : host}:${port}`,
  );
  if (isFolder) url.searchParams.set("host", host);
  url.username = encodeURIComponent(user);
  url.password = encodeURIComponent(password);
  url.pathname = `/${encodeURIComponent(database)}`;
  return url.href;
}

/**
 * The server ends a session of ours that does nothing in an open transaction for so long: one that a lost machine left
 * would keep its locks, and whoever alters a table behind them keeps out its readers. The few that are idle in a
 * transaction on purpose are given signs of life.
 */
const idleTransactionTimeoutMs = 60_000;

/**
 * How soon the server notices that this machine was lost: 30 s where it only listens, 2 minutes where it has something
 * to send. Linux takes the second for a receiver, too, that takes nothing for so long (tcp(7), TCP_USER_TIMEOUT), so it
 * must be longer than a target under load may stop a copy. Settings of a kind that a system lacks are ignored by it.
 */
export const keepaliveSettings = {
  tcp_keepalives_idle: "10",
  tcp_keepalives_interval: "5",
  tcp_keepalives_count: "4",
  tcp_user_timeout: "120000",
} as const;

function sessionSettings({ readOnly = false, lockTimeoutMs = 0, settings }: SessionOptions): string {
  const all: Record<string, string> = {
    search_path: "pg_catalog",
    statement_timeout: "0",
    lock_timeout: String(lockTimeoutMs),
    idle_session_timeout: "0",
    idle_in_transaction_session_timeout: String(idleTransactionTimeoutMs),
    DateStyle: "ISO,YMD",
    IntervalStyle: "postgres",
    TimeZone: "UTC",
    bytea_output: "hex",
    extra_float_digits: "3",
    xmlbinary: "base64",
    lc_monetary: "C",
    array_nulls: "on",
    quote_all_identifiers: "off",
    standard_conforming_strings: "on",
    client_encoding: "UTF8",
    default_transaction_read_only: readOnly ? "on" : "off",
    row_security: "off",
    synchronous_commit: "on",
    jit: "off",
    client_min_messages: "warning",
    ...keepaliveSettings,
    ...settings,
  };
  return Object.entries(all)
    .map(([name, value]) => `-c ${name}=${value.replaceAll(/[\s\\]/g, "\\$&")}`)
    .join(" ");
}

/**
 * Settings that older servers do not know and refuse a session for: `transaction_timeout` came with 17,
 * `restrict_nonsystem_relation_kind` with the minor versions of August 2024 (CVE-2024-7348). And what depends on the database:
 * one without an encoding holds bytes that are no valid UTF-8, which its server would neither send nor take as such.
 */
const laterSettings = `
  SELECT pg_catalog.set_config(own.name, own.value, false)
    FROM (VALUES ('transaction_timeout', '0'), ('restrict_nonsystem_relation_kind', '')) AS own(name, value)
   WHERE pg_catalog.current_setting(own.name, true) IS NOT NULL
  UNION ALL
  SELECT pg_catalog.set_config('client_encoding', 'SQL_ASCII', false)
   WHERE pg_catalog.current_setting('server_encoding') OPERATOR(pg_catalog.=) 'SQL_ASCII'`;

function connectionError(target: ConnectionTarget, error: unknown): CutoverError {
  const where = `the ${target.label} database at ${target.host}:${target.port}`;
  const state = sqlState(error);
  const message = error instanceof Error ? error.message : "";
  const known = knownFailures.find(({ matches }) => matches(state, message));
  return new CutoverError({
    code: known?.code ?? (state === undefined ? "SERVER_UNREACHABLE" : "CONNECTION_FAILED"),
    message: `Cannot open a session on ${where}: ${known?.what ?? describeError(error)}.`,
    remedy: known?.remedy ?? unreachableRemedy,
    cause: error,
  });
}

const knownFailures: ReadonlyArray<{
  matches: (state: string | undefined, message: string) => boolean;
  code: string;
  what: string;
  remedy: string;
}> = [
  {
    matches: (state) => state === "28P01" || state === "28000",
    code: "WRONG_PASSWORD",
    what: "the server refuses the user or password that the service's variables name",
    remedy:
      "An interrupted rotation leaves it so: `npm run rotate-password` tells. Otherwise compare the service's password variable on Railway with the server's.",
  },
  {
    matches: (_state, message) => message.includes("does not support SSL"),
    code: "TLS_NOT_OFFERED",
    what: "the server stopped offering TLS after it was asked",
    remedy: "Run again: the connection is then made without, which is safe on a private way.",
  },
  {
    matches: (state) => state === "55000",
    code: "DATABASE_SEALED",
    what: "the database accepts no connections",
    remedy: "If a cutover sealed it, `npm run status` says so and what comes next.",
  },
  {
    matches: (state) => state === "3D000",
    code: "DATABASE_NOT_FOUND",
    what: "there is no database of that name on the server",
    remedy: "Check the database name in the service's URL on Railway.",
  },
  {
    matches: (state) => state === "42704",
    code: "CONNECTION_FAILED",
    what: "it is older than PostgreSQL 14 and does not know a setting of the session",
    remedy: "Upgrade the server first: the source needs PostgreSQL 14, the target 15.",
  },
  {
    matches: (state) => state === "53300",
    code: "TOO_MANY_CONNECTIONS",
    what: "all its connections are in use",
    remedy: "Close sessions or raise max_connections, then run again.",
  },
];
