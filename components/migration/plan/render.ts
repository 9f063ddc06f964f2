import type { Finding } from "../finding.ts";
import type { Plan } from "../plan.ts";
import { copyBytesPerSecond } from "./estimates.ts";
import { formatBytes, formatCount, formatDuration, wrap } from "./format.ts";

export interface RenderOptions {
  /** Columns of the terminal; lines are wrapped to fit, names are never cut. */
  readonly width: number;
}

/** The plan as plain text that a reviewer reads in a minute. */
export function renderPlan(plan: Plan, { width }: RenderOptions): string {
  const sections = [
    headline(plan),
    contents(plan),
    services(plan),
    steps(plan),
    estimates(plan),
    guarantees(plan),
    findings("Blockers", "blocker", plan, width),
    findings("Not checked", "unchecked", plan, width),
    findings("Warnings", "warning", plan, width),
    verdict(plan),
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.flatMap((line) => wrap(line, width)).join("\n"))
    .join("\n\n");
}

function headline({ project, environment, source, target, dumpClient }: Plan): string[] {
  return [
    `Cutover of ${project} (${environment})`,
    `  from ${describeDatabase(source)}`,
    `  to   ${describeDatabase(target)}`,
    ...(dumpClient === null ? [] : [`  schema read with ${dumpClient}`]),
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
  return [
    "What moves",
    `  ${formatCount(tables, "table")}, ${formatCount(sequences, "sequence")}, about ${formatCount(estimatedRows, "row")}, ${formatBytes(dataBytes)} of data and ${formatBytes(indexBytes)} of indexes`,
    ...columns([
      ["  schema", "tables", "rows (estimate)", "size"],
      ...moved.schemas.map((schema) => [
        `  ${schema.name}`,
        schema.tables.toLocaleString("en"),
        schema.estimatedRows.toLocaleString("en"),
        formatBytes(schema.bytes),
      ]),
      ["  largest tables", "", "", ""],
      ...moved.largestTables.map((table) => [
        `    ${table.name}`,
        "",
        table.estimatedRows.toLocaleString("en"),
        formatBytes(table.bytes),
      ]),
    ]),
  ];
}

function services({ services: planned }: Plan): string[] {
  const lines = planned.flatMap(({ name, wave, isCanary, startsReadOnly, variables }) => {
    const notes = [
      `wave ${wave}`,
      ...(isCanary ? ["canary"] : []),
      ...(startsReadOnly ? [] : ["deployed after promotion"]),
    ];
    return [
      `  ${name} (${notes.join(", ")})`,
      ...variables.map((variable) => `    ${variable.name}: ${variable.from} → ${variable.to}`),
    ];
  });
  return ["What changes on Railway", ...lines];
}

function steps({ services: planned, source, target }: Plan): string[] {
  const waves = [...new Set(planned.filter(({ startsReadOnly }) => startsReadOnly).map(({ wave }) => wave))];
  const late = planned.filter(({ startsReadOnly }) => !startsReadOnly).map(({ name }) => name);
  const list = [
    `Pause writes on ${source.service} by locks; readers go on`,
    `Copy the schemas to ${target.service}, and compare every row, sequence and definition`,
    "Fence both databases; a difference stops here and puts everything back",
    ...waves.map((wave, index) => {
      const names = planned
        .filter((each) => each.wave === wave && each.startsReadOnly)
        .map(({ name }) => name);
      return `Switch ${names.join(", ")}${index === 0 ? " (canary)" : ""}, deploy, and prove the new database is used`;
    }),
    `Seal ${source.service}, then promote ${target.service}: the only point of no return`,
    ...(late.length === 0 ? [] : [`Switch and deploy ${late.join(", ")}`]),
  ];
  return ["What happens, in this order", ...list.map((step, index) => `  ${index + 1}. ${step}`)];
}

function estimates({
  estimates: { copyMs, gateMs, deploymentsMs, deploymentsAreMeasured, writePauseMs },
}: Plan): string[] {
  const basis = deploymentsAreMeasured
    ? "as their last deployments took"
    : "assumed where no earlier deployment tells";
  return [
    "How long it should take (estimates)",
    copyMs === null || gateMs === null
      ? "  copy: not known, the source was not checked"
      : `  copy ${formatDuration(copyMs)} at ${formatBytes(copyBytesPerSecond)}/s, comparison ${formatDuration(gateMs)}`,
    `  deployments ${formatDuration(deploymentsMs)} (${basis})`,
    ...(writePauseMs === null ? [] : [`  writes are paused for about ${formatDuration(writePauseMs)}`]),
  ];
}

function guarantees({ protectedSchemas, source }: Plan): string[] {
  return [
    ...protectedSchemas.map((schema) => `Nothing in ${schema} is touched.`),
    `Nothing on ${source.service} is deleted.`,
  ];
}

function findings(title: string, severity: Finding["severity"], plan: Plan, width: number): string[] {
  const own = plan.findings.filter((finding) => finding.severity === severity);
  if (own.length === 0) return [];
  return [
    `${title} (${own.length})`,
    ...own.flatMap(({ code, object, why, remedy }) => [
      `  ${code} ${object}`,
      ...wrap(`    ${why}`, width),
      ...wrap(`    → ${remedy}`, width),
    ]),
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

/** Pads every column to its widest cell; the first is aligned left, the others right. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
}
