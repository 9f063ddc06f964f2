import { CutoverError } from "../errors.ts";
import { type DriftItem, describeDrift } from "../migration/drift/item.ts";
import { type DriftInputs, type DriftOptions, readDrift } from "../migration/drift.ts";
import { railwayClient, reporter } from "./session.ts";

/**
 * What a refresh finds of one resource, printed as well: the engine's own lines say only that a resource changed. What there is
 * nothing to compare with, or what a cutover under way keeps from being told, is printed and holds no refresh up.
 *
 * @throws CutoverError `DRIFT_NOT_SEEN` when something could not be looked at: no drift must not be told from that
 */
export async function driftOf(
  inputs: DriftInputs,
  options: DriftOptions & { readonly only: string },
): Promise<DriftItem[]> {
  const { items } = await readDrift(railwayClient(), inputs, options);
  const failed = items.filter(({ code }) => code === "NOT_SEEN");
  if (failed.length > 0) {
    throw new CutoverError({
      code: "DRIFT_NOT_SEEN",
      message: `Not everything of ${options.only} could be looked at: ${failed.map(({ object, is }) => `${object}: ${is}`).join("; ")}`,
      remedy: "Mend that and refresh again; `npm run drift` tells what can be seen meanwhile.",
    });
  }
  for (const item of items) {
    const what = item.severity === "drift" ? "drift" : "not compared";
    reporter.detail(`${what} on ${options.only}: ${describeDrift(item)}`);
  }
  return items.filter(({ severity }) => severity === "drift");
}

/**
 * Drift as it stands in a resource's state: one line each. Nothing at all where there is none, so that a state from before
 * there was this property shows no difference.
 */
export function driftProperty(items: readonly DriftItem[]): { drift?: string[] } {
  return items.length === 0 ? {} : { drift: items.map(describeDrift) };
}
