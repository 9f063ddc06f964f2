import { connect as connectSocket, isIP, type Socket } from "node:net";
import { connect as startTls, type TLSSocket } from "node:tls";
import { CutoverError, hasCode } from "../errors.ts";

/** Where a server is, and what it is called in messages. */
export interface ServerAddress {
  /** "source" or "target". */
  readonly label: string;
  readonly host: string;
  readonly port: number;
}

/** What a server showed of itself in a TLS handshake. */
export interface ServerCertificate {
  /** SHA-256 over the certificate, as `openssl x509 -noout -fingerprint -sha256` prints it. */
  readonly fingerprint: string;
  readonly validTo: Date;
}

const defaultTimeoutMs = 15_000;

/**
 * Asks a server whether it offers TLS: sends an SSLRequest (PostgreSQL manual 54.2.11) and reads the one-byte answer.
 * Nothing else is sent, no session begins.
 *
 * @throws CutoverError `SERVER_UNREACHABLE`
 */
export async function offersTls(address: ServerAddress, timeoutMs = defaultTimeoutMs): Promise<boolean> {
  const { socket, isOffered } = await requestTls(address, AbortSignal.timeout(timeoutMs));
  socket.destroy();
  return isOffered;
}

/**
 * The certificate that a server shows, pinned or not. Not a byte but those of the handshake is sent.
 *
 * @throws CutoverError `SERVER_UNREACHABLE`, `TLS_NOT_OFFERED`
 */
export async function readCertificate(
  address: ServerAddress,
  timeoutMs = defaultTimeoutMs,
): Promise<ServerCertificate> {
  const socket = await shakeHands(address, AbortSignal.timeout(timeoutMs));
  try {
    return certificateOf(address, socket);
  } finally {
    socket.destroy();
  }
}

/**
 * Opens a TLS connection to the server with exactly this certificate. Until the certificate is known to be the right one
 * nothing is sent but the handshake: no user name, no password, no data. The handshake proves that the server holds the
 * certificate's key, so nobody in between can show a copy of it; who signed it and for which name does not matter, and
 * Railway's are signed by themselves and made out for `localhost`.
 *
 * @param fingerprint of the certificate; `null` where none is configured, which is refused, too
 * @throws CutoverError `CERTIFICATE_NOT_PINNED`, `CERTIFICATE_CHANGED`, `TLS_NOT_OFFERED`, `SERVER_UNREACHABLE`
 */
export async function openPinnedSocket(
  address: ServerAddress,
  fingerprint: string | null,
  timeoutMs = defaultTimeoutMs,
): Promise<TLSSocket> {
  const socket = await shakeHands(address, AbortSignal.timeout(timeoutMs));
  const seen = certificateOf(address, socket);
  if (seen.fingerprint === fingerprint) return socket;
  socket.destroy();
  throw fingerprint === null ? notPinned(address, seen) : changed(address, fingerprint, seen);
}

/** The transport of one database with a pinned certificate, as it is written into the stack's configuration. */
export function pinLine(label: string, fingerprint: string): string {
  return `${label}: { via: tls, fingerprint: "${fingerprint}" }`;
}

/** Whether somebody was not logged in to because the configuration names no certificate. */
export function isNotPinned(error: unknown): error is CutoverError {
  return hasCode(error, "CERTIFICATE_NOT_PINNED");
}

async function shakeHands(address: ServerAddress, signal: AbortSignal): Promise<TLSSocket> {
  const { socket, isOffered } = await requestTls(address, signal);
  if (!isOffered) {
    socket.destroy();
    throw notOffered(address);
  }
  const { host } = address;
  // Who signed it is not asked: the fingerprint decides.
  const secure = startTls({
    socket,
    rejectUnauthorized: false,
    minVersion: "TLSv1.2",
    ...(isIP(host) === 0 ? { servername: host } : {}),
  });
  secure.on("error", () => {});
  // In another handshake on this connection (TLS 1.2) another certificate could be shown.
  secure.disableRenegotiation();
  await settled(address, secure, "secureConnect", signal);
  return secure;
}

