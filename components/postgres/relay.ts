import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { hasCode } from "../errors.ts";
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
    try {
      keep(server, sockets);
      server.write(await firstBytes(client));
      // Neither program has anything to say to one that has hung up.
      await Promise.race([pipeline(client, server), pipeline(server, withoutChannelBinding, client)]);
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
 * Runs `use` with a way for a program that is not ours; afterwards the way is closed, whatever happens. A server that was not
 * the right one is the failure of all of it, whatever the program made of that.
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
    // One that was not reached for a moment the program has asked again; another server it must not have done without.
    const failure = relay.failure();
    if (failure !== undefined && !isUnreachable(failure)) throw failure;
    return result;
  } catch (error) {
    throw relay.failure() ?? error;
  } finally {
    await relay.close();
  }
}

function isUnreachable(error: unknown): boolean {
  return hasCode(error, "SERVER_UNREACHABLE");
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
    if (client.destroyed) throw new Error("the client went away");
    const bytes: Buffer | null = client.read(encryptionRequestBytes);
    if (bytes === null) {
      await Promise.race([once(client, "readable"), once(client, "close")]);
      continue;
    }
    if (bytes.length < encryptionRequestBytes || !requestsEncryption(bytes.subarray(4))) return bytes;
    client.write("N");
  }
}

/**
 * What the server says, without the way to log in that binds the password to a TLS connection: the program has none, and libpq
 * ends a login in which it is offered all the same (`fe-auth.c`). The connection that it would be bound to is checked here.
 */
async function* withoutChannelBinding(answers: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let begun: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of answers) {
    if (begun === undefined) {
      yield chunk;
      continue;
    }
    begun = Buffer.concat([begun, chunk]);
    const request = authenticationRequest(begun);
    if (request === undefined) continue;
    yield begun.subarray(0, request.start);
    yield withoutPlus(begun.subarray(request.start, request.end));
    yield begun.subarray(request.end);
    begun = undefined;
  }
  if (begun !== undefined) yield begun;
}

/**
 * Where the server's first word about the login is: a message of type `R`, or an error in its place. `undefined` as long as it
 * has not arrived whole.
 */
function authenticationRequest(bytes: Buffer): { start: number; end: number } | undefined {
  for (let start = 0; start + messageHeaderBytes <= bytes.length; ) {
    const end = start + 1 + bytes.readUInt32BE(start + 1);
    const type = String.fromCharCode(bytes.readUInt8(start));
    if (type === "R" || type === "E") return end <= bytes.length ? { start, end } : undefined;
    start = end;
  }
  return undefined;
}

/** A message AuthenticationSASL (manual 53.7) without `SCRAM-SHA-256-PLUS`; any other as it is. */
function withoutPlus(message: Buffer): Buffer {
  const codeEnd = messageHeaderBytes + 4;
  if (message[0] !== "R".charCodeAt(0) || message.readUInt32BE(messageHeaderBytes) !== saslCode)
    return message;
  const names = message.toString("latin1", codeEnd).split("\0");
  const list = Buffer.from(names.filter((name) => !name.endsWith("-PLUS")).join("\0"), "latin1");
  const shorter = Buffer.concat([message.subarray(0, codeEnd), list]);
  shorter.writeUInt32BE(shorter.length - 1, 1);
  return shorter;
}

/** Type and length. */
const messageHeaderBytes = 5;
const saslCode = 10;

/** Length and code; every other packet that a client can begin with is longer. */
const encryptionRequestBytes = 8;
