import type { Dice } from "./dice.ts";

/** Names of one application: each is given once, whatever it is for. */
export class Names {
  readonly #given = new Set<string>();

  /** A fresh name, an odd one now and then. */
  fresh(dice: Dice): string {
    const stem = dice.once(4) ? dice.pick(oddStems) : dice.pick(plainStems);
    for (let number = 1; ; number++) {
      const name = withNumber(stem, number);
      if (this.#given.has(name)) continue;
      this.#given.add(name);
      return name;
    }
  }
}

const plainStems = [
  "item",
  "visit",
  "patient",
  "note",
  "invoice",
  "label",
  "kind",
  "area",
  "source",
  "amount",
];

/** Keywords, quotes, case, comments, other scripts, and names of 63 bytes, the most that PostgreSQL keeps. */
const oddStems = [
  "select",
  "user",
  "table",
  "json",
  "value",
  "system_user",
  "json_table",
  "Mixed Case",
  "UPPER",
  'quo"ted',
  "it's",
  "semi;colon",
  "dot.ted",
  "-- comment",
  "/* open",
  "$1",
  "$$",
  "%I",
  "back\\slash",
  "new\nline",
  "tab\tstop",
  " space ",
  "naïve",
  "日本語",
  "😀",
  "1st",
  "{}",
  "a,b",
  "(x)",
  "old",
  "new",
  "excluded",
  "pg_item",
  "long_".repeat(13),
  "é".repeat(40),
];

function withNumber(stem: string, number: number): string {
  const suffix = number === 1 ? "" : String(number);
  let kept = stem;
  while (Buffer.byteLength(kept + suffix) > 63) kept = kept.slice(0, -1);
  return kept + suffix;
}
