import { similarNames } from "../similar-names.ts";

/** ` Similar: "a", "b".` (or ` There is: …` when nothing is), for an error about a name that does not exist. */
export function suggestNames(wanted: string, names: readonly string[]): string {
  const distinct = [...new Set(names)];
  if (distinct.length === 0) return "";
  const near = similarNames(wanted, distinct);
  const shown = (near.length > 0 ? near : distinct).slice(0, 10).map((name) => `"${name}"`);
  return ` ${near.length > 0 ? "Similar" : "There is"}: ${shown.join(", ")}.`;
}