async function requestTls(
  address: ServerAddress,
  signal: AbortSignal,
): Promise<{ socket: Socket; isOffered: boolean }> {
  const { host, port } = address;
  const socket = connectSocket({ host, port });
  // Each wait below has a listener of its own; an error between two of them would end the process.
  socket.on("error", () => {});
  // Sessions idle for minutes pass a TCP proxy; the system's default of two hours notices nothing in time.
  socket.setKeepAlive(true, keepAliveDelayMs).setNoDelay(true);
  await settled(address, socket, "connect", signal);
  const answered = settled(address, socket, "data", signal);
  socket.write(sslRequest);
  const answer = (await answered) as Buffer;
  // Bytes behind the answer were sent in clear by somebody who wants them to be taken for the server's (CVE-2021-23222).
  if (answer.length === 1 && answer[0] === "S".charCodeAt(0)) return { socket, isOffered: true };
  if (answer[0] === "N".charCodeAt(0)) return { socket, isOffered: false };
  socket.destroy();
  throw unreachable(address, "what answers there is not a PostgreSQL server");
}

/** Idle time after which the other end is asked for a sign of life. */
export const keepAliveDelayMs = 10_000;

/** Length 8 and the request code 80877103. */
const sslRequest = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

/** Waits for one event of a socket, which is destroyed where anything else happens first. */
function settled(
  address: ServerAddress,
  socket: Socket,
  event: "connect" | "data" | "secureConnect",
  signal: AbortSignal,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const fail = (what: string) => {
      forget();
      socket.destroy();
      reject(unreachable(address, what));
    };
    const onEvent = (value: unknown) => {
      forget();
      resolve(value);
    };
    const onError = ({ code }: NodeJS.ErrnoException) => fail(code ?? "connection failed");
    const onClose = () => fail("the connection was closed");
    const onTimeout = () => fail("no answer in time");
    const forget = () => {
      socket.off(event, onEvent).off("error", onError).off("close", onClose);
      signal.removeEventListener("abort", onTimeout);
    };
    socket.once(event, onEvent).once("error", onError).once("close", onClose);
    signal.addEventListener("abort", onTimeout);
    if (signal.aborted) onTimeout();
  });
}

function certificateOf(address: ServerAddress, socket: TLSSocket): ServerCertificate {
  const certificate = socket.getPeerX509Certificate();
  if (certificate !== undefined) {
    return { fingerprint: certificate.fingerprint256, validTo: certificate.validToDate };
  }
  socket.destroy();
  throw unreachable(address, "the server shows no certificate");
}

function notPinned(address: ServerAddress, { fingerprint }: ServerCertificate): CutoverError {
  return new CutoverError({
    code: "CERTIFICATE_NOT_PINNED",
    message: `${describe(address)} shows the certificate ${fingerprint}, and the configuration does not say whether that is the right one. Nothing was sent to it: no user name, no password.`,
    remedy: `Compare it with the server's own (docs/runbook.md, "Pin a certificate"), then write this below transport: ${pinLine(address.label, fingerprint)}`,
  });
}

function changed(
  address: ServerAddress,
  configured: string,
  { fingerprint }: ServerCertificate,
): CutoverError {
  return new CutoverError({
    code: "CERTIFICATE_CHANGED",
    message: `${describe(address)} shows another certificate than the configured one: ${fingerprint} in the place of ${configured}. Nothing was sent to it: no user name, no password.`,
    remedy: `Railway's image makes itself a new certificate at a start in the last 30 days of the old one. Compare what is shown with the server's own (docs/runbook.md, "Pin a certificate"). If they are equal, write this below transport: ${pinLine(address.label, fingerprint)}. If not, somebody is in between: use another way to the database.`,
  });
}

function notOffered(address: ServerAddress): CutoverError {
  return new CutoverError({
    code: "TLS_NOT_OFFERED",
    message: `${describe(address)} offers no TLS, and its transport is tls. Nothing was sent to it: no user name, no password.`,
    remedy:
      "Give the server a certificate first (`npm run target-tls`, over another way: the pgvector image comes without one), or reach it through the private network or a tunnel. One that had TLS before may be somebody in between.",
  });
}

function unreachable({ host, port }: ServerAddress, what: string): CutoverError {
  return new CutoverError({
    code: "SERVER_UNREACHABLE",
    message: `Nothing usable answers at ${host}:${port}: ${what}.`,
    remedy: unreachableRemedy,
  });
}

/** Wherever a server does not answer. */
export const unreachableRemedy =
  "Check that the service runs on Railway, and that this machine reaches it the way the configured transport says: private leads inside Railway's network only, where `npm run cutover:remote` runs this.";

function describe({ label, host, port }: ServerAddress): string {
  return `The ${label} server at ${host}:${port}`;
}
