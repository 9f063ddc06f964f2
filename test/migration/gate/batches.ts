/** One thing done to a copy, and the differences that it alone makes: `CODE object aspect`. */
export type Mutation = readonly [name: string, statements: string, differences: readonly string[]];

/**
 * Packs mutations of different relations together, so that one copy and one gate serve many. Within a batch no two
 * make a difference to the same relation, so none can hide that another was missed.
 *
 * @param placeOf what no two may share: a relation, or a single object where no mutation drops a whole relation
 */
export function inBatches(
  mutations: readonly Mutation[],
  placeOf: (difference: string) => string = relationOf,
): Mutation[][] {
  const batches: Array<{ touched: Set<string>; mutations: Mutation[] }> = [];
  for (const mutation of mutations) {
    const touches = mutation[2].map(placeOf);
    const batch = batches.find(({ touched }) => touches.every((relation) => !touched.has(relation)));
    const chosen = batch ?? { touched: new Set<string>(), mutations: [] };
    if (batch === undefined) batches.push(chosen);
    for (const relation of touches) chosen.touched.add(relation);
    chosen.mutations.push(mutation);
  }
  return batches.map((batch) => batch.mutations);
}

/** `kind schema.name.part` out of `CODE kind schema.name.part aspect`. */
export function objectOf(difference: string): string {
  return /^(?:CATALOGUE_(?:MISSING|EXTRA)) /.test(difference)
    ? difference.slice(difference.indexOf(" ") + 1)
    : difference.slice(difference.indexOf(" ") + 1, difference.lastIndexOf(" "));
}

/** `schema.name` out of `CODE kind schema.name.part aspect`; the kind where it has no such name. */
function relationOf(difference: string): string {
  return /[a-z_]+\.[a-z_]+/.exec(difference)?.[0] ?? difference.split(" ").slice(1, 3).join(" ");
}
