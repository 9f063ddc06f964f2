/** Those of the candidates that somebody may have meant by a name that does not exist, the most similar first. */
export function similarNames(wanted: string, candidates: readonly string[]): string[] {
  const name = wanted.toLowerCase();
  return [...new Set(candidates)]
    .map((candidate) => ({ candidate, lower: candidate.toLowerCase() }))
    .map((each) => ({ ...each, distance: editDistance(name, each.lower) }))
    .filter(
      ({ lower, distance }) =>
        name.includes(lower) || lower.includes(name) || distance <= Math.max(1, Math.floor(name.length / 4)),
    )
    .toSorted((first, second) => first.distance - second.distance)
    .map(({ candidate }) => candidate);
}

/** Levenshtein's distance. */
function editDistance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (const [row, letter] of [...left].entries()) {
    const current = [row + 1];
    for (const [column, other] of [...right].entries()) {
      const substitution = (previous[column] ?? 0) + (letter === other ? 0 : 1);
      current.push(Math.min(substitution, (previous[column + 1] ?? 0) + 1, (current[column] ?? 0) + 1));
    }
    previous = current;
  }
  return previous.at(-1) ?? 0;
}
