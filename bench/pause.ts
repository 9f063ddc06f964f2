import { fileURLToPath } from "node:url";
import { z } from "zod";
import { measure } from "./measure.ts";
import { type Spread, spreadOf } from "./statistics.ts";

export const pauseRunSchema = z.object({
  /** Heap and TOAST of the moved schemas. */
  dataBytes: z.number(),
  phasesMs: z.record(z.string(), z.number()),
});
export type PauseRun = z.infer<typeof pauseRunSchema>;

/** Rows of the local world: a few MB, as the real project has, and as many as the rehearsal plays with. */
export const pauseWorldRows = [30_000, 200_000] as const;

/** How long a cutover keeps the writes to a small database waiting, without its services' deployments. */
export interface PauseResult {
  readonly worldRows: number;
  readonly dataBytes: number;
  readonly runs: readonly PauseRun[];
  readonly pauseMs: Spread;
  /** Medians. */
  readonly phasesMs: Readonly<Record<string, number>>;
}

/**
 * The steps of a cutover during which writes are paused, from the locks to the promotion, but for the switch of the
 * services: how long that takes is Railway's affair. Pure.
 */
export function pausedPhases(phasesMs: Readonly<Record<string, number>>): Record<string, number> {
  const titles = Object.keys(phasesMs);
  const paused = titles.slice(titles.indexOf("pause writes"), titles.indexOf("promote") + 1);
  return Object.fromEntries(
    paused.filter((title) => !title.startsWith("switch")).map((title) => [title, phasesMs[title] as number]),
  );
}

/** @throws Error when a cutover fails; whatever `signal` was aborted with */
export async function measurePause(options: {
  readonly worldRows: number;
  readonly workers: number;
  readonly repetitions: number;
  readonly signal: AbortSignal;
  log(line: string): void;
}): Promise<PauseResult> {
  const program = fileURLToPath(new URL("pause-process.ts", import.meta.url));
  const { worldRows, workers, repetitions, signal, log } = options;
  const runs: PauseRun[] = [];
  for (let repetition = 1; repetition <= repetitions; repetition++) {
    const outcome = await measure(
      {
        script: '"$NODE" --no-warnings "$PROGRAM" "$WORKERS" "$ROWS"',
        environment: {
          ...{ NODE: process.execPath, PROGRAM: program, WORKERS: String(workers), ROWS: String(worldRows) },
          // The schema is read before writes are paused: whichever client this machine has will do.
          ...{ HOME: process.env.HOME ?? "", PATH: process.env.PATH ?? "" },
        },
      },
      signal,
    );
    if (!outcome.ok) throw new Error(`the cutover whose write pause is measured failed: ${outcome.reason}`);
    const run = pauseRunSchema.parse(JSON.parse(outcome.output));
    runs.push(run);
    log(
      `write pause with ${worldRows} rows, ${repetition} of ${repetitions}: ${(lengthOf(run) / 1_000).toFixed(2)} s`,
    );
  }
  return summarizePause(worldRows, runs);
}

/** Pure. */
export function summarizePause(worldRows: number, runs: readonly PauseRun[]): PauseResult {
  const titles = Object.keys(runs[0]?.phasesMs ?? {});
  return {
    worldRows,
    dataBytes: runs[0]?.dataBytes ?? 0,
    runs,
    pauseMs: spreadOf(runs.map(lengthOf)),
    phasesMs: Object.fromEntries(
      titles.map((title) => [title, spreadOf(runs.map(({ phasesMs }) => phasesMs[title] ?? 0)).median]),
    ),
  };
}

function lengthOf({ phasesMs }: PauseRun): number {
  return Object.values(phasesMs).reduce((sum, ms) => sum + ms, 0);
}
