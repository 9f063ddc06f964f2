import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import type { PGlite } from "@electric-sql/pglite";
import { pgDump } from "@electric-sql/pglite-tools/pg_dump";
import { FrameScanner, loginAnswer, requestsEncryption } from "./wire-frames.ts";

/**
 * Runs pg_dump compiled to WebAssembly. Its network calls are synchronous, so this thread sleeps on a shared counter
 * while the main thread, which owns the socket, brings the server's answer.
 */
export interface WasmWorkerInput {
  readonly args: readonly string[];
  /** What the server reported at login (`server_version`, …): pg_dump reads it from there. */
  readonly parameters: Readonly<Record<string, string>>;
  /** The server's bytes come in, pg_dump's go out. */
  readonly socket: MessagePort;
  /** One Int32: raised by the main thread with each message it posts. */
  readonly arrivals: SharedArrayBuffer;
}

export type WasmWorkerOutput =
  | { readonly ok: true; readonly script: string }
  /** `message` is pg_dump's own text; it names objects. */
  | { readonly ok: false; readonly message: string };

// The program names itself after this in its messages.
process.argv[1] = "pg_dump";

const input: WasmWorkerInput = workerData;
const arrivals = new Int32Array(input.arrivals);
const sent = new FrameScanner(true);
const received = new FrameScanner(false);

parentPort?.postMessage(await run());

async function run(): Promise<WasmWorkerOutput> {
  try {
    const file = await pgDump({ pg: session(), args: [...input.args] });
    return { ok: true, script: await file.text() };
  } catch (error) {
    // Everything but an orderly end of the program is a crash, which ends this thread with it.
    if (error instanceof Error && error.message.startsWith("pg_dump failed with exit code")) {
      return { ok: false, message: error.message };
    }
    throw error;
  }
}

/** The three methods of a PGlite instance that `pgDump` calls, over our socket. */
function session(): PGlite {
  const double = {
    query: async () => ({ rows: [{ search_path: "" }] }),
    exec: async () => [],
    execProtocolRawStream: (bytes: Uint8Array, { onRawData }: { onRawData(data: Uint8Array): void }) => {
      // A copy: the view is on the program's whole memory, which would be cloned with it.
      const answer = exchange(bytes.slice());
      if (answer.length > 0) onRawData(answer);
    },
  };
  return double as unknown as PGlite;
}

/**
 * Sends what pg_dump wrote and returns the complete answer of the server, up to ReadyForQuery for each query in it.
 * One piece, because `pgDump` copies its whole buffer for every piece it is given.
 *
 * What it wrote need not be a whole message: libpq hands over 8 KiB as soon as it has them (`pqPutMsgBytes`), and a
 * query that lists 1,500 tables is longer. The server says nothing to a part, so nothing may be waited for.
 */
function exchange(bytes: Uint8Array): Uint8Array {
  let toServer = true;
  let answer: Uint8Array = new Uint8Array(0);
  let questions = 0;
  for (const frame of sent.push(bytes)) {
    if (frame.payload !== undefined) {
      toServer = false;
      const refusesEncryption = requestsEncryption(frame.payload);
      answer = refusesEncryption ? new TextEncoder().encode("N") : loginAnswer(input.parameters);
    } else if (frame.type === "Q" || frame.type === "S") {
      questions += 1;
    } else if (frame.type === "X") {
      toServer = false;
    }
  }
  if (toServer) input.socket.postMessage(bytes);
  return questions === 0 ? answer : receiveAnswers(questions);
}

function receiveAnswers(questions: number): Uint8Array {
  const chunks: Uint8Array[] = [];
  let open = questions;
  while (open > 0) {
    const chunk = nextChunk();
    chunks.push(chunk);
    open -= received.push(chunk).filter(({ type }) => type === "Z").length;
  }
  return join(chunks);
}

function nextChunk(): Uint8Array {
  for (;;) {
    const seen = Atomics.load(arrivals, 0);
    const arrived = receiveMessageOnPort(input.socket);
    if (arrived !== undefined) return arrived.message;
    Atomics.wait(arrivals, 0, seen);
  }
}

function join(chunks: readonly Uint8Array[]): Uint8Array {
  const [first] = chunks;
  return chunks.length === 1 && first !== undefined ? first : new Uint8Array(Buffer.concat(chunks));
}
