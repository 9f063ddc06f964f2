import { hasCode } from "../errors.ts";
import { type Beginner, refuseBeside } from "./beside.ts";
import type { Leftover, Runner, RunnerJob, RunnerPlace } from "./runner.ts";
import {
  createRunnerSandbox,
  findSandboxRunners,
  refusals,
  startInSandbox,
  unpackInSandbox,
} from "./sandbox-runner.ts";
import { runnerScript, type ScriptOptions } from "./script.ts";
import { findServiceRunners, startServiceRunner, unpackInService } from "./service-runner.ts";
import { neededTools, type ToolVersions } from "./tools.ts";

/** Where a run takes place: a sandbox, or a service where sandboxes are refused. */
export const runnerKinds = ["auto", "sandbox", "service"] as const;

export interface LaunchOptions
  extends Pick<ScriptOptions, "privateHosts" | "command" | "report" | "orphanLimitSeconds">,
    Omit<RunnerJob, "script"> {
  readonly kind: (typeof runnerKinds)[number];
  readonly versions: ToolVersions;
  readonly region?: string | undefined;
  readonly now: Date;
  readonly signal: AbortSignal;
}

/**
 * Starts the job in a sandbox, or, where Railway refuses to make one, in a service that runs once.
 *
 * @throws CutoverError `REMOTE_RUN_EXISTS` when another command came first, those of `createRunnerSandbox`, `startInSandbox` and
 *   `startServiceRunner`
 */
export async function launch(place: RunnerPlace, options: LaunchOptions): Promise<Runner> {
  const { kind, region, signal, now, versions, mark } = options;
  const beforeStart = async (own: Beginner) => refuseBeside(own, await findRunners(place, mark));
  if (kind !== "service") {
    const job = jobOf(options, unpackInSandbox);
    // Only where none could be made: one that was may have begun the job.
    const sandbox = await createRunnerSandbox(place, job, { region, signal }).catch((error: unknown) => {
      if (kind === "sandbox" || !hasCode(error, "RAILWAY_MUTATION_UNCERTAIN", ...refusals)) throw error;
      place.log(
        `Railway makes no sandbox (${error.code}); a temporary service of this environment runs it instead`,
      );
    });
    if (sandbox !== undefined) return startInSandbox(place, job, sandbox, { signal, beforeStart });
  }
  const image = `node:${versions.node}-bookworm`;
  const job = jobOf(options, unpackInService);
  return startServiceRunner(place, job, { image, now, signal, beforeStart });
}

/** Every runner of this project and stack, whatever kind it is of. */
export async function findRunners(place: RunnerPlace, mark: string): Promise<Leftover[]> {
  const found = await Promise.all([findSandboxRunners(place, mark), findServiceRunners(place, mark)]);
  return found.flat();
}

function jobOf(options: LaunchOptions, unpack: string): RunnerJob {
  const { mark, archive, variables, versions } = options;
  const script = runnerScript({ ...options, tools: neededTools(versions), unpack });
  return { mark, archive, variables, script };
}
