import { execFile, spawn } from "node:child_process";
import { readdir } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import type { ConnectionTarget, ReachedTarget } from "../connection.ts";
import { withRelay } from "../relay.ts";
import { clientEnvironment } from "./client-environment.ts";

export interface InstalledClient {
  readonly path: string;
  readonly version: string;
  readonly major: number;
}

/** Every pg_dump that runs here: those on PATH, and those of Debian's packages, which are not on it. */
export async function findInstalledClients(): Promise<InstalledClient[]> {
  const folders = new Set([
    ...(process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== ""),
    ...(await debianFolders()),
  ]);
  const clients = await Promise.all([...folders].map((folder) => readClient(join(folder, "pg_dump"))));
  return clients.filter((client) => client !== undefined);
}

/** What a pg_dump ended with: its script, or what it said when it failed. */
type DumpResult = { ok: true; script: string } | { ok: false; message: string };

/**
 * Runs an installed pg_dump. The password is in the child's environment only; the child inherits nothing else.
 *
 * @throws whatever `signal` was aborted with; what a relay to a pinned server throws
 */
export async function runInstalledDump(
  client: InstalledClient,
  source: ConnectionTarget,
  args: readonly string[],
  signal: AbortSignal,
): Promise<DumpResult> {
  return withRelay(source, (reached) => run(client, reached, args, signal));
}

async function run(
  client: InstalledClient,
  source: ReachedTarget,
  args: readonly string[],
  signal: AbortSignal,
): Promise<DumpResult> {
  signal.throwIfAborted();
  const child = spawn(client.path, ["--no-password", ...args], {
    env: clientEnvironment(source, { purpose: "dump", readOnly: true }),
    stdio: ["ignore", "pipe", "pipe"],
    signal,
    killSignal: "SIGKILL",
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  try {
    const [script, message, status] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
    signal.throwIfAborted();
    return status === 0 ? { ok: true, script } : { ok: false, message };
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  }
}

async function debianFolders(): Promise<string[]> {
  const root = "/usr/lib/postgresql";
  const majors = await readdir(root).catch(() => []);
  return majors.map((major) => join(root, major, "bin"));
}

async function readClient(path: string): Promise<InstalledClient | undefined> {
  try {
    const { stdout } = await promisify(execFile)(path, ["--version"], { timeout: 5_000 });
    const version = /\(PostgreSQL\) (\d+[^\s]*)/.exec(stdout)?.[1];
    return version === undefined ? undefined : { path, version, major: Number.parseInt(version, 10) };
  } catch {
    return undefined;
  }
}
