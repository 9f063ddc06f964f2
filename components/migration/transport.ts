import { connect as connectSocket } from "node:net";
import { CutoverError } from "../errors.ts";
import { type ConnectionTarget, parseDatabaseUrl } from "../postgres/connection.ts";
import type { Transport } from "./inputs.ts";

export interface ConnectionRequest {
  /** "source" or "target", for messages. */
  readonly label: string;
  /** The service's variables as Railway renders them for a deployment. */
  readonly variables: ReadonlyMap<string, string | null>;
  readonly transport: Transport;
  /** The operator's reason to accept clear text across a public network, or `null` to refuse it. */
  readonly plaintextReason: string | null;
}

/**
 * Decides how one database is reached: which URL, and whether the connection is encrypted. Pure.
 * Without `serverOffersTls` (see {@link offersTls}) TLS is assumed on public hosts and not on private ones.
 *
 * @throws CutoverError `URL_INVALID`, `PRIVATE_URL_NOT_PRIVATE`, `PLAINTEXT_REFUSED`
 */
export function resolveConnection(
  request: ConnectionRequest,
  serverOffersTls: boolean | undefined = undefined,
): ConnectionTarget {
  const address = resolveAddress(request);
  if (isPrivateHost(address.host)) return { ...address, tls: serverOffersTls === true ? "require" : "off" };
  if (serverOffersTls !== false) return { ...address, tls: "require" };
  if (request.plaintextReason !== null) return { ...address, tls: "off" };
  throw new CutoverError({
    code: "PLAINTEXT_REFUSED",
    message: `The ${request.label} server offers no TLS and is reached across a public network at ${address.host}:${address.port}: patient data would travel in clear text.`,
    remedy:
      "Run inside Railway's private network (transport `private`) or through `railway connect --tunnel-only` (transport `tunnel`); only if that is impossible, set `transport.plaintextReason`.",
  });
}

/** {@link resolveConnection} after asking the server whether it offers TLS. */
export async function probeConnection(
  request: ConnectionRequest,
  probe: typeof offersTls = offersTls,
): Promise<ConnectionTarget> {
  const assumed = resolveConnection(request);
  return resolveConnection(request, await probe(assumed.host, assumed.port));
}

/** Loopback, or Railway's encrypted mesh between the services of one environment: the places where clear text stays private. */
export function isPrivateHost(host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, "");
  return (
    name === "localhost" ||
    name === "::1" ||
    /^127\.\d+\.\d+\.\d+$/.test(name) ||
    name.endsWith(".railway.internal")
  );
}

/**
 * Sends an SSLRequest (PostgreSQL manual 54.2.11) and reads the one-byte answer. Nothing else is sent, no session begins.
 *
 * @throws CutoverError `SERVER_UNREACHABLE`
 */
export function offersTls(host: string, port: number, timeoutMs = 15_000): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket({ host, port });
    const fail = (what: string) => {
      socket.destroy();
      reject(unreachable(host, port, what));
    };
    socket.setTimeout(timeoutMs, () => fail("no answer in time"));
    socket.once("error", (error: NodeJS.ErrnoException) => fail(error.code ?? "connection failed"));
    socket.once("close", () => fail("the connection was closed"));
    socket.once("connect", () => socket.write(sslRequest));
    socket.once("data", (answer) => {
      const offered = answer[0] === "S".charCodeAt(0);
      if (!offered && answer[0] !== "N".charCodeAt(0)) {
        fail("what answers there is not a PostgreSQL server");
        return;
      }
      resolve(offered);
      socket.destroy();
    });
  });
}

/** Length 8 and the request code 80877103. */
const sslRequest = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

function resolveAddress({ label, variables, transport }: ConnectionRequest): ConnectionTarget {
  switch (transport.via) {
    case "private":
      return privateAddress(label, variables);
    case "public":
      return parseDatabaseUrl(label, publicUrl(variables), "off");
    case "tunnel":
      return {
        ...parseDatabaseUrl(label, privateUrl(variables), "off"),
        host: "127.0.0.1",
        port: transport.port,
      };
    default:
      return transport satisfies never;
  }
}

function privateAddress(label: string, variables: ReadonlyMap<string, string | null>): ConnectionTarget {
  const address = parseDatabaseUrl(label, privateUrl(variables), "off");
  if (isPrivateHost(address.host)) return address;
  throw new CutoverError({
    code: "PRIVATE_URL_NOT_PRIVATE",
    message: `The ${label} service's DATABASE_URL names ${address.host}, which is not on Railway's private network.`,
    remedy:
      "Set the service's DATABASE_URL to its private host (`${{RAILWAY_PRIVATE_DOMAIN}}`), or choose another transport.",
  });
}

// One of Railway's two pgvector templates names them the other way round: DATABASE_URL is public there, and the
// private one is DATABASE_URL_PRIVATE (template 3jJFCA).
function privateUrl(variables: ReadonlyMap<string, string | null>): string {
  return variables.get("DATABASE_URL_PRIVATE") ?? variables.get("DATABASE_URL") ?? "";
}

function publicUrl(variables: ReadonlyMap<string, string | null>): string {
  return variables.get("DATABASE_PUBLIC_URL") ?? variables.get("DATABASE_URL") ?? "";
}

function unreachable(host: string, port: number, what: string): CutoverError {
  return new CutoverError({
    code: "SERVER_UNREACHABLE",
    message: `Nothing usable answers at ${host}:${port}: ${what}.`,
    remedy:
      "Check that the service runs on Railway, and that this machine reaches it the way the configured transport says.",
  });
}
