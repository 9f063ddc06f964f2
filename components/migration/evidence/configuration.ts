import { redactUrls } from "../../errors.ts";
import type { MigrationInputs } from "../inputs.ts";
import { canonicalJson, sha256 } from "./canonical.ts";
import type { RunNote } from "./run-note.ts";

/**
 * Lists the settings that a run works by, without what may hold a secret: of a shell command only its hash, of a URL
 * neither credentials nor query, and of any but a health check's no path either, for that of a webhook is its secret. The
 * hash is over what is listed, so that whoever holds the list can repeat it. Pure.
 */
export function listConfiguration(inputs: MigrationInputs): RunNote["configuration"] {
  const text = canonicalJson(listed("", inputs));
  return { sha256: sha256(text), settings: JSON.parse(text) };
}

function listed(key: string, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((member) => listed(key, member));
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, listed(name, member)]));
  }
  if (typeof value !== "string") return value;
  if (key === "beforeSwitch") return `a command of SHA-256 ${sha256(value)}`;
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(value) && URL.canParse(value)
    ? withoutSecrets(new URL(value), key === "healthCheckUrl")
    : redactUrls(value);
}

function withoutSecrets({ protocol, host, pathname, search }: URL, keepsPath: boolean): string {
  if (!keepsPath) return `${protocol}//${host}/[redacted]`;
  return `${protocol}//${host}${pathname}${search === "" ? "" : "?[redacted]"}`;
}
