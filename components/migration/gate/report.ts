import { z } from "zod";
import { largeObjectsKey } from "../../postgres/catalogue/catalogue.ts";
import { compareText } from "../../text-order.ts";
import { covers } from "../acceptance.ts";
import { type Acceptance, acceptanceSchema } from "../inputs.ts";
import {
  type FoundDifference,
  gateDifferenceCodes,
  gateDifferenceSchema,
  nameDifference,
} from "./difference.ts";

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

export type GateReport = z.infer<typeof gateReportSchema>;

/** Differences that the preflight foretells under names of its own: one acceptance holds for both. */
const foretold = new Map([["LARGE_OBJECTS source", `CATALOGUE_CHANGED ${largeObjectsKey}`]]);

/** Applies the acceptances, each by code, object and aspect, and concludes. */
export function assembleReport(
  observed: Pick<GateReport, "writtenByOthers" | "tables" | "compared" | "sourceCatalogue"> & {
    readonly found: readonly FoundDifference[];
    readonly accept: readonly Acceptance[];
  },
): GateReport {
  const { found, accept, ...rest } = observed;
  const candidates = found.map((difference) => {
    const { code, object, aspect } = difference;
    return { difference, named: { code, object: nameDifference(object, aspect) } };
  });
  const all = candidates.map(({ named }) => named);
  const matches = (acceptance: Acceptance, { difference, named }: (typeof candidates)[number]) =>
    foretold.get(`${acceptance.code} ${acceptance.object}`) === `${difference.code} ${difference.object}` ||
    covers(acceptance, named, all);
  const differences = candidates
    .map((candidate) => ({
      ...candidate.difference,
      accepted: accept.find((acceptance) => matches(acceptance, candidate))?.reason ?? null,
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
        known.includes(acceptance.code) && !candidates.some((candidate) => matches(acceptance, candidate)),
    ),
  };
}
