import type { Finding } from "../finding.ts";

/** What is fixed about one kind of finding; its meaning for the operator is in `docs/findings.md`. */
export interface FindingDefinition {
  /** `unchecked` becomes a blocker in the real run, where nothing may stay unknown. */
  readonly severity: Finding["severity"];
  /** Whether the stack's configuration may turn the blocker into a warning, by code, object and reason. */
  readonly acceptable: boolean;
  readonly remedy: string;
}

export type FindingDefinitions<Code extends string = string> = Readonly<Record<Code, FindingDefinition>>;

/** Makes a finding of a known code. `remedy` replaces the general one where the object makes it more precise. */
export type Found<Code extends string> = (
  code: Code,
  object: string,
  why: string,
  remedy?: string,
) => Finding;

/** Binds the definitions that stand beside a check to the function with which the check reports. */
export function findingsOf<Code extends string>(definitions: FindingDefinitions<Code>): Found<Code> {
  return (code, object, why, remedy) => ({
    code,
    severity: definitions[code].severity,
    object,
    why,
    remedy: remedy ?? definitions[code].remedy,
  });
}

/** `a, b, c and 4 more`: enough to recognise the case, short enough for a terminal. */
export function listNames(names: readonly string[], limit = 8): string {
  const shown = names.slice(0, limit).join(", ");
  return names.length > limit ? `${shown} and ${names.length - limit} more` : shown;
}
