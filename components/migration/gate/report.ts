import { z } from "zod";
import { largeObjectsKey } from "../../postgres/catalogue/catalogue.ts";
import { catalogueDifferenceCodes } from "../../postgres/catalogue/diff-catalogues.ts";
import { compareText } from "../../text-order.ts";
import { type Acceptance, acceptanceSchema } from "../inputs.ts";

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

export const gateDifferenceSchema = z.object({
  code: z.enum(gateDifferenceCodes),
  /** Kind and name: `table public.users`, `index llm_assistant.chunk_hnsw`. */
  object: z.string(),
  /** What of the object differs, or `null` for the object as a whole. */
  aspect: z.string().nullable(),
  /** The reason by which the configuration accepts it, or `null`: then it stops the switch. */
  accepted: z.string().nullable(),
});

/** What the gate saw: sorted, the same for the same databases, and free of row content. */
export const gateReportSchema = z.object({
  /** `red` when any difference is not accepted. */
  verdict: z.enum(["green", "red"]),
  differences: z.array(gateDifferenceSchema),
  /** Protected tables and sequences that their own users wrote meanwhile. */
  writtenByOthers: z.array(z.string()),
  /** Every table of the source that holds rows itself. */
  tables: z.array(
    z.object({
      schema: z.string(),
      name: z.string(),
      /** Rows and content hash on the source. */
      rows: z.string(),
      hash: z.string(),
      /** Rows on the target; `null` when they could not be read the way the source's are. */
      targetRows: z.string().nullable(),
      equal: z.boolean(),
    }),
  ),
  /** How many things were compared, so that a green verdict over nothing does not look like one. */
  compared: z.object({
    tables: z.number(),
    catalogueObjects: z.number(),
    sequences: z.number(),
    protectedObjects: z.number(),
  }),
  /** Hash over the source's catalogue, to see later whether it is still the same. */
  sourceCatalogue: z.string(),
  /** Acceptances of gate differences that nothing matched: they can go from the configuration. */
  staleAcceptances: z.array(acceptanceSchema),
});

export type GateDifference = z.infer<typeof gateDifferenceSchema>;
export type GateReport = z.infer<typeof gateReportSchema>;

/** What was found, before anything is accepted. */
export type FoundDifference = Omit<GateDifference, "accepted">;

/** Differences that the preflight foretells under names of its own: one acceptance holds for both. */
const foretold = new Map([["LARGE_OBJECTS source", `CATALOGUE_CHANGED ${largeObjectsKey}`]]);

/** Applies the acceptances, each by code and object, and concludes. */
export function assembleReport(
  observed: Pick<GateReport, "writtenByOthers" | "tables" | "compared" | "sourceCatalogue"> & {
    readonly found: readonly FoundDifference[];
    readonly accept: readonly Acceptance[];
  },
): GateReport {
  const { found, accept, ...rest } = observed;
  const matches = (acceptance: Acceptance, { code, object }: FoundDifference) => {
    const accepted = `${acceptance.code} ${acceptance.object}`;
    return (foretold.get(accepted) ?? accepted) === `${code} ${object}`;
  };
  const differences = found
    .map((difference) => ({
      ...difference,
      accepted: accept.find((acceptance) => matches(acceptance, difference))?.reason ?? null,
    }))
    .sort(
      (a, b) =>
        compareText(a.object, b.object) ||
        compareText(a.code, b.code) ||
        compareText(a.aspect ?? "", b.aspect ?? ""),
    );
  const known: readonly string[] = gateDifferenceCodes;
  return {
    ...rest,
    verdict: differences.every(({ accepted }) => accepted !== null) ? "green" : "red",
    differences,
    writtenByOthers: [...rest.writtenByOthers].sort(compareText),
    staleAcceptances: accept.filter(
      (acceptance) =>
        known.includes(acceptance.code) && !found.some((difference) => matches(acceptance, difference)),
    ),
  };
}
