import type { Plan } from "../plan.ts";
import { describeTransport } from "../transport.ts";
import { describeBackups } from "./backups.ts";
import {
  describeEstimates,
  describeGuarantees,
  describeSteps,
  describeTurn,
  describeVerdict,
  describeVersion,
  type Mark,
  sortFindings,
} from "./describe.ts";
import { formatBytes, formatCount, wrap } from "./format.ts";
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
  const { blockers, unchecked, accepted, warnings } = sortFindings(plan.findings);
  const steps = describeSteps(plan, asItIs).map((step, index) => `  ${index + 1}. ${step}`);
  const sections = [
    renderFindings("Blockers", blockers),
    renderFindings("Not checked", unchecked),
    headline(plan),
    contents(plan),
    services(plan),
    ["What happens, in this order", ...steps],
    backups(plan),
    ["How long it should take (estimates)", `  ${describeEstimates(plan)}`],
    [describeGuarantees(plan, asItIs)],
    renderFindings("Accepted risks", accepted),
    acceptedDifferences(plan),
    renderFindings("Warnings", warnings),
    [describeVerdict(plan)],
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.flatMap((line) => wrap(line, width)).join("\n"))
    .join("\n\n");
}

const asItIs: Mark = (name) => name;

function headline({ project, environment, source, target }: Plan): string[] {
  return [
    `Cutover of ${project} (${environment})`,
    `  from ${describeDatabase(source)}`,
    `  to   ${describeDatabase(target)}`,
  ];
}

function describeDatabase(database: Plan["source"]): string {
  const { service, host, transport } = database;
  const at = host === null ? "" : ` at ${host}`;
  return `${service}, ${describeVersion(database)}, reached${at} ${describeTransport(transport)}`;
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
  const rows = planned.flatMap((service) =>
    service.variables.map((variable, index) => [
      `  ${index === 0 ? service.name : ""}`,
      index === 0 ? describeTurn(service) : "",
      variable.name,
      `now ${variable.from}`,
    ]),
  );
  return [`What changes on Railway: each becomes ${becomes}`, ...columns(rows, "left")];
}

function backups({ backups: planned }: Plan): string[] {
  const told = describeBackups(planned, asItIs);
  return told === null ? [] : [told.heading, `  ${told.sentence}`];
}

function acceptedDifferences({ acceptedDifferences: accepted }: Plan): string[] {
  if (accepted.length === 0) return [];
  return [
    `Accepted differences, should the comparison find them (${accepted.length})`,
    ...accepted.map(({ code, object, reason }) => `  ${code} ${object}: ${reason}`),
  ];
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
