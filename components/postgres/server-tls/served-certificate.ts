import { connect as connectSocket, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { CutoverError } from "../../errors.ts";

/** What a server shows of itself in a TLS handshake. */
export interface ServedCertificate {
  /** SHA-256 over the certificate, as `openssl x509 -noout -fingerprint -sha256` writes it: `AB:CD:…`. */
  readonly fingerprint: string;
  readonly validTo: Date;
}

/**
 * Asks a server for TLS (SSLRequest, PostgreSQL manual 54.2.11) and looks at the certificate that it shows. No session
 * begins, and nothing is trusted: the certificate is only told.
 *
 * @returns `null` where the server offers no TLS
 * @throws CutoverError `SERVER_UNREACHABLE`
 */
export function readServedCertificate(
  { host, port }: { readonly host: string; readonly port: number },
  timeoutMs = 15_000,
): Promise<ServedCertificate | null> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket({ host, port });
    const end = (conclude: () => void) => {
      socket.destroy();
      conclude();
    };
    const fail = (what: string) => end(() => reject(unreachable(host, port, what)));
    socket.setTimeout(timeoutMs, () => fail("no answer in time"));
    socket.on("error", (error: NodeJS.ErrnoException) => fail(error.code ?? "connection failed"));
    socket.once("close", () => fail("the connection was closed"));
    socket.once("connect", () => socket.write(sslRequest));
    socket.once("data", (answer) => {
      if (answer[0] === "N".charCodeAt(0)) return end(() => resolve(null));
      if (answer[0] !== "S".charCodeAt(0)) return fail("what answers there is not a PostgreSQL server");
      shakeHands(socket).then(
        (certificate) => end(() => resolve(certificate)),
        () => fail("the TLS handshake failed"),
      );
    });
  });
}

/** Length 8 and the request code 80877103. */
const sslRequest = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

function shakeHands(socket: Socket): Promise<ServedCertificate> {
  return new Promise((resolve, reject) => {
    const secure = connectTls({ socket, rejectUnauthorized: false });
    secure.once("error", reject);
    secure.once("close", () => reject(new Error("closed")));
    secure.once("secureConnect", () => {
      const certificate = secure.getPeerX509Certificate();
      if (certificate === undefined) reject(new Error("no certificate"));
      else resolve({ fingerprint: certificate.fingerprint256, validTo: certificate.validToDate });
    });
  });
}

function unreachable(host: string, port: number, what: string): CutoverError {
  return new CutoverError({
    code: "SERVER_UNREACHABLE",
    message: `Nothing usable answers at ${host}:${port}: ${what}.`,
    remedy:
      "Check that the service runs on Railway, and that this machine reaches it the way the configured transport says.",
  });
}
