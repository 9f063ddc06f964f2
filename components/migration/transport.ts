import { CutoverError } from "../errors.ts";
import { type ConnectionTarget, parseDatabaseUrl } from "../postgres/connection.ts";
import { offersTls } from "../postgres/secure-socket.ts";
import type { MigrationInputs, Transport } from "./inputs.ts";

export interface ConnectionRequest {
  /** "source" or "target", for messages. */
  readonly label: string;
  /** The service's variables as Railway renders them for a deployment. */
  readonly variables: ReadonlyMap<string, string | null>;
  readonly transport: Transport;
}

/**
 * Decides how one database is reached: which URL, and how the connection is protected. Pure.
 *
 * @param serverOffersTls where the way is private, it is encrypted once more if the server can: some refuse whoever does not
 * @throws CutoverError `URL_INVALID`, `PRIVATE_URL_NOT_PRIVATE`
 */
export function resolveConnection(
  { label, variables, transport }: ConnectionRequest,
  serverOffersTls = false,
): ConnectionTarget {
  const privateTls = serverOffersTls ? "require" : "off";
  switch (transport.via) {
    case "private":
      return { ...privateAddress(label, variables), tls: privateTls };
    case "tls":
      return parseDatabaseUrl(label, publicUrl(variables), { fingerprint: transport.fingerprint });
    case "tunnel": {
      const behind = parseDatabaseUrl(label, privateUrl(variables), privateTls);
      return { ...behind, host: "127.0.0.1", port: transport.port };
    }
    case "plaintext":
      return parseDatabaseUrl(label, publicUrl(variables), "off");
    default:
      return transport satisfies never;
  }
}

/**
 * {@link resolveConnection} after asking the server what it must be asked for.
 *
 * @throws CutoverError `SERVER_UNREACHABLE` and those of {@link resolveConnection}
 */
export async function probeConnection(
  request: ConnectionRequest,
  probe: typeof offersTls = offersTls,
): Promise<ConnectionTarget> {
  const assumed = resolveConnection(request);
  const isPrivate = request.transport.via === "private" || request.transport.via === "tunnel";
  return isPrivate ? resolveConnection(request, await probe(assumed)) : assumed;
}

/** Whether the server's certificate has yet to be seen by somebody. */
export function isUnpinned(transport: Transport): boolean {
  return transport.via === "tls" && transport.fingerprint === null;
}

/** Whether both databases are reached as before: a state with an old pin or port is of no use to a refresh. */
export function isSameWay(
  before: MigrationInputs["transport"],
  after: MigrationInputs["transport"],
): boolean {
  return JSON.stringify(before) === JSON.stringify(after);
}

/** How a database is reached, for people. */
export function describeTransport(transport: Transport): string {
  switch (transport.via) {
    case "private":
      return "inside Railway's private network";
    case "tls":
      return transport.fingerprint === null
        ? "with TLS, no certificate pinned yet"
        : `with TLS, certificate ${transport.fingerprint}`;
    case "tunnel":
      return `through the tunnel on port ${transport.port}`;
    case "plaintext":
      return `IN CLEAR TEXT (${transport.reason})`;
    default:
      return transport satisfies never;
  }
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
