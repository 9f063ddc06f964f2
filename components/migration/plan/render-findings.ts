import type { Finding } from "../finding.ts";

/**
 * Findings under a heading. Those of one code stand together, so that what holds for all of them is read once.
 */
export function renderFindings(title: string, findings: readonly Finding[]): string[] {
  if (findings.length === 0) return [];
  return [`${title} (${findings.length})`, ...groupFindings(findings).flatMap(renderGroup)];
}

/** What several findings of one code share, and what is each one's own. */
export interface FindingGroup {
  readonly code: string;
  readonly remedy: string;
  /** What all of them say; `null` where each says something of its own. */
  readonly why: string | null;
  readonly findings: readonly Finding[];
}

/** Puts findings of one code and remedy together, in their order. */
export function groupFindings(findings: readonly Finding[]): FindingGroup[] {
  const groups = Map.groupBy(findings, ({ code, remedy }) => `${code} ${remedy}`);
  return [...groups.values()].flatMap((members) => {
    const [first] = members;
    if (first === undefined) return [];
    const isShared = members.every(({ why }) => why === first.why);
    return [{ code: first.code, remedy: first.remedy, why: isShared ? first.why : null, findings: members }];
  });
}

function renderGroup({ code, remedy, why, findings }: FindingGroup): string[] {
  const lines =
    why === null
      ? [`  ${code}`, ...findings.map((finding) => `    ${finding.object}: ${finding.why}`)]
      : [`  ${code} ${findings.map(({ object }) => object).join(", ")}`, `    ${why}`];
  return [...lines, ...renderReasons(findings), `    → ${remedy}`];
}

function renderReasons(findings: readonly Finding[]): string[] {
  return findings.flatMap(({ object, acceptedBecause }) => {
    if (acceptedBecause === undefined) return [];
    return [`    accepted${findings.length === 1 ? "" : ` for ${object}`}: ${acceptedBecause}`];
  });
}
