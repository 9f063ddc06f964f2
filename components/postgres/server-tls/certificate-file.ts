import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import type pg from "pg";
import { CutoverError } from "../../errors.ts";
import type { ServerCertificate } from "../secure-socket.ts";
import { runOnServer, ServerProgramFailure } from "./run-on-server.ts";

/**
 * Certificate and key, in this order, in one file of the data folder: `ssl_cert_file` and `ssl_key_file` both name it. So
 * one rename replaces both, and no crash leaves a key beside a certificate that it does not fit: with such a pair a
 * server does not start. The data folder is on the volume, so a deployment finds it again.
 */
export const certificateFile = "pgvector_cutover_tls.pem";

/** What was served before a renewal, until the new one is seen to be served. */
export const formerCertificateFile = "pgvector_cutover_tls.former.pem";

/** Where a certificate is made; gone when it is. */
export const certificateWorkFolder = "pgvector_cutover_tls.new";

/** In every certificate of ours: how a file is told from somebody else's of the same name. */
const organization = "railway-pgvector-cutover";

export interface CertificateRequest {
  /** Host names and addresses that clients reach the server by; those that are no host name are left out. */
  readonly hosts: readonly string[];
  readonly validDays: number;
  /** Keeps the present certificate as the former one, to put it back by {@link restoreFormerCertificate}. */
  readonly keepFormer: boolean;
}

/** The exit codes of the scripts below. */
const exitCodes = { toolMissing: 3, notMade: 4, notStored: 5 } as const;

/**
 * Makes a P-256 key and a self-signed certificate on the server, with the server's own tools, and puts them in place by a
 * rename. The key is written by `openssl` into a folder that only the server's account can enter; it is in no command,
 * no answer and no log.
 *
 * @throws CutoverError `TLS_TOOL_MISSING`, `TLS_CERTIFICATE_NOT_MADE`
 */
export async function makeCertificate(client: pg.Client, request: CertificateRequest): Promise<void> {
  try {
    await runOnServer(client, makeScript(request));
  } catch (error) {
    if (error instanceof ServerProgramFailure) throw notMade(error);
    throw error;
  }
}

function makeScript({ hosts, validDays, keepFormer }: CertificateRequest): string {
  const names = [...new Set(hosts.map(hostName).filter((name) => name !== undefined))];
  // RFC 5280: a common name has at most 64 characters; what counts for clients is the alternative name.
  const commonName = names.find((name) => name.length <= 64) ?? "postgresql";
  const alternatives = names.map((name) => `${isIP(name) === 0 ? "DNS" : "IP"}:${name}`).join(",");
  // Of its own, so that nothing of the image's openssl.cnf takes part.
  const configuration = [
    ...["[req]", "prompt=no", "distinguished_name=name", "x509_extensions=extensions"],
    ...["[name]", `O=${organization}`, `CN=${commonName}`],
    ...["[extensions]", "basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature"],
    ...["extendedKeyUsage=serverAuth", ...(names.length === 0 ? [] : [`subjectAltName=${alternatives}`])],
  ];
  const folder = certificateWorkFolder;
  return [
    `for tool in openssl cat mkdir mv ln rm sync; do command -v $tool || exit ${exitCodes.toolMissing}; done`,
    "umask 077",
    `rm -rf ${folder}`,
    `trap 'rm -rf ${folder}' EXIT`,
    `mkdir ${folder} || exit ${exitCodes.notStored}`,
    `printf '%s\\n' ${configuration.map((line) => `'${line}'`).join(" ")} > ${folder}/request.cnf || exit ${exitCodes.notStored}`,
    `openssl req -x509 -config ${folder}/request.cnf -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -days ${validDays} -keyout ${folder}/key -out ${folder}/certificate || exit ${exitCodes.notMade}`,
    `cat ${folder}/certificate ${folder}/key > ${folder}/both || exit ${exitCodes.notStored}`,
    // Read back from the very file that the server will read.
    `[ "$(openssl x509 -in ${folder}/both -noout -pubkey)" = "$(openssl pkey -in ${folder}/both -pubout)" ] || exit ${exitCodes.notMade}`,
    // On the disk before a setting names it: a server whose file is empty after a power failure does not start.
    `sync ${folder}/both || exit ${exitCodes.notStored}`,
    ...(keepFormer
      ? [`ln -f ${certificateFile} ${formerCertificateFile} || exit ${exitCodes.notStored}`]
      : []),
    `mv ${folder}/both ${certificateFile} || exit ${exitCodes.notStored}`,
    "sync .",
  ].join("; ");
}

