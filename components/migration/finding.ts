import { z } from "zod";

/**
 * - `blocker`: the cutover must not start.
 * - `warning`: it may start; the reviewer should know.
 * - `unchecked`: could not be looked at (a server out of reach). Tolerated by a preview, a blocker for the real run.
 */
export const findingSeverities = ["blocker", "warning", "unchecked"] as const;

/** One thing a preflight found. Free of secrets and of row content. */
export const findingSchema = z.object({
  /** Stable upper-case identifier with a heading in `docs/findings.md`. */
  code: z.string(),
  severity: z.enum(findingSeverities),
  /** What it is about, as the operator names it: `source`, `@healthcare/api`, `public.users`. */
  object: z.string(),
  /** What was seen and why it matters. */
  why: z.string(),
  remedy: z.string(),
});

export type Finding = z.infer<typeof findingSchema>;

/** `severity CODE object: why Remedy: …` on one line. */
export function describeFinding(finding: Finding): string {
  return `${finding.severity} ${finding.code} ${finding.object}: ${finding.why} Remedy: ${finding.remedy}`;
}
