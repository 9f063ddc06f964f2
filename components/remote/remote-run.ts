import { CutoverError } from "../errors.ts";
import { runExists } from "./beside.ts";
import { type Followed, follow } from "./follow.ts";
import type { Interruptions } from "./interruptions.ts";
import type { Leftover, Runner, RunnerPlace } from "./runner.ts";

/** How long whoever prepares a run may take until it counts as given up. */
const preparationMs = 10 * 60_000;

export interface RemoteRun {
  readonly place: RunnerPlace;
  /** Finds the runners of this project and stack. */
  readonly find: () => Promise<readonly Leftover[]>;
  /** Makes a runner and starts the job. */
  readonly start: (signal: AbortSignal) => Promise<Runner>;
  readonly interruptions: Interruptions;
  readonly print: (text: string) => void;
  readonly saveReport: (text: string) => Promise<void>;
  readonly now: () => Date;
  readonly lostContactMs: number;
}

/** Of a run that was left alone while it goes on: a shell's own code for Ctrl-C. */
export const detachedExitCode = 130;

/**
 * Runs the job in a new runner, and removes the runner, whatever became of the job.
 *
 * @returns the exit code of the command inside, or {@link detachedExitCode}
 * @throws CutoverError `REMOTE_RUN_EXISTS`, `REMOTE_PREPARATION_FAILED`, `REMOTE_RESULT_UNKNOWN`, `REMOTE_ORPHAN_ENDED`,
 *   `REMOTE_CONTACT_LOST`, those of making a runner, and those of the transport
 */
export async function runRemotely(run: RemoteRun): Promise<number> {
  await removeLeftovers(run);
  const { first, second, gone } = run.interruptions;
  const runner = await run.start(AbortSignal.any([first, second, gone]));
  return followToTheEnd(run, runner);
}

/** Follows a run that goes on, or is over and was never told; otherwise as {@link runRemotely}. */
export async function attach(run: RemoteRun): Promise<number> {
  const { runner } = await only(run, (state) => state !== "preparing");
  run.place.log(`following the ${runner.name}`);
  return followToTheEnd(run, runner);
}

/**
 * Asks a run to finish what it has begun and to begin nothing else, as Ctrl-C does, and follows it to its end. Whatever was
 * never started, or is over, is removed.
 */
export async function stopRemotely(run: RemoteRun): Promise<number> {
  const leftovers = await run.find();
  for (const { runner, state } of leftovers.filter(({ state }) => state !== "running")) {
    await runner.remove();
    run.place.log(`removed the ${runner.name}, ${stateNames[state]}`);
  }
  const going = leftovers.filter(({ state }) => state === "running");
  if (going.length === 0) return 0;
  const { runner } = await only({ ...run, find: async () => going }, () => true);
  await runner.interrupt();
  run.place.log(`asked the ${runner.name} to finish; it ends what it has begun`);
  return followToTheEnd(run, runner);
}

/** What an earlier command left is removed, unless it still runs. */
async function removeLeftovers({ find, place, now, print, interruptions }: RemoteRun): Promise<void> {
  for (const { runner, state, since } of await find()) {
    const isGivenUp = now().getTime() - since.getTime() > preparationMs;
    if (state === "running" || (state === "preparing" && !isGivenUp)) throw runExists(runner, state);
    if (state === "over") {
      place.log(
        `an earlier run in the ${runner.name} ended without being watched; this is what it wrote last:`,
      );
      const { output } = await follow(runner, {
        print,
        log: place.log,
        rest: (signal) => place.client.rest(signal),
        detach: interruptions.second,
        lostContactMs: 0,
      });
      if (output.ending !== undefined) place.log(`it ended with exit code ${output.ending.exitCode}`);
    }
    await runner.remove();
    place.log(`removed the ${runner.name}, ${stateNames[state]}`);
  }
}

