import { CutoverError } from "../../errors.ts";
import { type CertificateFiles, certificateFile } from "../../postgres/server-tls/certificate-file.ts";
import {
  autoFile,
  type TlsConfiguration,
  type TlsSettingName,
  tlsSettings,
} from "../../postgres/server-tls/settings.ts";
import { describeRule } from "./clients.ts";
import type { TargetTlsObservation } from "./observe.ts";

/** What the operator asks for. */
export interface TargetTlsRequest {
  readonly command: "on" | "off";
  /** `on` only: a new certificate in place of one that is near its end. */
  readonly renew: boolean;
  /** The rules of `pg_hba.conf` that a switch gives another meaning were looked at. */
  readonly acceptRules: boolean;
}

/**
 * How things stand:
 * - `off`: no TLS, and nothing of ours.
 * - `on`: our certificate is served, and would be after a restart.
 * - `unfinished`: a command was interrupted; both `on` and `off` go on from there.
 * - `foreign`: somebody else set TLS up, or began to.
 */
export type TlsStand = "off" | "on" | "unfinished" | "foreign";

export type TargetTlsPlan =
  | { readonly action: "nothing"; readonly why: string }
  | { readonly action: "refuse"; readonly error: CutoverError }
  | {
      readonly action: "switch-on";
      readonly makesCertificate: boolean;
      /** Those that are not written yet, in their order. */
      readonly settings: readonly TlsSettingName[];
    }
  | { readonly action: "renew" }
  | { readonly action: "switch-off" };

/** From here on a certificate is renewed when asked to. Railway's own image does so by itself as late (postgres-ssl). */
export const renewBeforeMs = 30 * 24 * 60 * 60_000;

/** Tells how things stand. Pure. */
export function standOf({ configuration, files, served }: TargetTlsObservation): TlsStand {
  if (foreignParts(configuration, files).length > 0) return "foreign";
  const { current, hasFormer, hasWorkFolder } = files;
  const isClean = !hasFormer && !hasWorkFolder;
  const isServed =
    current !== null && current !== "unreadable" && served?.fingerprint === current.fingerprint;
  if (isClean && isServed && configuration.own.length === tlsSettings.length && configuration.isOn)
    return "on";
  if (isClean && current === null && configuration.own.length === 0 && !configuration.isOn) return "off";
  return "unfinished";
}

/** Decides what a command does. Pure: no clock, no effect. */
export function planTargetTls(
  request: TargetTlsRequest,
  seen: TargetTlsObservation,
  now: Date,
): TargetTlsPlan {
  const stand = standOf(seen);
  if (stand === "foreign" && !(request.command === "off" && canBeTakenOff(seen)))
    return refuse(foreign(foreignParts(seen.configuration, seen.files)));
  if (request.command === "off" && stand === "off")
    return { action: "nothing", why: "TLS is off, and nothing of this command is left on the server" };
  if (request.command === "on" && stand === "on" && !(request.renew && isNearItsEnd(seen, now)))
    return { action: "nothing", why: whyOn(request, seen, now) };
  const refusal = unsuitable(seen) ?? underWay(seen) ?? unsure(seen, stand);
  if (refusal !== undefined) return refuse(refusal);
  if (request.command === "on" && stand === "on") return { action: "renew" };
  if (!request.acceptRules && seen.rules.length > 0) return refuse(rulesChange(seen));
  if (request.command === "off") return { action: "switch-off" };
  return {
    action: "switch-on",
    makesCertificate: seen.files.current === null || seen.files.current === "unreadable",
    settings: tlsSettings.map(({ name }) => name).filter((name) => !seen.configuration.own.includes(name)),
  };
}

function refuse(error: CutoverError): TargetTlsPlan {
  return { action: "refuse", error };
}

/** Whether the certificate that is served is in the days in which it is renewed. Pure. */
export function isNearItsEnd({ served }: Pick<TargetTlsObservation, "served">, now: Date): boolean {
  return served !== null && served.validTo.getTime() - now.getTime() < renewBeforeMs;
}

function whyOn(request: TargetTlsRequest, seen: TargetTlsObservation, now: Date): string {
  const until = `its certificate is good until ${seen.served?.validTo.toISOString().slice(0, 10)}`;
  if (request.renew) return `TLS is on, and ${until}: it is renewed in its last 30 days`;
  return `TLS is on already, and ${until}${isNearItsEnd(seen, now) ? "; --renew makes a new one" : ""}`;
}

