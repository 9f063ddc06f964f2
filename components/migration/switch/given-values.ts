import { normaliseReference } from "../../railway/references.ts";

/** What a variable shall hold. */
export interface DesiredValue {
  /** The raw text, usually a reference. */
  readonly text: string;
  /** The host it must render to, and that the deployment must have been given; `null` where that is not known. */
  readonly host: string | null;
}

/** One variable as Railway shows it now. `null`: it does not show the value (sealed); `undefined`: there is none. */
export interface PresentValue {
  readonly raw: string | null | undefined;
  readonly rendered: string | null | undefined;
}

/**
 * Whether a deployment was given what a variable shall hold:
 * - `yes`: it was given the very text, or what that renders to now;
 * - `no`: it was given something else, or nothing. That will not change any more;
 * - `stale`: it was given the right host in another text than the variable renders to now: an older password, or the variable
 *   was changed since, or Railway's reads lag;
 * - `unknown`: Railway does not tell.
 */
export type Given = "yes" | "no" | "stale" | "unknown";

/** Compares what a deployment was given, which Railway may show raw or rendered, with what it shall have. */
export function compareGiven(
  given: string | null | undefined,
  desired: DesiredValue | undefined,
  present: PresentValue,
): Given {
  if (desired === undefined) return given === undefined ? "yes" : "no";
  if (given === undefined) return "no";
  if (given === null) return "unknown";
  if (sameText(given, desired.text))
    return sameText(present.raw ?? undefined, desired.text) ? "yes" : "stale";
  if (desired.host !== null && !namesHost(given, desired.host)) return "no";
  if (typeof present.rendered !== "string" || typeof present.raw !== "string") return "unknown";
  return sameText(present.raw, desired.text) && given === present.rendered ? "yes" : "stale";
}

/** Whether two raw texts mean the same: blanks and quotes inside of a reference make no difference. */
export function sameText(actual: string | undefined, desired: string | undefined): boolean {
  if (actual === undefined || desired === undefined) return actual === desired;
  return normaliseReference(actual) === normaliseReference(desired);
}

/** Whether a text is a URL of that host. */
export function namesHost(value: string | null | undefined, host: string): boolean {
  return typeof value === "string" && URL.canParse(value) && new URL(value).hostname === host;
}
