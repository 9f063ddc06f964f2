import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { access, appendFile, chown, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type pg from "pg";
import { type ConnectionTarget, withConnection } from "../../../components/postgres/connection.ts";
import { quoteIdentifier, quoteLiteral } from "../../../components/postgres/identifiers.ts";
import { fingerprintIn, writeCertificate } from "./certificate.ts";
import { arrangeCleanup } from "./cleanup.ts";
import { findFreePort } from "./free-port.ts";
import { chooseInstallation, type Installation, type Log } from "./installation.ts";
import { type ServerProcess, startProcess } from "./server-process.ts";

export type ServerRole = "source" | "target";

/** What a session needs to know about a server; plain data, so that it can be handed to other processes. */
export interface ServerFacts {
  readonly role: ServerRole;
  readonly majorVersion: number;
  readonly hasPgvector: boolean;
  /** What runs and where it comes from, for people: `PostgreSQL 17.5 + pgvector 0.8.0 from Debian trixie (cached)`. */
  readonly origin: string;
  readonly host: "127.0.0.1";
  readonly port: number;
  readonly user: "postgres";
  readonly password: string;
  readonly offersTls: boolean;
  /** Of its certificate; `null` without TLS. */
  readonly fingerprint: string | null;
}

/** A real PostgreSQL server of the local world. It ends, and its data goes, with the process that started it at the latest. */
export interface PostgresServer extends ServerFacts {
  /** How to reach one of its databases, by default `railway`. */
  connection(database?: string): ConnectionTarget;
  /** `fast` ends all sessions in order; `immediate` is a crash that the next start recovers from. */
  stop(mode?: "fast" | "immediate"): Promise<void>;
  /** Starts it again on the same port and data. */
  start(): Promise<void>;
  /** Stops it and deletes its data. */
  dispose(): Promise<void>;
}

export interface ServerOptions {
  readonly role: ServerRole;
  /** What it runs on; by default what `chooseInstallation` takes for the role. */
  readonly installation?: Installation;
  /** Default: as on Railway, the source (postgres-ssl image) offers TLS and the target (pgvector image) does not. */
  readonly tls?: boolean;
  /** Of the superuser; by default a new one of letters and digits. */
  readonly password?: string;
  /** Server settings beside the defaults, for example `log_statement`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Gets the server's own log, line by line. */
  readonly log?: Log;
  /** Gets what takes time before the server starts (a download), and why pgvector is not to be had; default: `log`. */
  readonly progress?: Log;
  /** A folder that keeps the data when the server ends, for a later one of the same kind; it is made where it is not. */
  readonly keptIn?: string;
}

/** The database that each server has from the start, named as on Railway. */
export const defaultDatabase = "railway";

/** Starts a new server with an empty database `railway`, reachable on loopback by password only. */
export async function startServer(options: ServerOptions): Promise<PostgresServer> {
  const log = options.log ?? (() => {});
  const installation =
    options.installation ?? (await chooseInstallation(options.role, options.progress ?? log));
  const { keptIn } = options;
  if (keptIn !== undefined) await makePrivateFolder(keptIn);
  const workFolder = keptIn ?? (await mkdtemp(join(installation.dataParent, "pgvector-cutover-")));
  const cleanup = arrangeCleanup(keptIn === undefined ? workFolder : undefined);
  try {
    const planned: Omit<ServerFacts, "fingerprint"> = {
      role: options.role,
      majorVersion: installation.majorVersion,
      hasPgvector: installation.hasPgvector,
      origin: installation.origin,
      host: "127.0.0.1",
      port: await findFreePort(),
      user: "postgres",
      password: options.password ?? (await passwordIn(workFolder)),
      offersTls: options.tls ?? options.role === "source",
    };
    const dataFolder = await createCluster(installation, workFolder, planned, options.settings ?? {});
    const fingerprint = planned.offersTls ? await fingerprintIn(join(workFolder, "data")) : null;
    const facts: ServerFacts = { ...planned, fingerprint };
    const command = installation.command("postgres", ["-D", dataFolder], workFolder);
    let running: ServerProcess | undefined;
    const stop = async (mode: "fast" | "immediate" = "fast") => {
      await running?.stop(mode);
      running = undefined;
      cleanup.watch(0);
    };
    const start = async () => {
      if (running?.isRunning()) return;
      running = await startProcess(command, { log, onSpawn: cleanup.watch });
    };
    const dispose = async () => {
      await stop(keptIn === undefined ? "immediate" : "fast");
      await cleanup.run();
    };
    const connection = (database?: string) => connectionTo(facts, database);
    await start();
    await withConnection(connection("postgres"), { purpose: "world" }, ensureDatabase);
    if (keptIn === undefined) await rm(join(workFolder, "password"));
    return { ...facts, connection, stop, start, dispose };
  } catch (error) {
    await cleanup.run();
    throw error;
  }
}

/** How to reach a database of a server that is known by its facts only. */
export function connectionTo(facts: ServerFacts, database: string = defaultDatabase): ConnectionTarget {
  const { role, host, port, user, password, offersTls } = facts;
  return { label: role, host, port, database, user, password, tls: offersTls ? "require" : "off" };
}

async function makePrivateFolder(folder: string): Promise<void> {
  await mkdir(dirname(folder), { recursive: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
}

async function ensureDatabase(client: pg.Client): Promise<void> {
  const { rowCount } = await client.query("SELECT FROM pg_database WHERE datname = $1", [defaultDatabase]);
  if (rowCount === 0) await client.query(`CREATE DATABASE ${quoteIdentifier(defaultDatabase)}`);
}

/** The password that a kept server was made with, or a new one. */
async function passwordIn(workFolder: string): Promise<string> {
  return readFile(join(workFolder, "password"), "utf8").catch(() => randomBytes(16).toString("hex"));
}

/** Makes the data folder, unless it is there, and returns where the server's processes see it. */
async function createCluster(
  installation: Installation,
  workFolder: string,
  facts: Omit<ServerFacts, "fingerprint">,
  settings: Readonly<Record<string, string>>,
): Promise<string> {
  const dataFolder = join(workFolder, "data");
  const isThere = await access(dataFolder).then(
    () => true,
    () => false,
  );
  if (!isThere) await initializeCluster(installation, workFolder, dataFolder, facts);
  const lines = Object.entries({ ...serverSettings(facts), ...installation.settings, ...settings });
  await writeFile(
    join(dataFolder, "world.conf"),
    // The configuration file reads backslashes as escapes, but has no E'' form.
    lines.map(([name, value]) => `${name} = ${quoteLiteral(value).trim().replace(/^E/, "")}\n`).join(""),
  );
  return installation.pathInside(dataFolder);
}

async function initializeCluster(
  installation: Installation,
  workFolder: string,
  dataFolder: string,
  facts: Omit<ServerFacts, "fingerprint">,
): Promise<void> {
  const { account } = installation;
  if (account !== undefined) await chown(workFolder, account.uid, account.gid);
  await installation.prepare?.(workFolder);
  const passwordFile = join(workFolder, "password");
  await writeFile(passwordFile, facts.password, { mode: 0o600 });
  if (account !== undefined) await chown(passwordFile, account.uid, account.gid);
  const unfinished = `${dataFolder}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  const args = [
    ...["--pgdata", installation.pathInside(unfinished), "--username", facts.user, "--auth", "scram-sha-256"],
    ...["--pwfile", installation.pathInside(passwordFile), "--encoding", "UTF8", "--no-sync"],
    ...["--locale", process.platform === "linux" ? "C.UTF-8" : "C"],
  ];
  const initdb = installation.command("initdb", args, workFolder);
  await promisify(execFile)(initdb.file, [...initdb.args], { ...initdb.options, cwd: "/" });
  if (facts.offersTls) await writeCertificate(unfinished, account);
  await appendFile(join(unfinished, "postgresql.conf"), "include 'world.conf'\n");
  await rename(unfinished, dataFolder);
}

/** In the configuration file rather than on the command line, so that `ALTER SYSTEM` works as on a real server. */
function serverSettings(facts: Pick<ServerFacts, "host" | "port" | "offersTls">): Record<string, string> {
  return {
    listen_addresses: facts.host,
    port: String(facts.port),
    unix_socket_directories: "",
    // The image without TLS does not say so either.
    ...(facts.offersTls ? { ssl: "on" } : {}),
    // A crash of the server is survived without these two, only one of the machine is not.
    fsync: "off",
    full_page_writes: "off",
    max_wal_size: "2GB",
    timezone: "UTC",
    log_timezone: "UTC",
    lc_messages: "C",
    logging_collector: "off",
    log_destination: "stderr",
  };
}