/** What a name has to be before it becomes part of a command; `undefined` for anything else. */
function hostName(text: string): string | undefined {
  const name = text.toLowerCase().replace(/\.$/, "");
  if (isIP(name) !== 0) return name;
  return name.length <= 253 && /^(?!-)[a-z0-9-]+(\.[a-z0-9-]+)*$/.test(name) ? name : undefined;
}

/** Puts the former certificate back in place, by a rename. */
export async function restoreFormerCertificate(client: pg.Client): Promise<void> {
  await runOnServer(client, `mv ${formerCertificateFile} ${certificateFile} && sync .`);
}

/** Removes the former certificate and what an interrupted making left. */
export async function removeLeftovers(client: pg.Client): Promise<void> {
  await runOnServer(client, `rm -rf ${certificateWorkFolder} && rm -f ${formerCertificateFile}`);
}

/** Removes everything of ours; no setting may name it any more. */
export async function removeCertificate(client: pg.Client): Promise<void> {
  await removeLeftovers(client);
  await runOnServer(client, `rm -f ${certificateFile}`);
}

/** A certificate, without its key. */
export interface Certificate extends ServerCertificate {
  /** Whether this project made it. */
  readonly isOurs: boolean;
  /** Names it was made for, such as `DNS:pgvector.railway.internal`. */
  readonly names: readonly string[];
}

export interface CertificateFiles {
  /** The certificate in our file; `unreadable` where the file is no certificate, `null` where there is none. */
  readonly current: Certificate | "unreadable" | null;
  readonly hasFormer: boolean;
  readonly hasWorkFolder: boolean;
  /** Files of the names that PostgreSQL takes by default: somebody else's. */
  readonly others: readonly string[];
}

/** Reads what is in the data folder. Of our file only the certificate's block leaves the server, never the key's. */
export async function readCertificateFiles(client: pg.Client): Promise<CertificateFiles> {
  const { rows } = await client.query(
    `select name from unnest($1::text[]) as name where (pg_stat_file(name, true)).size is not null`,
    [[certificateFile, formerCertificateFile, certificateWorkFolder, ...defaultNames]],
  );
  const present = new Set<string>(rows.map(({ name }) => name));
  return {
    current: present.has(certificateFile) ? await readOwnCertificate(client) : null,
    hasFormer: present.has(formerCertificateFile),
    hasWorkFolder: present.has(certificateWorkFolder),
    others: defaultNames.filter((name) => present.has(name)),
  };
}

/** What `ssl_cert_file` and `ssl_key_file` name when nobody sets them, and `ssl_ca_file` by custom (manual 18.9.5). */
const defaultNames = ["server.crt", "server.key", "root.crt"];

async function readOwnCertificate(client: pg.Client): Promise<Certificate | "unreadable"> {
  const { rows } = await client.query(
    `select substring(encode(pg_read_binary_file($1), 'escape')
                      from '-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\\s]+-----END CERTIFICATE-----') as certificate`,
    [certificateFile],
  );
  try {
    return describeCertificate(new X509Certificate(rows[0].certificate));
  } catch {
    return "unreadable";
  }
}

function describeCertificate(certificate: X509Certificate): Certificate {
  return {
    fingerprint: certificate.fingerprint256,
    validTo: certificate.validToDate,
    isOurs: certificate.subject.split("\n").includes(`O=${organization}`),
    names: (certificate.subjectAltName ?? "").split(", ").filter((name) => name !== ""),
  };
}

function notMade(failure: ServerProgramFailure): CutoverError {
  if (failure.exitCode === exitCodes.toolMissing || failure.exitCode === 127) {
    return new CutoverError({
      code: "TLS_TOOL_MISSING",
      message:
        "The target's image lacks a program that a certificate is made with (openssl, or one of the shell's usual tools). Nothing was changed.",
      remedy:
        "Use an image built on Debian's packages, as `pgvector/pgvector:pg17` is; an Alpine image has no openssl. Or reach the target through the private network or a tunnel.",
      cause: failure,
    });
  }
  const what =
    failure.exitCode === exitCodes.notStored
      ? "The target's server could not store its certificate in the data folder"
      : "openssl on the target's server made no certificate";
  return new CutoverError({
    code: "TLS_CERTIFICATE_NOT_MADE",
    message: `${what}. TLS is as it was.`,
    remedy: "Look whether the volume is full, then run again: what was left is removed first.",
    cause: failure,
  });
}
