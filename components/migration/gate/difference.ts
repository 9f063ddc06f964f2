import { z } from "zod";
import { catalogueDifferenceCodes } from "../../postgres/catalogue/diff-catalogues.ts";

export const gateDifferenceCodes = [
  ...catalogueDifferenceCodes,
  /** A table's rows are not the source's: other in number (`rows`), in content (`values`), or not comparable at all. */
  "CONTENT_DIFFERS",
  /** A sequence of the target is not where the load put it. */
  "SEQUENCE_DIFFERS",
  /** A sequence of the target has gone past its source: somebody drew numbers from the copy. */
  "SEQUENCE_AHEAD",
  /** The text of a function names, or calls with other arguments, what is so on the source and not on the target. */
  "BODY_NAMES_OUTSIDE",
  /** Something of the protected schemas is not as it was, and its own users' writes do not explain it. */
  "PROTECTED_CHANGED",
] as const;

/** What the preflight finds, looked at once more. */
export const settingCodeSchema = z.enum(["SERVER_SETTING_DIFFERS", "SETTING_ADDED", "SETTING_LOST"]);

export const gateDifferenceSchema = z.object({
  code: z.enum([...gateDifferenceCodes, ...settingCodeSchema.options]),
  /** Kind and name: `table public.users`, `index llm_assistant.chunk_hnsw`. */
  object: z.string(),
  /** What of the object differs, or `null` for the object as a whole. */
  aspect: z.string().nullable(),
  /** The reason by which the configuration accepts it, or `null`: then it stops the switch. */
  accepted: z.string().nullable(),
});

export type GateDifference = z.infer<typeof gateDifferenceSchema>;

/** What was found, before anything is accepted. */
export type FoundDifference = Omit<GateDifference, "accepted">;

/** How a difference is named in full: `table public.users`, or where an aspect of it differs, `table public.users (comment)`. */
export function nameDifference(object: string, aspect: string | null): string {
  return aspect === null ? object : `${object} (${aspect})`;
}

/** A difference's name without its aspect. */
export function objectOf(name: string): string {
  return name.replace(/ \([a-z]+\)$/i, "");
}
