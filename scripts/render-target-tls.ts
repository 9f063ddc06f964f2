import type { ClientVariable, TlsWish } from "../components/migration/target-tls/client-variables.ts";
import { describeRule, type SessionGroup } from "../components/migration/target-tls/clients.ts";
import { isNearItsEnd, type TargetTlsPlan, wouldNotStart } from "../components/migration/target-tls/plan.ts";
import type { TargetTlsLook, TargetTlsOutcome } from "../components/migration/target-tls.ts";
import { pinLine, type ServerCertificate } from "../components/postgres/secure-socket.ts";

/** The target's TLS as a screen of text. */
export function renderTargetTls({ stand, seen, variables }: TargetTlsLook, stack: string): string {
  const { served, sessions, rules } = seen;
  const { current } = seen.files;
  const lines = [
    ["stack", stack],
    [
      "TLS",
      `${standTexts[stand]}${served === null ? "" : `; certificate until ${dayOf(served)}${isNearItsEnd(seen, new Date()) ? ": renew it" : ""}`}`,
    ],
    ...(served === null ? [] : [["fingerprint", fingerprintLine(served)]]),
    ...(current === null || current === "unreadable"
      ? []
      : [["made for", current.names.join(", ") || "no name"]]),
    ...(wouldNotStart(seen)
      ? [
          [
            "DANGER",
            "the server goes on as it is, but would not start again: its certificate is gone or damaged",
          ],
        ]
      : []),
    ...listed("sessions", "none but this command's", sessions.map(describeSession)),
    ...listed(
      "variables",
      "none leads here",
      variables.map(({ object, wish }) => `${object}: ${wishTexts[wish]}`),
    ),
    ...listed("pg_hba.conf", "no hostssl and no hostnossl rule", rules.map(describeRule)),
  ];
  const width = Math.max(...lines.map(([label = ""]) => label.length));
  return `${lines.map(([label = "", text = ""]) => `${label.padEnd(width)}  ${text}`).join("\n")}\n`;
}

const standTexts = {
  off: "off: the server offers none",
  on: "on, by this command",
  unfinished: "a command was interrupted: on and off both go on from here",
  foreign: "set up, or begun, by somebody else",
} as const;

const wishTexts: Readonly<Record<TlsWish, string>> = {
  none: "asks for no TLS",
  either: "takes TLS where it is offered",
  unsaid: "says nothing of TLS: the driver's default decides",
  tls: "demands TLS",
  verified: "demands a certificate that it can verify",
  unreadable: "sealed: look yourself whether it leads here, and what it says of TLS",
};

/** What a plan would do, and what that means for each client. */
export function renderPlan(
  plan: Exclude<TargetTlsPlan, { action: "refuse" }>,
  { seen, variables }: TargetTlsLook,
): string {
  if (plan.action === "nothing") return `Nothing to do: ${plan.why}.\n`;
  const effects = effectsOf[plan.action];
  const affected = variables.map(({ object, wish }) => `${object}: ${effects[wish]}`);
  const broken = variables.filter(({ wish }) => effects[wish].startsWith("BREAKS"));
  return [
    "What would be done",
    ...stepsOf(plan).map((text) => `  ${text}`),
    "What it means",
    "  every session that is open goes on as it is; nothing is restarted",
    ...sessionEffects(plan.action, seen.sessions).map((text) => `  ${text}`),
    ...affected.map((text) => `  ${text}`),
    brokenLine(broken),
    "Nothing was done. Once more with --yes does it.",
    "",
  ].join("\n");
}

function stepsOf(plan: Exclude<TargetTlsPlan, { action: "refuse" | "nothing" }>): string[] {
  switch (plan.action) {
    case "switch-on":
      return [
        ...(plan.makesCertificate
          ? ["make a P-256 key and a self-signed certificate on the server, in its data folder"]
          : ["use the certificate that an interrupted command made"]),
        ...plan.settings.map((name) => `ALTER SYSTEM SET ${name}`),
        "pg_reload_conf(), then prove it by a new session with TLS",
      ];
    case "renew":
      return [
        "make a new P-256 key and certificate on the server, in place of the present one",
        "pg_reload_conf(), then prove it by a new session with TLS",
        "THE FINGERPRINT CHANGES: pin the new one wherever the present one is pinned",
      ];
    case "switch-off":
      return [
        "ALTER SYSTEM RESET ssl, ssl_key_file, ssl_cert_file, as far as they are this command's",
        "pg_reload_conf(), then remove key and certificate",
        "a transport of a stack that demands TLS of the target does not reach it any more",
      ];
    default:
      return plan satisfies never;
  }
}

