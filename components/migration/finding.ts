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
  /** The reason by which the stack's configuration accepts it: a warning that would be a blocker, or follows from the acceptance. */
  acceptedBecause: z.string().optional(),
});

export type Finding = z.infer<typeof findingSchema>;

/** `severity CODE object: why Accepted: … Remedy: …` on one line. */
export function describeFinding({ severity, code, object, why, remedy, acceptedBecause }: Finding): string {
  const accepted = acceptedBecause === undefined ? "" : ` Accepted: ${acceptedBecause}`;
  return `${severity} ${code} ${object}: ${why}${accepted} Remedy: ${remedy}`;
}
