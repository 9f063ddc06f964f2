/** Those of the candidates that somebody may have meant by a name that does not exist. */
export function similarNames(wanted: string, candidates: readonly string[]): string[] {
  return [...new Set(candidates)].filter((candidate) => isNear(wanted, candidate));
}

function isNear(left: string, right: string): boolean {
  const a = left.toLowerCase();
  const b = right.toLowerCase();
  return a.includes(b) || b.includes(a) || editDistance(a, b) <= Math.max(1, Math.floor(a.length / 4));
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
