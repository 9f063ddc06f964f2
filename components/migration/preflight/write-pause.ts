import type { Finding } from "../finding.ts";
import type { Estimates } from "../plan/estimates.ts";
import { formatDuration } from "../plan/format.ts";
import { findingsOf } from "./definitions.ts";

export const writePauseDefinitions = {
  WRITE_PAUSE_LIMIT_SHORT: {
    severity: "warning",
    acceptable: false,
    remedy:
      "Raise `limits.writePauseMs`, or choose a quieter time; a cutover that reaches the limit puts everything back by itself.",
  },
} as const;

const found = findingsOf(writePauseDefinitions);

/** Whether the copy and its comparison should end before the configured limit would end them. */
export function checkWritePause({ copyMs, gateMs }: Estimates, limitMs: number): Finding[] {
  if (copyMs === null || gateMs === null || copyMs + gateMs <= limitMs) return [];
  return [
    found(
      "WRITE_PAUSE_LIMIT_SHORT",
      "limits.writePauseMs",
      `Copying and comparing should take about ${formatDuration(copyMs + gateMs)}, and writes may be paused for ${formatDuration(limitMs)}.`,
    ),
  ];
}
