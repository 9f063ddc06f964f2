import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { CutoverError, describeError } from "../../errors.ts";
import { type ConnectionTarget, withConnection } from "../../postgres/connection.ts";
import type { ServerCertificate } from "../../postgres/secure-socket.ts";
import {
  makeCertificate,
  readCertificateFiles,
  removeCertificate,
  removeLeftovers,
  restoreFormerCertificate,
} from "../../postgres/server-tls/certificate-file.ts";
import { readServedCertificate } from "../../postgres/server-tls/served-certificate.ts";
import {
  readTlsConfiguration,
  reloadConfiguration,
  resetTlsSetting,
  tlsSettings,
  writeTlsSetting,
} from "../../postgres/server-tls/settings.ts";
import type { Reporter } from "../reporter.ts";
import type { TargetTlsPlan } from "./plan.ts";

export interface TlsSwitch {
  /** A superuser's session on the target. */
  readonly client: pg.Client;
  readonly connection: ConnectionTarget;
  readonly reporter: Reporter;
  /** Names and addresses that the certificate is made for. */
  readonly hosts: readonly string[];
  readonly validDays: number;
  /** How long the server may take to serve what its files say. */
  readonly reloadTimeoutMs: number;
}

/**
 * Gives the running server a certificate and switches `ssl` on. Sessions that are open go on as they are. What an
 * interruption leaves starts without TLS until `ssl` is written, and with our certificate from then on; the next `on` or
 * `off` goes on from there. When the certificate is not served afterwards, everything is put back.
 *
 * @throws CutoverError `TLS_TOOL_MISSING`, `TLS_CERTIFICATE_NOT_MADE`, `TLS_NOT_SWITCHED`
 */
export async function switchOn(
  work: TlsSwitch,
  { makesCertificate, settings }: Extract<TargetTlsPlan, { action: "switch-on" }>,
): Promise<ServerCertificate> {
  const { client, reporter } = work;
  if (makesCertificate) await make(work, { keepFormer: false });
  for (const name of settings) {
    await writeTlsSetting(client, name);
    reporter.detail(`${name} written`);
  }
  return bringIntoForce(work, { wasOff: settings.includes("ssl") });
}

/**
 * Puts a new certificate in the place of the one that is served. Until it is served itself the former one is kept, and
 * goes back when the new one does not come up.
 *
 * @throws CutoverError those of {@link switchOn}
 */
export async function renew(work: TlsSwitch): Promise<ServerCertificate> {
  await make(work, { keepFormer: true });
  return bringIntoForce(work, { wasOff: false });
}

/**
 * Takes `ssl` off and removes what `on` made. In this order: a server whose files are gone while `ssl` is on would not
 * start again. Sessions that use TLS go on.
 *
 * @throws CutoverError `TLS_NOT_SWITCHED`
 */
export async function switchOff({ client, connection, reporter, reloadTimeoutMs }: TlsSwitch): Promise<void> {
  const { own } = await readTlsConfiguration(client);
  for (const { name } of tlsSettings.toReversed()) {
    if (!own.includes(name)) continue;
    await resetTlsSetting(client, name);
    reporter.detail(`${name} reset`);
  }
  await reloadConfiguration(client);
  reporter.detail("the server was told to read its configuration again");
  if (!(await becomesTrue(async () => (await readServedCertificate(connection)) === null, reloadTimeoutMs)))
    throw notSwitched("the server still offers TLS", "the files are left in place");
  await removeCertificate(client);
  reporter.detail("certificate and key removed from the server");
}

async function make(
  { client, reporter, hosts, validDays }: TlsSwitch,
  { keepFormer }: { readonly keepFormer: boolean },
): Promise<void> {
  await makeCertificate(client, { hosts, validDays, keepFormer });
  reporter.detail("key and certificate made on the server");
}