/** What a client meets at its next connection. What begins with BREAKS cannot connect any more, and could before. */
const effectsOf: Readonly<Record<"switch-on" | "renew" | "switch-off", Readonly<Record<TlsWish, string>>>> = {
  "switch-on": {
    none: "stays in clear text",
    either:
      "libpq and Prisma use TLS from their next connection on; node-postgres reads it as verify-full, and cannot connect, as before",
    unsaid:
      "libpq and Prisma (sslmode=prefer) use TLS from their next connection on, node-postgres stays in clear text",
    tls: "could not connect until now, and can from then on; node-postgres verifies unless it is told sslmode=no-verify",
    verified: "cannot connect, as before: the certificate is signed by itself and has to be given to it",
    unreadable: "sealed: look yourself",
  },
  renew: {
    none: "goes on",
    either: "goes on",
    unsaid: "goes on",
    tls: "goes on",
    verified: "BREAKS at its next connection, until it is given the new certificate",
    unreadable: "sealed: look yourself",
  },
  "switch-off": {
    none: "goes on",
    either: "goes back to clear text at its next connection",
    unsaid: "goes back to clear text at its next connection, if it used TLS",
    tls: "BREAKS at its next connection",
    verified: "BREAKS at its next connection",
    unreadable: "sealed: look yourself",
  },
};

function sessionEffects(action: keyof typeof effectsOf, sessions: readonly SessionGroup[]): string[] {
  if (action !== "switch-off") return [];
  return sessions
    .filter(({ usesTls }) => usesTls)
    .map((group) => `${describeSession(group)}: at their next connection in clear text, or not at all`);
}

function brokenLine(broken: readonly ClientVariable[]): string {
  if (broken.length === 0)
    return "  no client that is seen here breaks; what an application demands in its own code is not seen";
  return `  ${broken.length} of them break${broken.length === 1 ? "s" : ""}: ${broken.map(({ object }) => object).join(", ")}`;
}

/** What was done, with the fingerprint to pin. */
export function renderOutcome({ plan, certificate }: TargetTlsOutcome, stack: string): string {
  const done = {
    "switch-on": "TLS is on.",
    renew:
      "The certificate is renewed. ITS FINGERPRINT IS ANOTHER ONE: pin it wherever the former one is pinned.",
    "switch-off": "TLS is off, and everything is as before.",
  } as const;
  const lines = [
    plan.action === "nothing" ? `Nothing to do: ${plan.why}.` : done[plan.action],
    ...(certificate === null
      ? []
      : [
          `${fingerprintLine(certificate)}`,
          `until ${dayOf(certificate)}`,
          `To pin it, in railway-pgvector-cutover:transport of Pulumi.${stack}.yaml:`,
          `    ${pinLine("target", certificate.fingerprint)}`,
        ]),
  ];
  return `${lines.join("\n")}\n`;
}

/** As `openssl x509 -noout -fingerprint -sha256` prints it. */
function fingerprintLine({ fingerprint }: ServerCertificate): string {
  return `sha256 Fingerprint=${fingerprint}`;
}

function dayOf({ validTo }: ServerCertificate): string {
  return validTo.toISOString().slice(0, 10);
}

function describeSession({ user, application, usesTls, count }: SessionGroup): string {
  return `${count} of ${application} (${user}), ${usesTls ? "with TLS" : "in clear text"}`;
}

function listed(label: string, none: string, texts: readonly string[]): string[][] {
  return texts.length === 0 ? [[label, none]] : texts.map((text, index) => [index === 0 ? label : "", text]);
}
