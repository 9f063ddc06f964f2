import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Transport } from "../../components/migration/inputs.ts";
import { withConnection } from "../../components/postgres/connection.ts";
import { judgeHistory, type Verdict } from "./apps/checker.ts";
import { type LedgerFolder, openLedgerFolder } from "./apps/ledger-folder.ts";
import { readStoredWrites } from "./apps/stored-writes.ts";
import { startStraightJob } from "./apps/straight-job.ts";
import type { WriterSettings } from "./apps/writer-settings.ts";
import { defaultDatabase, type PostgresServer, startServer } from "./postgres/server.ts";
import { loadSourceFixture } from "./postgres/source-fixture.ts";
import { loadTargetFixture } from "./postgres/target-fixture.ts";
import { createWriterRole, grantWrites } from "./postgres/writer-role.ts";
import { buildHealthcareWorld, healthcareServiceNames } from "./railway/healthcare-world.ts";
import type { Pace } from "./railway/pace.ts";
import { type Simulator, type SimulatorOptions, startSimulator } from "./railway/simulator.ts";

export interface WorldOptions {
  readonly pace?: Partial<Pace>;
  /** Rows of the source's fixture, overall. */
  readonly rows?: number;
  /** Time from one write to the next per lane of an app service. */
  readonly writeIntervalMs?: number;
  /** How each app service writes, where it is not by default. */
  readonly writers?: Partial<Omit<WriterSettings, "intervalMs" | "role">>;
  /** Processes that connect straight to the source for ever, and write as a service does. None by default. */
  readonly straightJobs?: number;
  readonly settings?: Record<string, string>;
  readonly intercept?: SimulatorOptions["intercept"];
  readonly log?: (line: string) => void;
  /** Who the services log in as; by default each server's own superuser. */
  readonly accounts?: Readonly<
    Record<"source" | "target", { readonly user: string; readonly password: string }>
  >;
  /** A second environment of the project, in which nothing runs. */
  readonly withStaging?: boolean;
  /** Running servers with the fixtures loaded, for a world that does not begin with new ones. It leaves them running. */
  readonly servers?: Servers;
  /** Where the public addresses of the databases lead: a proxy of the caller's before each server. */
  readonly proxyPorts?: { readonly source: number; readonly target: number };
  /** How the program reaches the databases, if not as the servers and the proxies let it by themselves. */
  readonly transport?: Readonly<Record<"source" | "target", Transport>>;
  /** Of both new servers' superusers; by default one of letters and digits each. */
  readonly password?: string;
  /** Whether the new servers offer TLS; by default as on Railway, where the source does and the target does not. */
  readonly tls?: boolean;
}

export interface Servers {
  readonly source: PostgresServer;
  readonly target: PostgresServer;
}

/** The whole local world: two real servers with data, Railway, and four application services that keep writing. */
export interface World {
  readonly source: PostgresServer;
  readonly target: PostgresServer;
  readonly railway: Simulator;
  /** Configuration of the stack that moves this world, complete but for the phase. */
  readonly config: Record<string, unknown>;
  /** What the program needs in its environment to reach this world's Railway. */
  readonly environment: Record<string, string>;
  /** Judges everything the writers did so far against the database that is active now. */
  judge(active: "source" | "target"): Promise<Verdict>;
  stop(): Promise<void>;
}