async function followToTheEnd(run: RemoteRun, runner: Runner): Promise<number> {
  const { interruptions, place } = run;
  const interrupt = () => {
    place.log("Ctrl-C: the run finishes what it has begun; once more leaves it alone");
    runner.interrupt().catch((error: unknown) => {
      place.log(
        `Ctrl-C did not arrive (${error instanceof CutoverError ? error.code : "unknown"}); try \`--stop\``,
      );
    });
  };
  if (interruptions.first.aborted) interrupt();
  interruptions.first.addEventListener("abort", interrupt, { once: true });
  let isOver = false;
  try {
    const { output, end } = await follow(runner, {
      print: run.print,
      log: place.log,
      rest: (signal) => place.client.rest(signal),
      detach: interruptions.second,
      lostContactMs: run.lostContactMs,
    });
    isOver = end === "over";
    return isOver ? await conclude(run, runner, output) : detachedExitCode;
  } finally {
    interruptions.first.removeEventListener("abort", interrupt);
    // What may go on is never removed because nobody could watch it.
    if (isOver) await runner.remove();
    else place.log(`the ${runner.name} is left alone; --attach follows it again, --stop ends it`);
  }
}

async function conclude(run: RemoteRun, runner: Runner, output: Followed["output"]): Promise<number> {
  const { ending, report } = output;
  if (ending === undefined) throw resultUnknown(runner);
  const { phase, exitCode } = ending;
  if (phase === "prepare" || phase === "network") throw preparationFailed(runner, phase);
  run.place.log(`the command inside ended with exit code ${exitCode}`);
  if (report !== undefined) await run.saveReport(report);
  if (phase === "orphan") throw orphanEnded(runner);
  return exitCode;
}

async function only(run: RemoteRun, fits: (state: Leftover["state"]) => boolean): Promise<Leftover> {
  const [found, ...others] = (await run.find()).filter(({ state }) => fits(state));
  if (found !== undefined && others.length === 0) return found;
  throw found === undefined ? noRun() : severalRuns([found, ...others]);
}

const stateNames: Readonly<Record<Leftover["state"], string>> = {
  preparing: "which was never started",
  running: "which was running",
  over: "whose run is over",
};

function noRun(): CutoverError {
  return new CutoverError({
    code: "REMOTE_RUN_NOT_FOUND",
    message: "There is no run of this stack inside Railway that could be followed.",
    remedy: "`npm run cutover:remote -- --run status` says how far the cutover is.",
  });
}

function severalRuns(found: readonly Leftover[]): CutoverError {
  return new CutoverError({
    code: "REMOTE_RUN_AMBIGUOUS",
    message: `There are several runs of this stack inside Railway: ${found.map(({ runner }) => runner.name).join(", ")}.`,
    remedy: "Destroy all but one in Railway's dashboard, then run the same command again.",
  });
}

function preparationFailed({ name }: Runner, phase: "prepare" | "network"): CutoverError {
  return new CutoverError({
    code: "REMOTE_PREPARATION_FAILED",
    message:
      phase === "network"
        ? `The ${name} does not see the databases in the private network. The command was not started; nothing was begun on the databases.`
        : `The ${name} could not be prepared, or was asked to stop before its command began; its last lines above say at what. Nothing was begun on the databases.`,
    remedy:
      phase === "network"
        ? "Look whether the environment's private network is on and the two database services are deployed, then run the same command again."
        : "Mend what the lines name (most often a download), then run the same command again.",
  });
}

function orphanEnded({ name }: Runner): CutoverError {
  return new CutoverError({
    code: "REMOTE_ORPHAN_ENDED",
    message: `The command in the ${name} had ended, and what it left at work did not end in its time: it was killed. docs/remote.md says what that leaves.`,
    remedy:
      "`npm run cutover:remote -- --run status` says how far the cutover is; then run the same command again.",
  });
}

function resultUnknown({ name }: Runner): CutoverError {
  return new CutoverError({
    code: "REMOTE_RESULT_UNKNOWN",
    message: `What ran in the ${name} ended without saying how: it was killed. docs/remote.md says what that leaves.`,
    remedy:
      "`npm run cutover:remote -- --run status` says how far the cutover is; then run the same command again.",
  });
}
