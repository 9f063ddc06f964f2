import { once } from "node:events";
import type { Socket } from "node:net";
import { MessageChannel, Worker } from "node:worker_threads";
import type pg from "pg";
import { CutoverError } from "../../errors.ts";
import { type ConnectionTarget, connect } from "../connection.ts";
import type { WasmWorkerInput, WasmWorkerOutput } from "./wasm-worker.ts";

/** The pg_dump inside `@electric-sql/pglite-tools`, which the lockfile pins at 0.4.8. */
export const wasmClientVersion = "18.3";

/**
 * Runs the WebAssembly pg_dump over a session of ours: TLS and the login are `connect`'s, the program in the worker
 * sees an authenticated server. The script stays in memory.
 *
 * @param args arguments of pg_dump without any about the connection
 * @throws CutoverError `DUMP_CONNECTION_LOST`, those of `connect`; whatever `signal` was aborted with
 * @returns the script, or what pg_dump said when it failed
 */
export async function runWasmDump(
  source: ConnectionTarget,
  args: readonly string[],
  signal: AbortSignal,
): Promise<WasmWorkerOutput> {
  signal.throwIfAborted();
  const client = await connect(source, { purpose: "dump", readOnly: true });
  try {
    return await runWorker(socketOf(client), { args, parameters: await serverParameters(client) }, signal);
  } finally {
    socketOf(client).destroy();
  }
}

async function runWorker(
  socket: Socket,
  input: Pick<WasmWorkerInput, "args" | "parameters">,
  signal: AbortSignal,
): Promise<WasmWorkerOutput> {
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
      ours.postMessage(new Uint8Array(chunk));
      Atomics.add(counter, 0, 1);
      Atomics.notify(counter, 0);
    });
    socket.resume();
    const [output] = await Promise.race([
      once(worker, "message", { signal: AbortSignal.any([signal, settled.signal]) }),
      once(socket, "close", { signal: settled.signal }).then(() => {
        throw connectionLost();
      }),
    ]);
    return output;
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    settled.abort();
    ours.close();
    await worker.terminate();
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
