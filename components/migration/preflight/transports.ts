import { hasCode } from "../../errors.ts";
import type { ConnectionTarget } from "../../postgres/connection.ts";
import { pinLine, readCertificate, type ServerCertificate } from "../../postgres/secure-socket.ts";
import type { Finding } from "../finding.ts";
import type { Transport } from "../inputs.ts";
import { findingsOf } from "./definitions.ts";

export const transportDefinitions = {
  CERTIFICATE_ENDS: {
    severity: "warning",
    acceptable: false,
    remedy:
      'Let the server make its new certificate first (docs/runbook.md, "Pin a certificate"), and pin that one; or start no deployment of the database until the old one is stopped.',
  },
  CLEAR_TEXT: {
    severity: "warning",
    acceptable: false,
    remedy: "Use the transport tls, tunnel or private; plaintext is for data that nobody minds to be read.",
  },
} as const;

const found = findingsOf(transportDefinitions);

const dayMs = 24 * 60 * 60_000;

/**
 * Railway's postgres-ssl image makes a new certificate at a start within 30 days of the old one's end (its `init-ssl.sh`), and
 * a pinned one is needed until the old database is stopped: for the pause and the soak, which is 14 days by default.
 */
export const certificateMarginMs = (30 + 30) * dayMs;

/**
 * What speaks against the way to one database, apart from what keeps a session from being opened. Sends nothing but a TLS
 * handshake.
 *
 * @throws CutoverError `SERVER_UNREACHABLE`, `TLS_NOT_OFFERED`
 */
export async function checkTransport(
  side: "source" | "target",
  transport: Transport,
  connection: ConnectionTarget,
  now: Date,
  read: typeof readCertificate = readCertificate,
): Promise<Finding[]> {
  switch (transport.via) {
    case "private":
    case "tunnel":
      return [];
    case "tls":
      return checkEnd(side, await read(connection), now);
    case "plaintext":
      return [clearText(side, transport.reason, await certificateIfOffered(connection, read))];
    default:
      return transport satisfies never;
  }
}

function checkEnd(side: string, { validTo }: ServerCertificate, now: Date): Finding[] {
  if (validTo.getTime() - now.getTime() > certificateMarginMs) return [];
  return [
    found(
      "CERTIFICATE_ENDS",
      side,
      `The pinned certificate is valid until ${validTo.toISOString().slice(0, 10)}: Railway's image replaces it at a start within 30 days of that, and nothing gets through to the database from then on until the new one is pinned.`,
    ),
  ];
}

function clearText(side: string, reason: string, certificate: ServerCertificate | undefined): Finding {
  const what = `All its data crosses a public network in clear text (${reason}).`;
  if (certificate === undefined) return found("CLEAR_TEXT", side, what);
  return found(
    "CLEAR_TEXT",
    side,
    `${what} The server offers TLS.`,
    `Compare the certificate with the server's own (docs/runbook.md, "Pin a certificate"), then write this below transport: ${pinLine(side, certificate.fingerprint)}`,
  );
}

async function certificateIfOffered(
  connection: ConnectionTarget,
  read: typeof readCertificate,
): Promise<ServerCertificate | undefined> {
  try {
    return await read(connection);
  } catch (error) {
    if (hasCode(error, "TLS_NOT_OFFERED")) return undefined;
    throw error;
  }
}
