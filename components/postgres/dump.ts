import { CutoverError } from "../errors.ts";
import type { ConnectionTarget } from "./connection.ts";
import { dumpArguments } from "./dump/arguments.ts";
import { dumpFailed, dumpTimedOut } from "./dump/dump-errors.ts";
import { findInstalledClients, type InstalledClient, runInstalledDump } from "./dump/installed.ts";
import { type DumpEntry, parseDumpScript } from "./dump/parse-script.ts";
import { runWasmDump, wasmClientVersion } from "./dump/wasm.ts";

export type { DumpEntry } from "./dump/parse-script.ts";

export interface SchemaDump {
  /** In the order in which they can be created. */
  readonly entries: readonly DumpEntry[];
  readonly client: DumpClient;
}

export interface DumpClient {
  readonly kind: "installed" | "wasm";
  readonly version: string;
}

export interface DumpOptions {
  readonly source: ConnectionTarget;
  readonly schemas: readonly string[];
  /** The exported snapshot that the data is read from, too. */
  readonly snapshot: string;
  /** The higher one of both servers' major versions: no older client may be used. */
  readonly minimumMajor: number;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/**
 * Reads the definition of the schemas from the source with a pg_dump of a fitting version: an installed one, else the
 * WebAssembly one. Nothing is written to disk.
 *
 * @throws CutoverError `DUMP_CLIENT_MISSING`, `DUMP_CLIENT_CRASHED`, `DUMP_FAILED`, `DUMP_SCHEMA_MISSING`,
 *   `DUMP_LOCKS_EXHAUSTED`, `DUMP_TIMEOUT`, `DUMP_UNREADABLE`, `DUMP_CONNECTION_LOST`, those of `connect`; whatever
 *   `signal` was aborted with
 */
export async function dumpSchema(options: DumpOptions): Promise<SchemaDump> {
  const chosen = await chooseClient(options.minimumMajor);
  if (chosen === undefined) throw clientMissing(options.minimumMajor);
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const signal = options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]);
  const { source, timeoutMs } = options;
  const args = dumpArguments(options.schemas, options.snapshot);
  const { kind, version } = chosen;
  let heardAt = performance.now();
  const onAnswer = () => {
    heardAt = performance.now();
  };
  try {
    const result =
      chosen.kind === "installed"
        ? await runInstalledDump(chosen.installed, source, args, signal)
        : await runWasmDump({ source, args, signal, onAnswer });
    if (!result.ok) throw dumpFailed(source, result.message);
    return { entries: parseDumpScript(result.script), client: { kind, version } };
  } catch (error) {
    if (!timeout.aborted || options.signal?.aborted) throw error;
    const silentMs = kind === "installed" ? undefined : performance.now() - heardAt;
    throw dumpTimedOut({ client: { kind, version }, timeoutMs, silentMs });
  }
}

/** Which client a dump would use, or the error it would end with: for a preflight. Runs `pg_dump --version` only. */
export async function describeDumpClient(
  minimumMajor: number,
): Promise<{ ok: true; client: DumpClient } | { ok: false; error: CutoverError }> {
  const chosen = await chooseClient(minimumMajor);
  if (chosen === undefined) return { ok: false, error: clientMissing(minimumMajor) };
  return { ok: true, client: { kind: chosen.kind, version: chosen.version } };
}

type ChosenClient =
  | { readonly kind: "installed"; readonly version: string; readonly installed: InstalledClient }
  | { readonly kind: "wasm"; readonly version: string };

/** The oldest client that fits: its output is nearest to what the target understands. */
async function chooseClient(minimumMajor: number): Promise<ChosenClient | undefined> {
  const fitting = (await findInstalledClients()).filter(({ major }) => major >= minimumMajor);
  const [installed] = fitting.toSorted((first, second) => first.major - second.major);
  if (installed !== undefined) return { kind: "installed", version: installed.version, installed };
  const wasmFits = Number.parseInt(wasmClientVersion, 10) >= minimumMajor;
  return wasmFits ? { kind: "wasm", version: wasmClientVersion } : undefined;
}

function clientMissing(minimumMajor: number): CutoverError {
  return new CutoverError({
    code: "DUMP_CLIENT_MISSING",
    message: `No pg_dump for PostgreSQL ${minimumMajor} is at hand: none is installed, and the built-in one is ${wasmClientVersion}.`,
    remedy: `Install the PostgreSQL ${minimumMajor} client programs (Debian: postgresql-client-${minimumMajor}).`,
  });
}