/** Starts everything and waits until the services are healthy and write. */
export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const { log = () => {} } = options;
  const folder = await mkdtemp(path.join(tmpdir(), "cutover-world-"));
  const started: Array<() => Promise<void>> = [() => rm(folder, { recursive: true, force: true })];
  const stop = async () => {
    for (const end of started.splice(0).reverse()) await end();
  };
  try {
    const { source, target } = options.servers ?? (await startServers(options, started));
    log(`source: ${source.origin}`);
    log(`target: ${target.origin}`);
    // The move does not carry roles, and refuses to begin where the target lacks one that has rights on what moves.
    const role = { user: "background_jobs", password: randomBytes(16).toString("hex") };
    await Promise.all([
      createWriterRole(source.connection(), role),
      createWriterRole(target.connection(), role),
    ]);
    await grantWrites(source.connection(), role.user);
    const writers = {
      ...options.writers,
      ...(options.writeIntervalMs === undefined ? {} : { intervalMs: options.writeIntervalMs }),
      role,
    };
    const railway = await startSimulator({
      schemaSdl: await readFile(new URL("../../components/railway/schema.graphql", import.meta.url), "utf8"),
      world: buildHealthcareWorld({
        postgres: { ...accountOf(source, options.proxyPorts?.source), ...options.accounts?.source },
        pgvector: { ...accountOf(target, options.proxyPorts?.target), ...options.accounts?.target },
        ledgerFolder: folder,
        writers,
        withStaging: options.withStaging === true,
      }),
      ...(options.pace === undefined ? {} : { pace: options.pace }),
      ...(options.intercept === undefined ? {} : { intercept: options.intercept }),
    });
    started.push(() => railway.stop());
    for (let number = 1; number <= (options.straightJobs ?? 0); number++) {
      const job = await startStraightJob({
        name: `straight-job-${number}`,
        connection: source.connection(),
        ledgerFolder: folder,
        writers,
      });
      started.push(() => job.terminate(2_000));
    }
    const ledgers = openLedgerFolder(folder);
    return {
      source,
      target,
      railway,
      config: stackConfig(railway, { source, target }, options),
      environment: {
        RAILWAY_TOKEN: railway.tokens.project,
        RAILWAY_API_URL: railway.url,
        RAILWAY_POLL_INTERVAL_MS: "250",
      },
      judge: (active) => judge({ source, target }, ledgers, active),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Two new servers with the old and the new database's contents; what ends them is added to `started`. */
export async function startServers(
  options: Pick<WorldOptions, "rows" | "settings" | "log" | "tls" | "password">,
  started: Array<() => Promise<void>>,
): Promise<Servers> {
  const [source, target] = (await Promise.all(
    (["source", "target"] as const).map(async (role) => {
      const server = await startServer({
        role,
        ...(options.log === undefined ? {} : { progress: options.log }),
        ...(options.settings === undefined ? {} : { settings: options.settings }),
        ...(options.tls === undefined ? {} : { tls: options.tls }),
        ...(options.password === undefined ? {} : { password: options.password }),
      });
      started.push(() => server.dispose());
      return server;
    }),
  )) as [PostgresServer, PostgresServer];
  await Promise.all([
    loadSourceFixture(source.connection(), options.rows === undefined ? {} : { rows: options.rows }),
    loadTargetFixture(target.connection(), target),
  ]);
  return { source, target };
}

function stackConfig(
  railway: Simulator,
  { source, target }: Servers,
  { proxyPorts, transport }: Pick<WorldOptions, "proxyPorts" | "transport">,
): Record<string, unknown> {
  const ways = transport ?? {
    source: wayTo(source, proxyPorts?.source),
    target: wayTo(target, proxyPorts?.target),
  };
  return {
    project: "DOCTORES-SEO-PACIENTE-MGMT",
    environment: "production",
    tokenKind: "project",
    schemas: ["public", "medical_records", "practice_management"],
    protectedSchemas: ["llm_assistant"],
    accept: target.hasPgvector
      ? []
      : [{ code: "VECTOR_MISSING", object: "target", reason: "no server with pgvector on this machine" }],
    services: healthcareServiceNames.map((name) => ({
      name,
      healthCheckUrl: `${railway.serviceUrl(name)}/health`,
      wave: name === "@healthcare/public" ? 0 : 1,
      newVariables: name === "@healthcare/doctor" ? ["LLM_DATABASE_URL"] : [],
    })),
    limits: {
      writePauseMs: 120_000,
      lockTimeoutMs: 20_000,
      deploymentTimeoutMs: 60_000,
      healthyForMs: 500,
      soakDays: 0,
    },
    sensitive: Object.values(ways).every(({ via }) => via !== "plaintext"),
    transport: ways,
  };
}

/** A proxy of a test's own speaks in clear, as the end of a tunnel does; a server has TLS or not. */
function wayTo({ fingerprint }: PostgresServer, proxyPort: number | undefined): Transport {
  if (proxyPort !== undefined) return { via: "tunnel", port: proxyPort };
  if (fingerprint !== null) return { via: "tls", fingerprint };
  return { via: "plaintext", reason: "the patients of this world are made up" };
}

async function judge(
  servers: { source: PostgresServer; target: PostgresServer },
  ledgers: LedgerFolder,
  active: "source" | "target",
): Promise<Verdict> {
  // In this order: whatever is in a ledger by now must be in what is read afterwards.
  const entries = await ledgers.read();
  const stored = await withConnection(
    servers[active].connection(),
    { purpose: "observe", readOnly: true },
    readStoredWrites,
  );
  return judgeHistory({
    entries,
    stored,
    oldDatabase: `${servers.source.host}:${servers.source.port}`,
    newDatabase: `${servers.target.host}:${servers.target.port}`,
    active: active === "source" ? "old" : "new",
  });
}

function accountOf(server: PostgresServer, proxyPort?: number) {
  const account = { server, user: server.user, password: server.password, database: defaultDatabase };
  return proxyPort === undefined ? account : { ...account, proxyPort };
}
