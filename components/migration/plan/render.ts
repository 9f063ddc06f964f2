import type { Plan } from "../plan.ts";
import { copyBytesPerSecond } from "./estimates.ts";
import { formatBytes, formatCount, formatDuration, wrap } from "./format.ts";
import { renderFindings } from "./render-findings.ts";

export interface RenderOptions {
  /** Columns of the terminal; lines are wrapped to fit, names are never cut. */
  readonly width: number;
}

/**
 * The plan as plain text that a reviewer reads in a minute: what blocks it first, the verdict last. Sections are told
 * apart by their headings alone, because Pulumi's engine drops empty lines.
 */
export function renderPlan(plan: Plan, { width }: RenderOptions): string {
  const sections = [
    renderFindings("Blockers", "blocker", plan.findings),
    renderFindings("Not checked", "unchecked", plan.findings),
    headline(plan),
    contents(plan),
    services(plan),
    steps(plan),
    estimates(plan),
    guarantees(plan),
    renderFindings("Warnings", "warning", plan.findings),
    verdict(plan),
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.flatMap((line) => wrap(line, width)).join("\n"))
    .join("\n\n");
}

function headline({ project, environment, source, target }: Plan): string[] {
  return [
    `Cutover of ${project} (${environment})`,
    `  from ${describeDatabase(source)}`,
    `  to   ${describeDatabase(target)}`,
  ];
}

function describeDatabase({ service, major, host, encrypted }: Plan["source"]): string {
  const version = major === null ? "version not checked" : `PostgreSQL ${major}`;
  if (host === null) return `${service}, ${version}`;
  return `${service}, ${version}, reached at ${host} ${encrypted === true ? "with TLS" : "in clear text"}`;
}

function contents({ contents: moved, schemas }: Plan): string[] {
  if (moved === null) return ["What moves", `  ${schemas.join(", ")}: not checked`];
  const { tables, sequences, estimatedRows, dataBytes, indexBytes } = moved;
  const largest = moved.largestTables
    .slice(0, largestTableCount)
    .map(({ name, bytes }) => `${name} ${formatBytes(bytes)}`);
  return [
    "What moves",
    `  ${formatCount(tables, "table")}, ${formatCount(sequences, "sequence")}, about ${formatCount(estimatedRows, "row")}, ${formatBytes(dataBytes)} of data and ${formatBytes(indexBytes)} of indexes`,
    ...columns(
      moved.schemas.map((schema) => [
        `    ${schema.name}`,
        formatCount(schema.tables, "table"),
        formatCount(schema.estimatedRows, "row"),
        formatBytes(schema.bytes),
      ]),
    ),
    ...(largest.length === 0 ? [] : [`  largest: ${largest.join(", ")}`]),
  ];
}

const largestTableCount = 3;

/** One line a variable; what they all become stands in the heading, once. */
function services({ services: planned }: Plan): string[] {
  const becomes = planned[0]?.variables[0]?.to ?? "";
  const rows = planned.flatMap(({ name, wave, isCanary, startsReadOnly, variables }) => {
    const turn = startsReadOnly ? (isCanary ? "canary" : `wave ${wave}`) : "after promotion";
    return variables.map((variable, index) => [
      `  ${index === 0 ? name : ""}`,
      index === 0 ? turn : "",
      variable.name,
      `now ${variable.from}`,
    ]);
  });
  return [`What changes on Railway: each becomes ${becomes}`, ...columns(rows, "left")];
}

function steps({ services: planned, source, target, dumpClient }: Plan): string[] {
  const early = planned.filter(({ startsReadOnly }) => startsReadOnly);
  const late = planned.filter(({ startsReadOnly }) => !startsReadOnly).map(({ name }) => name);
  const waves = [...Map.groupBy(early, ({ wave }) => wave).values()].map((members, index) => {
    const names = members.map(({ name }) => name).join(", ");
    return index === 0 ? `${names} (canary)` : names;
  });
  const list = [
    `Pause writes on ${source.service} by locks; reads go on`,
    `Copy to ${target.service}${dumpClient === null ? "" : ` with ${dumpClient}`}; compare every row, sequence and definition`,
    "Fence both databases",
    `Switch, deploy and prove ${waves.join("; then ")}`,
    `Seal ${source.service}, promote ${target.service}: no return from here, a failure before puts everything back`,
    ...(late.length === 0 ? [] : [`Switch and deploy ${late.join(", ")}`]),
  ];
  return ["What happens, in this order", ...list.map((step, index) => `  ${index + 1}. ${step}`)];
}

function estimates({
  estimates: { copyMs, gateMs, deploymentsMs, deploymentsAreMeasured, healthyForMs, writePauseMs },
}: Plan): string[] {
  const deployments = `deployments ${formatDuration(deploymentsMs)} (${
    deploymentsAreMeasured ? "as the last ones took" : "assumed where no earlier one tells"
  }), ${formatDuration(healthyForMs)} to see them stay healthy`;
  if (copyMs === null || gateMs === null || writePauseMs === null) {
    return ["How long it should take (estimates)", `  not known, the source was not checked; ${deployments}`];
  }
  return [
    "How long it should take (estimates)",
    `  writes are paused for about ${formatDuration(writePauseMs)}: copy ${formatDuration(copyMs)} at ${formatBytes(copyBytesPerSecond)}/s, comparison ${formatDuration(gateMs)}, ${deployments}`,
  ];
}

function guarantees({ protectedSchemas, source }: Plan): string[] {
  return [
    [
      ...protectedSchemas.map((schema) => `Nothing in ${schema} is touched.`),
      `Nothing on ${source.service} is deleted.`,
    ].join(" "),
  ];
}

function verdict({ findings: all }: Plan): string[] {
  const blockers = all.filter(({ severity }) => severity === "blocker").length;
  const unchecked = all.filter(({ severity }) => severity === "unchecked").length;
  if (blockers > 0)
    return [`Blocked: ${formatCount(blockers, "finding")} to resolve first. Nothing was changed.`];
  if (unchecked > 0)
    return [`Nothing blocks so far, but ${formatCount(unchecked, "check")} could not be made.`];
  return ["Nothing blocks the cutover."];
}

/** Pads every column to its widest cell; the first is aligned left, the others as said. */
function columns(rows: readonly (readonly string[])[], others: "left" | "right" = "right"): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 || others === "left"
          ? cell.padEnd(widths[column] ?? 0)
          : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
}
