import type { CrashRow } from "../crash-table.ts";

/**
 * What can be done to a run at one of its effects.
 *
 * - `kill`: SIGKILL. `interrupt-twice`: what a second Ctrl-C brings, SIGINT and soon after SIGKILL.
 * - `orphan`: the engine dies, its provider lives on, and a second `up` starts. `second-up`, `parallel-abort`: another
 *   command starts although the engine lives.
 * - `cut-…`: every connection to one server is reset. `swallow-…`: its network swallows every packet for a while.
 *   `restart-…`: the server crashes and comes back. `cancel-…`: an administrator cancels what the run has under way there.
 *   `terminate-…`: an administrator ends one of the run's sessions there.
 * - `disk-full`: no room is left for the target's tables.
 * - `kill-and-…`: a kill, and before the next command somebody rotates a database's password, renames a service, or
 *   nobody comes for longer than the pause may last.
 * - `railway-…`: what the API does to the next requests. `railway-down`: to all of them for some seconds.
 * - `reads-lag`, `renders-late`: Railway's reads, or rendered references, are some seconds old from now on.
 * - `deployment-…`: what becomes of a service's next deployment. `push`: somebody pushes a commit to a service.
 * - `pause-limit`: the write pause may last so short that the run gives up by itself. `hold`: the next deployment
 *   fails, and the configuration says `onFailure: hold`.
 */
export const faultKinds = [
  ...["kill", "interrupt-twice", "orphan", "second-up", "parallel-abort"],
  ...["cut-source", "cut-target", "swallow-source", "swallow-target", "restart-source", "restart-target"],
  ...["cancel-source", "cancel-target", "terminate-source", "terminate-target", "disk-full"],
  ...["kill-and-rotate-source", "kill-and-rotate-target", "kill-and-rename", "kill-and-wait"],
  ...[
    "railway-timeout-after-apply",
    "railway-reset-after-apply",
    "railway-429",
    "railway-429-html",
    "railway-500",
  ],
  ...["railway-html-403", "railway-in-band-rate-limit", "railway-problem-processing", "railway-down"],
  ...["reads-lag", "renders-late"],
  ...[
    "deployment-BUILD",
    "deployment-PRE_DEPLOY",
    "deployment-HEALTHCHECK",
    "deployment-CRASH_AFTER_SUCCESS",
  ],
  ...[
    "deployment-HANG_DEPLOYING",
    "deployment-SKIPPED",
    "deployment-NEEDS_APPROVAL",
    "deployment-SUPERSEDED",
  ],
  ...["deployment-SUPERSEDED_AFTER_SUCCESS", "push", "pause-limit", "hold"],
] as const;

export type FaultKind = (typeof faultKinds)[number];

export type Stage = "before" | "after";

/** One fault and when it happens: at the n-th effect of a row, before the effect or after it. */
export interface Fault {
  readonly kind: FaultKind;
  readonly row: CrashRow;
  readonly stage: Stage;
  /** The first effect of the row is 1. */
  readonly occurrence: number;
}

/** About how many effects a run has in the rows that have many; 1 in the others. */
export const effectsInRow: Readonly<Partial<Record<CrashRow, number>>> = {
  "1": 6,
  v: 2,
  "6": 150,
  "10": 4,
  "12": 9,
  "13": 9,
  "14": 6,
  "15": 4,
  "16": 5,
  "19": 45,
  a: 2,
  c: 2,
  e: 3,
  g: 45,
  h: 100,
  i: 2,
};

/** Rows of putting back, after a switch that had begun. */
export const backRows: readonly CrashRow[] = ["t", "a", "c", "d", "e", "f", "g", "h", "i"];
