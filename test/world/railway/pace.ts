import { randomInt } from "node:crypto";

/** A duration in milliseconds that is drawn anew each time. */
export type Range = readonly [minimum: number, maximum: number];

/** How long things take. The defaults are as inconvenient as the real platform, on the scale of a rehearsal. */
export interface Pace {
  /** How far reads lag behind writes. */
  readonly readLagMs: Range;
  /** What rendered variables lag behind raw ones, on top of the read lag. */
  readonly renderLagMs: number;
  readonly initializingMs: Range;
  readonly buildingMs: Range;
  /** Before the new container is started. */
  readonly deployingMs: Range;
  readonly healthcheckIntervalMs: number;
  /** Railway's default is 300 s. */
  readonly healthcheckTimeoutMs: number;
  /** From SUCCESS of the new deployment to SIGTERM for the old one; both serve meanwhile. */
  readonly overlapMs: Range;
  /** From SIGTERM to SIGKILL. */
  readonly drainingMs: number;
  readonly crashAfterMs: number;
  /** A started workflow is unknown at first. */
  readonly workflowUnknownMs: number;
  readonly workflowRunningMs: number;
  /** Projects created faster than this are refused (third-party observation: "too quickly"). */
  readonly projectCreationMs: number;
  /** How long a deleted service can still be read, with `deletedAt`. */
  readonly deletedVisibleMs: number;
  readonly sandboxCreatingMs: Range;
  /** Of the minutes of a sandbox's idle timeout. */
  readonly sandboxMinuteMs: number;
  /** After which the gateway gives a command in a sandbox up, while it goes on; about a minute (Railway's CLI). */
  readonly execGatewayMs: number;
  /** What of a command's output is answered, in characters. */
  readonly execOutputLimit: number;
}

export const defaultPace: Pace = {
  readLagMs: [0, 1_500],
  renderLagMs: 0,
  initializingMs: [300, 700],
  buildingMs: [1_500, 2_800],
  deployingMs: [700, 1_500],
  healthcheckIntervalMs: 150,
  healthcheckTimeoutMs: 8_000,
  overlapMs: [200, 600],
  drainingMs: 400,
  crashAfterMs: 1_500,
  workflowUnknownMs: 400,
  workflowRunningMs: 1_200,
  projectCreationMs: 5_000,
  deletedVisibleMs: 8_000,
  sandboxCreatingMs: [1_500, 4_000],
  sandboxMinuteMs: 60_000,
  execGatewayMs: 60_000,
  execOutputLimit: 65_536,
};

/** For tests whose subject is not time: everything still happens in order, in milliseconds. */
export const quickPace: Pace = {
  ...defaultPace,
  readLagMs: [0, 0],
  initializingMs: [5, 10],
  buildingMs: [10, 20],
  deployingMs: [5, 10],
  healthcheckIntervalMs: 20,
  healthcheckTimeoutMs: 3_000,
  overlapMs: [20, 40],
  drainingMs: 500,
  crashAfterMs: 50,
  projectCreationMs: 200,
  workflowUnknownMs: 30,
  workflowRunningMs: 50,
  sandboxCreatingMs: [20, 40],
};

export function draw([minimum, maximum]: Range): number {
  return maximum <= minimum ? minimum : randomInt(minimum, maximum + 1);
}
