import { once } from "node:events";
import type { Socket } from "node:net";
import { MessageChannel, Worker } from "node:worker_threads";
import type pg from "pg";
import { CutoverError, describeError, isConnectionLoss } from "../../errors.ts";
import { type ConnectionTarget, connect, cutConnection } from "../connection.ts";
import type { WasmWorkerInput, WasmWorkerOutput } from "./wasm-worker.ts";

/** The pg_dump inside `@electric-sql/pglite-tools`, which the lockfile pins at 0.4.8. */
export const wasmClientVersion = "18.3";

export interface WasmDumpOptions {
  readonly source: ConnectionTarget;
  /** Arguments of pg_dump without any about the connection. */
  readonly args: readonly string[];
  /** Ends everything at once, in whichever state, and cuts the session. */
  readonly signal: AbortSignal;
  /** Called with whatever comes from the server: tells a long dump from a server that has fallen silent. */
  onAnswer?(): void;
}

/**
 * Runs the WebAssembly pg_dump over a session of ours: TLS and the login are `connect`'s, the program in the worker
 * sees an authenticated server. The script stays in memory.
 *
 * @throws CutoverError `DUMP_CONNECTION_LOST`, `DUMP_CLIENT_CRASHED`, those of `connect`; whatever `signal` was aborted
 *   with
 * @returns the script, or what pg_dump said when it failed
 */
export async function runWasmDump(options: WasmDumpOptions): Promise<WasmWorkerOutput> {
  const { source, args, signal } = options;
  const client = await connectUnlessAborted(source, signal);
  const cut = () => cutConnection(client);
  signal.addEventListener("abort", cut);
  try {
    return await runWorker(socketOf(client), { args, parameters: await serverParameters(client) }, options);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw isConnectionLoss(error) ? connectionLost() : error;
  } finally {
    signal.removeEventListener("abort", cut);
    cut();
  }
}

async function connectUnlessAborted(source: ConnectionTarget, signal: AbortSignal): Promise<pg.Client> {
  signal.throwIfAborted();
  const connecting = connect(source, { purpose: "dump", readOnly: true });
  const settled = new AbortController();
  try {
    await Promise.race([connecting, once(signal, "abort", { signal: settled.signal })]);
    signal.throwIfAborted();
    return await connecting;
  } catch (error) {
    connecting.then(cutConnection, () => {});
    throw error;
  } finally {
    settled.abort();
  }
}

async function runWorker(
  socket: Socket,
  input: Pick<WasmWorkerInput, "args" | "parameters">,
  { onAnswer }: WasmDumpOptions,
): Promise<WasmWorkerOutput> {
  // Whoever closed it before this point is not heard of again.
  if (socket.destroyed) throw connectionLost();
  const arrivals = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  const counter = new Int32Array(arrivals);
  const { port1: ours, port2: theirs } = new MessageChannel();
  const worker = new Worker(new URL("./wasm-worker.ts", import.meta.url), {
    workerData: { ...input, socket: theirs, arrivals } satisfies WasmWorkerInput,
    transferList: [theirs],
    // Neither this process's variables nor its arguments are the program's business.
    env: {},
    argv: [],
  });
  const settled = new AbortController();
  try {
    ours.on("message", (bytes: Uint8Array) => socket.write(bytes));
    socket.removeAllListeners("data");
    socket.on("data", (chunk: Buffer) => {
      onAnswer?.();
      ours.postMessage(new Uint8Array(chunk));
      Atomics.add(counter, 0, 1);
      Atomics.notify(counter, 0);
    });
    socket.resume();
    return await Promise.race([
      outputOf(worker, settled.signal),
      once(socket, "close", { signal: settled.signal }).then(() => {
        throw connectionLost();
      }),
    ]);
  } finally {
    settled.abort();
    ours.close();
    await worker.terminate();
  }
}

async function outputOf(worker: Worker, signal: AbortSignal): Promise<WasmWorkerOutput> {
  const ended = once(worker, "exit", { signal }).then(() => {
    throw new Error("it ended without a result");
  });
  try {
    const [output] = await Promise.race([once(worker, "message", { signal }), ended]);
    return output;
  } catch (error) {
    throw clientCrashed(error);
  }
}

/** What a server tells at login and pg_dump relies on. */
async function serverParameters(client: pg.Client): Promise<Record<string, string>> {
  const names = [
    "server_version",
    "server_encoding",
    "client_encoding",
    "standard_conforming_strings",
    "integer_datetimes",
    "DateStyle",
    "IntervalStyle",
    "TimeZone",
    "is_superuser",
    "session_authorization",
  ];
  const { rows } = await client.query(
    "SELECT name, pg_catalog.current_setting(name) AS value FROM pg_catalog.unnest($1::text[]) AS name",
    [names],
  );
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
}

/** The socket (TLS or not) below a session; `pg-copy-streams` takes it the same way. */
function socketOf(client: pg.Client): Socket {
  return (client as unknown as { connection: { stream: Socket } }).connection.stream;
}

function connectionLost(): CutoverError {
  return new CutoverError({
    code: "DUMP_CONNECTION_LOST",
    message: "The connection to the source database closed while its schema was being read.",
    remedy: "Check the source service's logs and the network path, then run again; nothing was changed.",
  });
}

function clientCrashed(error: unknown): CutoverError {
  return new CutoverError({
    code: "DUMP_CLIENT_CRASHED",
    message: `The built-in pg_dump ${wasmClientVersion} stopped by itself (${describeError(error)}).`,
    remedy: "Install PostgreSQL's own client programs on this machine: they are then used instead of it.",
    cause: error,
  });
}
