import { pauseWorldRows } from "./pause.ts";
import { type BenchResult, type Comparison, type Line, wallOf } from "./result.ts";
import type { ToolName } from "./tools/tool.ts";

/** What the project wants to reach. */
interface Goal {
  readonly size: string;
  readonly line: Line;
  readonly what: string;
  readonly atMost: number;
  readonly unit: string;
  /** `undefined` where what it compares was not measured. */
  value(comparison: Comparison): number | undefined;
}

export interface JudgedGoal {
  readonly what: string;
  readonly atMost: string;
  readonly measured: string;
  readonly met: boolean | null;
}

function ratio(tool: ToolName, peer: ToolName): Goal["value"] {
  return (comparison) => divide(wallOf(comparison, tool), wallOf(comparison, peer));
}

function divide(value: number | undefined, by: number | undefined): number | undefined {
  return value === undefined || by === undefined ? undefined : value / by;
}

const large = { size: "1.5GB", line: "loopback", unit: "" } as const;

const goals: readonly Goal[] = [
  { ...large, what: "ours / pgcopydb", atMost: 0.6, value: ratio("ours", "pgcopydb") },
  { ...large, what: "ours / pg_dump | psql", atMost: 0.55, value: ratio("ours", "dump-psql") },
  { ...large, what: "ours with gate / pgcopydb", atMost: 0.75, value: ratio("ours-gate", "pgcopydb") },
  {
    ...large,
    what: "ours / limit",
    atMost: 1.3,
    value: (comparison) => divide(wallOf(comparison, "ours"), comparison.limit?.totalMs.median),
  },
  {
    ...large,
    unit: " MB",
    what: "peak memory of ours",
    atMost: 250,
    value: (comparison) => peakOf(comparison),
  },
  { ...large, size: "tables", what: "ours / pgcopydb", atMost: 1, value: ratio("ours", "pgcopydb") },
  {
    ...large,
    size: "500MB",
    line: "slow",
    what: "ours / pgcopydb",
    atMost: 0.6,
    value: ratio("ours", "pgcopydb"),
  },
];

function peakOf({ tools }: Comparison): number | undefined {
  const peaks = tools.flatMap((tool) =>
    tool.failed === null && tool.name.startsWith("ours") && tool.peakBytes !== null
      ? [tool.peakBytes.max]
      : [],
  );
  return peaks.length === 0 ? undefined : Math.max(...peaks) / 1_048_576;
}

/** Each goal with what was measured, as far as it was. Pure. */
export function judgeGoals({
  comparisons,
  pauses,
  preview,
}: Pick<BenchResult, "comparisons" | "pauses" | "preview">): JudgedGoal[] {
  const judged = goals.map(({ size, line, what, atMost, unit, value }) => {
    const comparison = comparisons.find((each) => each.size === size && each.line === line);
    const measured = comparison === undefined ? undefined : value(comparison);
    const digits = unit === "" ? 2 : 0;
    return {
      what: `${size}${line === "slow" ? ", slow link" : ""}: ${what}`,
      atMost: `${atMost}${unit}`,
      measured: measured === undefined ? "not measured" : `${measured.toFixed(digits)}${unit}`,
      met: measured === undefined ? null : measured <= atMost,
    };
  });
  return [
    ...judged,
    duration(
      "the real project's size, a few MB: write pause without deployments",
      2,
      pauses.find(({ worldRows }) => worldRows === pauseWorldRows[0])?.pauseMs.median,
    ),
    duration("`pulumi preview` when nothing is to be done", 3, preview?.wallMs.median),
  ];
}

function duration(what: string, atMostSeconds: number, ms: number | undefined): JudgedGoal {
  return {
    what,
    atMost: `${atMostSeconds} s`,
    measured: ms === undefined ? "not measured" : `${(ms / 1_000).toFixed(1)} s`,
    met: ms === undefined ? null : ms <= atMostSeconds * 1_000,
  };
}