/** @param before whether `ssl` was off until now, so that it may be switched off again */
async function bringIntoForce(
  work: TlsSwitch,
  before: { readonly wasOff: boolean },
): Promise<ServerCertificate> {
  const { client, connection, reporter, reloadTimeoutMs } = work;
  await reloadConfiguration(client);
  reporter.detail("the server was told to read its configuration again");
  const { current } = await readCertificateFiles(client);
  const expected = current === "unreadable" ? undefined : current?.fingerprint;
  const isServed = async () => {
    const served = await readServedCertificate(connection);
    return served !== null && served.fingerprint === expected ? served : undefined;
  };
  const served = await firstSeen(isServed, reloadTimeoutMs);
  if (served === undefined) return putBack(work, before, "the server does not serve its certificate");
  let refusal: string | undefined;
  const isLetIn = async () => {
    refusal = await tryToLogIn(connection, served.fingerprint);
    return refusal === undefined;
  };
  if (!(await becomesTrue(isLetIn, reloadTimeoutMs)))
    return putBack(work, before, `a session with TLS is refused (${refusal})`);
  reporter.detail("a new session uses TLS with this certificate");
  await removeLeftovers(client);
  return served;
}

/** Why a session with the server that has this certificate cannot be opened; `undefined` when it can. */
async function tryToLogIn(connection: ConnectionTarget, fingerprint: string): Promise<string | undefined> {
  try {
    return await withConnection(
      { ...connection, tls: { fingerprint } },
      { purpose: "target-tls", readOnly: true },
      async (client) => {
        const { rows } = await client.query("select ssl from pg_stat_ssl where pid = pg_backend_pid()");
        return rows[0]?.ssl === true ? undefined : "it came without TLS";
      },
    );
  } catch (error) {
    return describeError(error);
  }
}

async function putBack(
  work: TlsSwitch,
  { wasOff }: { readonly wasOff: boolean },
  why: string,
): Promise<never> {
  const { client, connection, reporter, reloadTimeoutMs } = work;
  const { hasFormer } = await readCertificateFiles(client);
  if (!hasFormer && !wasOff) throw notSwitched(why, "TLS is on, as before");
  reporter.detail(`${why}: putting back`);
  if (!hasFormer) {
    await switchOff(work);
    throw notSwitched(why, "everything is put back: TLS is off, as before");
  }
  await restoreFormerCertificate(client);
  await reloadConfiguration(client);
  const { current } = await readCertificateFiles(client);
  const former = current === null || current === "unreadable" ? undefined : current.fingerprint;
  const isBack = async () => (await readServedCertificate(connection))?.fingerprint === former;
  const isServed = await becomesTrue(isBack, reloadTimeoutMs);
  await removeLeftovers(client);
  throw notSwitched(
    why,
    `the former certificate is back${isServed ? "" : " in its file, and not served yet"}`,
  );
}

function notSwitched(why: string, state: string): CutoverError {
  return new CutoverError({
    code: "TLS_NOT_SWITCHED",
    message: `TLS of the target did not become what was asked for: ${why}; ${state}. Sessions were not touched.`,
    remedy:
      "Look at the target's log on Railway for the reason (`could not load server certificate` and the like), then run again; `npm run target-tls` shows how things stand.",
  });
}

async function becomesTrue(look: () => Promise<boolean>, withinMs: number): Promise<boolean> {
  return (await firstSeen(async () => ((await look()) ? true : undefined), withinMs)) ?? false;
}

/** Looks again and again. `undefined` when it was not seen in time; looks that fail count as not seen. */
async function firstSeen<Seen>(
  look: () => Promise<Seen | undefined>,
  withinMs: number,
): Promise<Seen | undefined> {
  const giveUpAt = performance.now() + withinMs;
  for (;;) {
    const seen = await look().catch(() => undefined);
    if (seen !== undefined || performance.now() >= giveUpAt) return seen;
    await delay(lookIntervalMs);
  }
}

const lookIntervalMs = 100;
