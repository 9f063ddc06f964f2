/** ` Near: "a", "b".` (or ` There is: …` when nothing is similar), for an error about a name that does not exist. */
export function listNames(wanted: string, names: readonly string[]): string {
  const distinct = [...new Set(names)];
  if (distinct.length === 0) return "";
  const near = distinct.filter((name) => isNear(wanted, name));
  const shown = (near.length > 0 ? near : distinct).slice(0, 10).map((name) => `"${name}"`);
  return ` ${near.length > 0 ? "Similar" : "There is"}: ${shown.join(", ")}.`;
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
