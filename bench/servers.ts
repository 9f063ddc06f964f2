import { chmod, mkdtemp, rm } from "node:fs/promises";
import path from "node:path";
import { withConnection } from "../components/postgres/connection.ts";
import { quoteIdentifier } from "../components/postgres/identifiers.ts";
import { chooseInstallation } from "../test/world/postgres/installation.ts";
import { defaultDatabase, type PostgresServer, startServer } from "../test/world/postgres/server.ts";
import { loadTargetFixture } from "../test/world/postgres/target-fixture.ts";

export interface BenchServers {
  /** With the generated data, which stays when it is stopped. */
  readonly source: PostgresServer;
  readonly target: PostgresServer;
  /** Where the target's processes can read files of ours. */
  readonly exchange: { readonly folder: string; pathInside(file: string): string };
  stop(): Promise<void>;
}

/**
 * The same for every tool, and durable: what a tool leaves to the disk after its end is not counted, so it must not be
 * able to leave the commits. Memory and WAL as a database of this size has on Railway's larger plans.
 */
export const serverSettings = {
  fsync: "on",
  full_page_writes: "on",
  shared_buffers: "1GB",
  max_wal_size: "8GB",
  max_connections: "100",
} as const;

/** Starts both servers. Neither uses TLS, which would be equally slow for all. */
export async function startServers(folder: string, log: (line: string) => void): Promise<BenchServers> {
  const started: PostgresServer[] = [];
  const folders: string[] = [];
  const stop = async () => {
    await Promise.all(started.splice(0).map((server) => server.dispose()));
    await Promise.all(folders.splice(0).map((each) => rm(each, { recursive: true, force: true })));
  };
  const start = async (role: "source" | "target", keptIn?: string) => {
    const kept = keptIn === undefined ? {} : { keptIn };
    const server = await startServer({ role, tls: false, settings: serverSettings, progress: log, ...kept });
    started.push(server);
    return server;
  };
  try {
    const installed = await chooseInstallation("source", log);
    const source = await start("source", path.join(folder, `source-${installed.majorVersion}`));
    const target = await start("target");
    await makeTemplate(target);
    const { dataParent, pathInside } = await chooseInstallation("target", log);
    const exchange = { folder: await mkdtemp(path.join(dataParent, "pgvector-bench-")), pathInside };
    folders.push(exchange.folder);
    await chmod(exchange.folder, 0o755);
    return { source, target, exchange, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const template = "bench_template";

/** What the target holds before a cutover: pgvector and the schema that must not change. */
async function makeTemplate(target: PostgresServer): Promise<void> {
  await withConnection(target.connection("postgres"), { purpose: "world" }, (client) =>
    client.query(`CREATE DATABASE ${template}`),
  );
  await loadTargetFixture(target.connection(template), target);
}

/** Before each run: a target as it is before a cutover, and nothing left for either server to write. */
export async function resetTarget({ source, target }: BenchServers): Promise<void> {
  const database = quoteIdentifier(defaultDatabase);
  await withConnection(target.connection("postgres"), { purpose: "world" }, async (client) => {
    await client.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
    await client.query(`CREATE DATABASE ${database} TEMPLATE ${template}`);
    await client.query("CHECKPOINT");
  });
  await withConnection(source.connection("postgres"), { purpose: "world" }, (client) =>
    client.query("CHECKPOINT"),
  );
}
