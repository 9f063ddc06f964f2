import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { debianPeers } from "../test/world/postgres/debian-peers.ts";
import { compareTools } from "./compare.ts";
import { dataSize, type SizeName } from "./data/sizes.ts";
import { startSlowLink } from "./link-proxy.ts";
import { measurePause, type PauseResult, pauseWorldRows } from "./pause.ts";
import { measurePreview } from "./preview.ts";
import type { BenchResult, Comparison } from "./result.ts";
import { serverSettings, startServers } from "./servers.ts";
import { ourTools } from "./tools/ours.ts";
import { dumpWrapper, peerTools } from "./tools/peers.ts";
import type { Tool, ToolName, ToolSettings } from "./tools/tool.ts";

export interface BenchOptions {
  readonly sizes: readonly SizeName[];
  /** Those that are measured over the slow link as well. */
  readonly slowSizes: readonly SizeName[];
  readonly tools: readonly ToolName[];
  readonly withLimit: boolean;
  /** Whether the write pause of whole cutovers is measured. */
  readonly withPause: boolean;
  /** Whether previews without changes are measured, where there is the real engine. */
  readonly withPreview: boolean;
  readonly repetitions: number;
  /** Parallel jobs of the peers on loopback, and streams of ours. */
  readonly jobs: number;
  readonly workers: number;
  /** Which pg_dump ours reads the schema with: the peers' one, or its own of WebAssembly. */
  readonly dumpClient: "installed" | "wasm";
  /** Where the built data is kept. */
  readonly folder: string;
  readonly signal: AbortSignal;
  /** Called with all that is known after each comparison. */
  onComparison(result: BenchResult): Promise<void>;
  log(line: string): void;
}

/** All open as many connections as they have by default where waiting costs more than processors. */
const slowStreams = 4;

/**
 * Builds the data, starts both servers, and compares the tools size by size. Nothing is left running, and nothing left on
 * the disk but the data.
 *
 * @throws Error where the peers cannot be had on this machine; whatever `signal` was aborted with
 */
export async function bench(options: BenchOptions): Promise<BenchResult> {
  const { log, signal } = options;
  const peers = await debianPeers(log);
  if (peers === undefined)
    throw new Error("the tools to compare with cannot be had on this machine (see above)");
  const scratch = await mkdtemp(path.join(os.tmpdir(), "pgvector-bench-"));
  const servers = await startServers(options.folder, log);
  try {
    await writeFile(path.join(scratch, "pg_dump"), dumpWrapper(peers), { mode: 0o755 });
    const comparisons: Comparison[] = [];
    const dumpFolder = options.dumpClient === "installed" ? scratch : undefined;
    const result: BenchResult = {
      preview: options.withPreview ? await measurePreview(options) : null,
      pauses: options.withPause ? await measurePauses(options) : [],
      startedAt: new Date().toISOString(),
      machine: {
        cores: os.availableParallelism(),
        processor: os.cpus()[0]?.model ?? "unknown",
        memoryBytes: os.totalmem(),
      },
      servers: [`source: ${servers.source.origin}`, `target: ${servers.target.origin}`],
      serverSettings,
      repetitions: options.repetitions,
      comparisons,
    };
    const compare = async (name: SizeName, slow: boolean) => {
      const ports = { source: servers.source.port, target: servers.target.port };
      const link = slow ? await startSlowLink(ports) : null;
      try {
        const size = dataSize(name);
        const parallel = (count: number) => (slow ? Math.max(slowStreams, count) : count);
        const tools = toolsFor(options.tools, {
          peers,
          dumpFolder,
          jobs: parallel(options.jobs),
          workers: parallel(options.workers),
        });
        const withLimit = options.withLimit && !slow;
        comparisons.push(await compareTools({ ...options, servers, size, tools, link, withLimit }));
      } finally {
        await link?.stop();
      }
      await options.onComparison(result);
    };
    for (const name of options.sizes) await compare(name, false);
    for (const name of options.slowSizes) await compare(name, true);
    signal.throwIfAborted();
    return result;
  } finally {
    await servers.stop();
    await rm(scratch, { recursive: true, force: true });
  }
}

function toolsFor(tools: readonly ToolName[], settings: ToolSettings): Tool[] {
  return [...ourTools(settings), ...peerTools(settings)].filter(({ name }) => tools.includes(name));
}

/** Deletes the built data. */
export async function clean(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
}

async function measurePauses(options: BenchOptions): Promise<PauseResult[]> {
  const pauses: PauseResult[] = [];
  for (const worldRows of pauseWorldRows) pauses.push(await measurePause({ ...options, worldRows }));
  return pauses;
}
