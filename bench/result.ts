import type { LimitMeasurement } from "./limit.ts";
import type { Measurement } from "./measure.ts";
import type { PauseResult } from "./pause.ts";
import type { PreviewResult } from "./preview.ts";
import { type Spread, spreadOf } from "./statistics.ts";
import type { ToolName } from "./tools/tool.ts";

/** What `--json` writes. Times in milliseconds, sizes in bytes. */
export interface BenchResult {
  readonly startedAt: string;
  readonly machine: { readonly cores: number; readonly processor: string; readonly memoryBytes: number };
  /** What the servers run on, and their settings. */
  readonly servers: readonly string[];
  readonly serverSettings: Readonly<Record<string, string>>;
  readonly repetitions: number;
  readonly comparisons: readonly Comparison[];
  /** By the world's rows. */
  readonly pauses: readonly PauseResult[];
  readonly preview: PreviewResult | null;
}

/** Every tool on one set of data, over one line. */
export interface Comparison {
  readonly size: string;
  readonly title: string;
  readonly line: Line;
  /** Heap and TOAST, as `pg_table_size` says. */
  readonly dataBytes: number;
  readonly indexBytes: number;
  readonly tables: number;
  readonly tools: readonly ToolResult[];
  readonly limit: LimitResult | null;
}

export type Line = "loopback" | "slow";

export type ToolResult = MeasuredTool | FailedTool;

export interface MeasuredTool {
  readonly name: ToolName;
  readonly title: string;
  readonly failed: null;
  readonly runs: readonly Measurement[];
  readonly wallMs: Spread;
  readonly cpuMs: Spread;
  readonly machineCpuMs: Spread;
  readonly peakBytes: Spread | null;
  /** Medians. */
  readonly phasesMs: Readonly<Record<string, number>>;
}

export interface FailedTool {
  readonly name: ToolName;
  readonly title: string;
  /** Why one of its runs does not count. */
  readonly failed: string;
}

export interface LimitResult {
  readonly runs: readonly LimitMeasurement[];
  readonly readMs: Spread;
  readonly writeMs: Spread;
  readonly indexesMs: Spread;
  /** Of the longer one of reading and writing, and the indexes. */
  readonly totalMs: Spread;
}

/** One run of a tool that made a whole copy. */
export interface ToolRun {
  readonly measurement: Measurement;
  readonly phasesMs: Readonly<Record<string, number>>;
}

/** Pure. */
export function summarize(name: ToolName, title: string, runs: readonly ToolRun[]): MeasuredTool {
  const measurements = runs.map(({ measurement }) => measurement);
  const peaks = measurements.flatMap(({ peakBytes }) => (peakBytes === null ? [] : [peakBytes]));
  const phases = Object.keys(runs[0]?.phasesMs ?? {});
  return {
    name,
    title,
    failed: null,
    runs: measurements,
    wallMs: spreadOf(measurements.map(({ wallMs }) => wallMs)),
    cpuMs: spreadOf(measurements.map(({ cpuMs }) => cpuMs)),
    machineCpuMs: spreadOf(measurements.map(({ machineCpuMs }) => machineCpuMs)),
    peakBytes: peaks.length === 0 ? null : spreadOf(peaks),
    phasesMs: Object.fromEntries(
      phases.map((phase) => [phase, spreadOf(runs.map(({ phasesMs }) => phasesMs[phase] ?? 0)).median]),
    ),
  };
}

/** The median time of one tool, unless it was not measured or failed. Pure. */
export function wallOf({ tools }: Comparison, name: ToolName): number | undefined {
  const tool = tools.find((each) => each.name === name);
  return tool === undefined || tool.failed !== null ? undefined : tool.wallMs.median;
}
