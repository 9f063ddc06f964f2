import { judgeGoals } from "./goals.ts";
import type { PauseResult } from "./pause.ts";
import type { PreviewResult } from "./preview.ts";
import { type BenchResult, type Comparison, type ToolResult, wallOf } from "./result.ts";
import type { Spread } from "./statistics.ts";
import type { ToolName } from "./tools/tool.ts";

/** The whole result as Markdown that is readable on a terminal, too. Pure. */
export function renderReport(result: BenchResult): string {
  const { machine, servers, repetitions, serverSettings } = result;
  return [
    `Measured on ${result.startedAt.slice(0, 10)}, medians of ${repetitions} (least–most) on ${machine.cores} cores (${machine.processor}), ${Math.round(machine.memoryBytes / 1_073_741_824)} GB of memory.`,
    `Both servers and the client share them.`,
    "",
    ...servers.map((server) => `- ${server}`),
    `- ${Object.entries(serverSettings)
      .map(([name, value]) => `${name} ${value}`)
      .join(", ")}`,
    "",
    ...result.comparisons.flatMap((comparison) => [renderComparison(comparison), ""]),
    ...(result.pauses.length === 0 ? [] : [renderPauses(result.pauses), ""]),
    ...(result.preview === null ? [] : [renderPreview(result.preview), ""]),
    "### Goals",
    "",
    renderGoals(result),
    "",
  ].join("\n");
}

const peers: ReadonlyArray<readonly [ToolName, string]> = [
  ["pgcopydb", "× pgcopydb"],
  ["dump-psql", "× pg_dump | psql"],
  ["dump-restore", "× pg_restore -j"],
];

/** One table: a row for each tool, and where the time of ours went. Pure. */
export function renderComparison(comparison: Comparison): string {
  const { title, line, dataBytes, indexBytes, tables, limit } = comparison;
  const header = [
    "tool",
    "wall s",
    "MB/s",
    "client CPU s",
    "all CPU s",
    "client MB",
    ...peers.map(([, name]) => name),
    "× limit",
  ];
  const rows = comparison.tools.map((tool) => toolRow(tool, comparison));
  if (limit !== null) {
    const { readMs, writeMs, indexesMs, totalMs } = limit;
    const parts = `read ${seconds(readMs.median)}, write ${seconds(writeMs.median)}, indexes ${seconds(indexesMs.median)}`;
    rows.push([`limit: ${parts}`, spread(totalMs, seconds), speed(dataBytes, totalMs.median)]);
  }
  const failures = comparison.tools.flatMap(({ title: name, failed }) =>
    failed === null ? [] : [`- ${name} failed: ${failed}`],
  );
  const phases = comparison.tools.flatMap((tool) =>
    tool.failed !== null || Object.keys(tool.phasesMs).length === 0
      ? []
      : [
          `- ${tool.name}: ${Object.entries(tool.phasesMs)
            .map(([phase, ms]) => `${phase} ${seconds(ms)}`)
            .join(", ")} s`,
        ],
  );
  return [
    `### ${title}${line === "slow" ? ", over a slow link" : ""}`,
    "",
    `${tables} tables, ${megabytes(dataBytes)} MB of heap and TOAST, ${megabytes(indexBytes)} MB of indexes.`,
    "",
    renderTable(header, rows),
    ...(failures.length + phases.length > 0 ? ["", ...failures, ...phases] : []),
  ].join("\n");
}

function toolRow(tool: ToolResult, comparison: Comparison): string[] {
  if (tool.failed !== null) return [tool.title, "failed"];
  const { wallMs, cpuMs, machineCpuMs, peakBytes } = tool;
  const ratio = (other: number | undefined) =>
    other === undefined ? "" : (wallMs.median / other).toFixed(2);
  return [
    tool.title,
    spread(wallMs, seconds),
    speed(comparison.dataBytes, wallMs.median),
    seconds(cpuMs.median),
    seconds(machineCpuMs.median),
    peakBytes === null ? "" : megabytes(peakBytes.max),
    ...peers.map(([name]) => (name === tool.name ? "" : ratio(wallOf(comparison, name)))),
    ratio(comparison.limit?.totalMs.median),
  ];
}

/** Pure. */
export function renderPauses(pauses: readonly PauseResult[]): string {
  const steps = Object.keys(pauses[0]?.phasesMs ?? {});
  return [
    "### Write pause of a whole cutover",
    "",
    "The local world's database, without the deployments of its services.",
    "",
    renderTable(
      ["heap and TOAST, MB", "write pause s", ...steps],
      pauses.map(({ dataBytes, pauseMs, phasesMs }) => [
        megabytes(dataBytes),
        spread(pauseMs, seconds),
        ...steps.map((step) => seconds(phasesMs[step] ?? 0)),
      ]),
    ),
  ].join("\n");
}

/** Pure. */
export function renderPreview({ version, wallMs }: PreviewResult): string {
  return [
    "### `pulumi preview` when nothing is to be done",
    "",
    `After the local world's cutover, on Pulumi ${version}: ${spread(wallMs, seconds)} s.`,
  ].join("\n");
}

function renderGoals(result: BenchResult): string {
  return renderTable(
    ["goal", "at most", "measured", "met"],
    judgeGoals(result).map(({ what, atMost, measured, met }) => [
      what,
      atMost,
      measured,
      met === null ? "" : met ? "yes" : "no",
    ]),
  );
}

/** A Markdown table with its columns in line. Pure. */
export function renderTable(header: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  const cells = (row: readonly string[]) =>
    header.map((_, column) => (row[column] ?? "").replaceAll("|", "\\|"));
  const all = [header, ...rows].map(cells);
  const widths = header.map((_, column) => Math.max(3, ...all.map((row) => (row[column] ?? "").length)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] as number)).join(" | ")} |`;
  const [first = [], ...rest] = all;
  return [line(first), line(widths.map((width) => "-".repeat(width))), ...rest.map(line)].join("\n");
}

function spread({ median, min, max }: Spread, unit: (value: number) => string): string {
  return `${unit(median)} (${unit(min)}–${unit(max)})`;
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(ms < 1_000 ? 2 : 1);
}

function speed(bytes: number, ms: number): string {
  return (bytes / 1_048_576 / (ms / 1_000)).toFixed(0);
}

function megabytes(bytes: number): string {
  return (bytes / 1_048_576).toFixed(0);
}
