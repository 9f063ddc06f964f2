import { CutoverError } from "../errors.ts";
import { isLostContact } from "../railway/sandboxes.ts";
import { RunnerOutput } from "./output.ts";
import type { Runner } from "./runner.ts";

/** As Railway's own CLI does it. */
const keepAliveIntervalMs = 60_000;

export interface FollowOptions {
  readonly print: (text: string) => void;
  readonly log: (line: string) => void;
  /** Waits between two looks; ends early with the signal. */
  readonly rest: (signal: AbortSignal) => Promise<void>;
  /** Ends the following, and leaves the run alone. */
  readonly detach: AbortSignal;
  /** How long Railway may give no answer before the run is left alone. */
  readonly lostContactMs: number;
}

export interface Followed {
  readonly output: RunnerOutput;
  /** `over`: the job ended. `detached`: it goes on without us. */
  readonly end: "over" | "detached";
}

/**
 * Shows what a runner writes until it ends. An outage of Railway's API does not end it: the run inside needs nobody.
 *
 * @throws CutoverError `REMOTE_CONTACT_LOST`, `SANDBOX_GONE`, and what else is certain to go on
 */
export async function follow(runner: Runner, options: FollowOptions): Promise<Followed> {
  const output = new RunnerOutput();
  let lastContact = performance.now();
  let lastKept = Number.NEGATIVE_INFINITY;
  let lost = false;
  while (!options.detach.aborted) {
    try {
      if (performance.now() - lastKept >= keepAliveIntervalMs) {
        lastKept = performance.now();
        await runner.keepAlive();
      }
      const { text, running, more } = await runner.read();
      if (lost) options.log("Railway answers again");
      lost = false;
      lastContact = performance.now();
      const shown = output.accept(text);
      if (shown !== "") options.print(shown);
      if (!running || output.ending !== undefined) return { output, end: "over" };
      if (more) continue;
    } catch (error) {
      if (!isLostContact(error)) throw error;
      if (!lost) options.log(`Railway does not answer; the run in the ${runner.name} goes on`);
      lost = true;
      if (performance.now() - lastContact > options.lostContactMs) throw contactLost(runner, error);
    }
    await options.rest(options.detach);
  }
  return { output, end: "detached" };
}

function contactLost(runner: Runner, cause: unknown): CutoverError {
  return new CutoverError({
    code: "REMOTE_CONTACT_LOST",
    message: `Railway's API has not answered for too long. The run in the ${runner.name} goes on without being watched.`,
    remedy: "Run the same command with `--attach` as soon as Railway's API answers (status.railway.com).",
    cause,
  });
}
