import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import type { ConnectionTarget, ReachedTarget } from "./connection.ts";
import { requestsEncryption } from "./dump/wire-frames.ts";
import { openPinnedSocket } from "./secure-socket.ts";

/** The way on which another program gets to a database. */
export interface Relay {
  /** What to hand to the program. */
  readonly reached: ReachedTarget;
  /** Why the way to the server could not be opened for the program, which only sees that its connection was closed. */
  failure(): unknown;
  close(): Promise<void>;
}

/**
 * Opens a way to the database for a program that is not ours. Such a program cannot be held to a pinned certificate: libpq
 * knows no fingerprints, and takes a root certificate only where the server's chain ends in it. So it gets a Unix socket in a
 * folder that only this user may enter, and TLS begins in this process: nothing is in clear on a network, nor on a port that
 * other users of this machine could reach. A database whose certificate is not pinned is reached as it is, without a relay.
 */
export async function openRelay(target: ConnectionTarget): Promise<Relay> {
  const { tls, host, port, label } = target;
  if (typeof tls !== "object") {
    return { reached: { ...target, tls }, failure: () => undefined, close: async () => {} };
  }
  let failure: unknown;
  const sockets = new Set<Socket>();
  const serve = async (client: Socket): Promise<void> => {
    const server = await openPinnedSocket({ label, host, port }, tls.fingerprint).catch((error) => {
      failure ??= error;
      client.destroy();
    });
    if (server === undefined) return;
    keep(server, sockets);
    try {
      server.write(await firstBytes(client));
      await pipeline(client, server, client);
    } catch {
      // Either end may close at any time; the other one learns it from its own connection.
    } finally {
      client.destroy();
      server.destroy();
    }
  };
  const listener = createServer((client) => {
    keep(client, sockets);
    void serve(client);
  });
  // Made with mode 0700.
  const folder = await mkdtemp(path.join(tmpdir(), "pgvector-cutover-"));
  const reached: ReachedTarget = { ...target, host: folder, port: socketPort, tls: "off" };
  listener.listen(path.join(folder, `.s.PGSQL.${socketPort}`));
  await once(listener, "listening");
  return {
    reached,
    failure: () => failure,
    async close() {
      listener.close();
      for (const socket of sockets) socket.destroy();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/**
 * Runs `use` with a way for a program that is not ours; afterwards the way is closed, whatever happens. A connection that
 * could not be opened is the failure of all of it: the program need not have noticed.
 *
 * @throws CutoverError `CERTIFICATE_NOT_PINNED`, `CERTIFICATE_CHANGED`, `TLS_NOT_OFFERED`, `SERVER_UNREACHABLE`; what `use`
 *   throws
 */
export async function withRelay<Result>(
  target: ConnectionTarget,
  use: (reached: ReachedTarget) => Promise<Result>,
): Promise<Result> {
  const relay = await openRelay(target);
  try {
    const result = await use(relay.reached);
    const failure = relay.failure();
    if (failure !== undefined) throw failure;
    return result;
  } catch (error) {
    throw relay.failure() ?? error;
  } finally {
    await relay.close();
  }
}

/** Part of the socket's file name, by which every client finds it. */
const socketPort = 5432;

function keep(socket: Socket, sockets: Set<Socket>): void {
  sockets.add(socket);
  socket.on("error", () => {}).once("close", () => sockets.delete(socket));
}

/** The beginning of what goes to the server. A client that asks for encryption is told that there is none on this socket. */
async function firstBytes(client: Socket): Promise<Buffer> {
  for (;;) {
    const bytes: Buffer | null = client.read(encryptionRequestBytes);
    if (bytes === null) {
      await Promise.race([once(client, "readable"), once(client, "close")]);
      if (client.destroyed) throw new Error("the client went away");
      continue;
    }
    if (bytes.length < encryptionRequestBytes || !requestsEncryption(bytes.subarray(4))) return bytes;
    client.write("N");
  }
}

/** Length and code; every other packet that a client can begin with is longer. */
const encryptionRequestBytes = 8;