/** What somebody else set or put there, in words. */
function foreignParts({ foreign, own }: TlsConfiguration, { current, others }: CertificateFiles): string[] {
  // One that our settings name was ours before it was damaged.
  const isForeignFile = current === "unreadable" ? own.length === 0 : current?.isOurs === false;
  return [
    ...foreign,
    ...others.map((name) => `the file ${name}`),
    ...(isForeignFile ? [`the file ${certificateFile}, which this command did not make`] : []),
  ];
}

/** Ours can go although somebody added something later, as long as what decides about TLS itself is ours alone. */
function canBeTakenOff({ configuration, files }: TargetTlsObservation): boolean {
  const { own } = configuration;
  const isDecisive = (part: string) =>
    part.includes(certificateFile) || tlsSettings.some(({ name }) => part.startsWith(`${name} `));
  return (own.length > 0 || files.current !== null) && !foreignParts(configuration, files).some(isDecisive);
}

/** Whether the server would refuse to start: `ssl` is on for it, and its file is no good. */
export function wouldNotStart({ configuration, files }: TargetTlsObservation): boolean {
  const isGood = files.current !== null && files.current !== "unreadable";
  return configuration.own.includes("ssl") && !isGood;
}

function foreign(parts: readonly string[]): CutoverError {
  return new CutoverError({
    code: "TLS_SET_BY_OTHERS",
    message: `Somebody else has set TLS up on the target's server, or begun to: ${parts.join(", ")}. Nothing was changed.`,
    remedy:
      "Finish or undo that by hand; what this command did not set it neither uses nor removes. TLS that works serves the cutover as it is.",
  });
}

function unsuitable({ server }: TargetTlsObservation): CutoverError | undefined {
  const reasons = [
    ...(server.major < 15 ? [`it runs PostgreSQL ${server.major}`] : []),
    ...(server.inRecovery ? ["it is a replica"] : []),
    ...(server.supportsTls ? [] : ["it was built without TLS"]),
    ...(server.allowsAlterSystem ? [] : ["allow_alter_system is off"]),
  ];
  if (reasons.length === 0) return undefined;
  return new CutoverError({
    code: "TLS_SERVER_UNSUITABLE",
    message: `The target's server cannot be given TLS this way: ${reasons.join(", ")}. Nothing was changed.`,
    remedy: "Reach it through the private network or a tunnel, or set TLS up in its image.",
  });
}

/** Writes may be paused, services may be on their way: nothing else changes what they connect to. */
function underWay({ migration }: TargetTlsObservation): CutoverError | undefined {
  if (migration === null || migration === "finished" || migration === "aborted") return undefined;
  return new CutoverError({
    code: "TLS_MIGRATION_UNDER_WAY",
    message: `A migration is ${migration}: services are, or may be, on their way between the databases. Nothing was changed.`,
    remedy:
      "Finish it (`pulumi up`) or put it back (`npm run abort -- --yes`) first; `npm run status` says which.",
  });
}

/** A reload puts everything into force that the files say. It must be nothing but this. */
function unsure({ configuration }: TargetTlsObservation, stand: TlsStand): CutoverError | undefined {
  const { broken, isAutoFilePlain } = configuration;
  // An interrupted command of ours wrote there; what else may have been written since, nobody can tell apart.
  const unread = configuration.unread.filter((name) => stand !== "unfinished" || name !== autoFile);
  const reasons = [
    ...(unread.length > 0
      ? [`a reload would also put changes into force that wait in ${unread.join(", ")}`]
      : []),
    ...(broken.length > 0 ? [`the server cannot read its files (${broken.join(", ")})`] : []),
    ...(isAutoFilePlain ? [] : [`${autoFile} was edited by hand, and ALTER SYSTEM would drop its comments`]),
  ];
  if (reasons.length === 0) return undefined;
  return new CutoverError({
    code: "TLS_RELOAD_UNSAFE",
    message: `The target's configuration is not as the server runs: ${reasons.join("; ")}. Nothing was changed.`,
    remedy:
      "Look at these files. Mend what is broken, and put the rest into force yourself (SELECT pg_reload_conf()) or take it back; then run again.",
  });
}

function rulesChange({ rules }: TargetTlsObservation): CutoverError {
  return new CutoverError({
    code: "TLS_RULES_CHANGE",
    message: `pg_hba.conf has rules that a switch of TLS gives another meaning: ${rules.map(describeRule).join("; ")}. A hostssl rule matches nobody without TLS, a hostnossl rule nobody who uses it. Nothing was changed.`,
    remedy:
      "Look at each: a hostssl rule with trust would let everybody in, one with reject keeps out who prefers TLS. Change them to host, or run again with --accept-rules.",
  });
}
