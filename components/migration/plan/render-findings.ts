import type { Finding } from "../finding.ts";

/**
 * The findings of one severity under a heading. Those of one code stand together, so that what holds for all of them
 * is read once.
 */
export function renderFindings(
  title: string,
  severity: Finding["severity"],
  findings: readonly Finding[],
): string[] {
  const own = findings.filter((finding) => finding.severity === severity);
  if (own.length === 0) return [];
  const groups = Map.groupBy(own, ({ code, remedy }) => `${code} ${remedy}`);
  return [`${title} (${own.length})`, ...[...groups.values()].flatMap(renderGroup)];
}

function renderGroup(group: readonly Finding[]): string[] {
  const [first] = group;
  if (first === undefined) return [];
  const { code, why, remedy } = first;
  const objects = group.map(({ object }) => object).join(", ");
  const lines = group.every((finding) => finding.why === why)
    ? [`  ${code} ${objects}`, `    ${why}`]
    : [`  ${code}`, ...group.map((finding) => `    ${finding.object}: ${finding.why}`)];
  return [...lines, `    → ${remedy}`];
}
