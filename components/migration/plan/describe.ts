import type { Finding } from "../finding.ts";
import type { Plan } from "../plan.ts";
import { copyBytesPerSecond } from "./estimates.ts";
import { formatBytes, formatCount, formatDuration } from "./format.ts";

/** How a rendering marks a name: a service, a schema, a variable, a host. */
export type Mark = (name: string) => string;

export interface SortedFindings {
  readonly blockers: readonly Finding[];
  readonly unchecked: readonly Finding[];
  readonly accepted: readonly Finding[];
  readonly warnings: readonly Finding[];
}

/** What a reader looks for first, apart from the rest. */
export function sortFindings(findings: readonly Finding[]): SortedFindings {
  const of = (wanted: Finding["severity"]) => findings.filter(({ severity }) => severity === wanted);
  const warnings = of("warning");
  return {
    blockers: of("blocker"),
    unchecked: of("unchecked"),
    accepted: warnings.filter(({ acceptedBecause }) => acceptedBecause !== undefined),
    warnings: warnings.filter(({ acceptedBecause }) => acceptedBecause === undefined),
  };
}

export function describeVersion({ major }: Plan["source"]): string {
  return major === null ? "version not checked" : `PostgreSQL ${major}`;
}

/** When a service moves. */
export function describeTurn({
  isCanary,
  startsReadOnly,
  wave,
}: Pick<Plan["services"][number], "isCanary" | "startsReadOnly" | "wave">): string {
  if (!startsReadOnly) return "after promotion";
  return isCanary ? "canary" : `wave ${wave}`;
}

/** What happens, in its order. */
export function describeSteps({ services, source, target, dumpClient, backups }: Plan, mark: Mark): string[] {
  const early = services.filter(({ startsReadOnly }) => startsReadOnly);
  const late = services.filter(({ startsReadOnly }) => !startsReadOnly).map(({ name }) => mark(name));
  const waves = [...Map.groupBy(early, ({ wave }) => wave).values()].map((members, index) => {
    const names = members.map(({ name }) => mark(name)).join(", ");
    return index === 0 ? `${names} (canary)` : names;
  });
  return [
    ...(backups.skippedBecause === null
      ? [`Back up the volumes of ${mark(source.service)} and ${mark(target.service)}; nothing is paused yet`]
      : []),
    `Pause writes on ${mark(source.service)} by locks; reads go on`,
    `Copy to ${mark(target.service)}${dumpClient === null ? "" : ` with ${dumpClient}`}; compare every row, sequence and definition`,
    "Fence both databases",
    `Switch, deploy and prove ${waves.join("; then ")}`,
    `Seal ${mark(source.service)}, promote ${mark(target.service)}: no return from here, a failure before puts everything back`,
    ...(late.length === 0 ? [] : [`Switch and deploy ${late.join(", ")}`]),
  ];
}

/** How long it should take, as one sentence. */
export function describeEstimates({
  estimates: { copyMs, gateMs, deploymentsMs, deploymentsAreMeasured, healthyForMs, writePauseMs },
}: Plan): string {
  const deployments = `deployments ${formatDuration(deploymentsMs)} (${
    deploymentsAreMeasured ? "as the last ones took" : "assumed where no earlier one tells"
  }), ${formatDuration(healthyForMs)} to see them stay healthy`;
  if (copyMs === null || gateMs === null || writePauseMs === null) {
    return `not known, the source was not checked; ${deployments}`;
  }
  return `writes are paused for about ${formatDuration(writePauseMs)}: copy ${formatDuration(copyMs)} at ${formatBytes(copyBytesPerSecond)}/s, comparison ${formatDuration(gateMs)}, ${deployments}`;
}

/** What stays as it is. */
export function describeGuarantees({ protectedSchemas, source }: Plan, mark: Mark): string {
  return [
    ...protectedSchemas.map((schema) => `Nothing in ${mark(schema)} is touched.`),
    `Nothing on ${mark(source.service)} is deleted.`,
  ].join(" ");
}

/** Whether it can begin, in one sentence. */
export function describeVerdict({ findings }: Plan): string {
  const { blockers, unchecked } = sortFindings(findings);
  if (blockers.length > 0) {
    return `Blocked: ${formatCount(blockers.length, "finding")} to resolve first. Nothing was changed.`;
  }
  if (unchecked.length > 0) {
    return `Nothing blocks so far, but ${formatCount(unchecked.length, "check")} could not be made.`;
  }
  return "Nothing blocks the cutover.";
}
