import { hasCode } from "../railway/transport.ts";
import type { Leftover, Runner, RunnerJob, RunnerPlace } from "./runner.ts";
import { findSandboxRunners, startSandboxRunner, unpackInSandbox } from "./sandbox-runner.ts";
import { runnerScript, type ScriptOptions } from "./script.ts";
import { findServiceRunners, startServiceRunner, unpackInService } from "./service-runner.ts";
import { neededTools, type ToolVersions } from "./tools.ts";

/** Where a run takes place: a sandbox, or a service where sandboxes are refused. */
export const runnerKinds = ["auto", "sandbox", "service"] as const;

export interface LaunchOptions
  extends Pick<ScriptOptions, "privateHosts" | "command" | "report">,
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
 * @throws CutoverError those of `startSandboxRunner` and `startServiceRunner`
 */
export async function launch(place: RunnerPlace, options: LaunchOptions): Promise<Runner> {
  const { kind, region, signal, now, versions } = options;
  if (kind !== "service") {
    try {
      return await startSandboxRunner(place, jobOf(options, unpackInSandbox), { region, signal });
    } catch (error) {
      if (kind === "sandbox" || !isRefusal(error)) throw error;
      place.log(
        `Railway makes no sandbox (${error.code}); a temporary service of this environment runs it instead`,
      );
    }
  }
  const image = `node:${versions.node}-bookworm`;
  return startServiceRunner(place, jobOf(options, unpackInService), { image, now, signal });
}

/** Every runner of this project and stack, whatever kind it is of. */
export async function findRunners(place: RunnerPlace, mark: string): Promise<Leftover[]> {
  const found = await Promise.all([
    // Where there are no sandboxes, asking for them may be refused as well.
    findSandboxRunners(place, mark).catch((error: unknown) => {
      if (isRefusal(error)) return [];
      throw error;
    }),
    findServiceRunners(place, mark),
  ]);
  return found.flat();
}

function jobOf(options: LaunchOptions, unpack: string): RunnerJob {
  const { mark, archive, variables, privateHosts, command, report, versions } = options;
  const script = runnerScript({ tools: neededTools(versions), unpack, privateHosts, command, report });
  return { mark, archive, variables, script };
}

/** The feature is off for the workspace, the token may not, or the plan has another limit: Railway has many words for it. */
function isRefusal(error: unknown): error is Error & { code: string } {
  return hasCode(
    error,
    "RAILWAY_NOT_AUTHORIZED",
    "RAILWAY_REQUEST_FAILED",
    "RAILWAY_MUTATION_UNCERTAIN",
    "RAILWAY_SCHEMA_CHANGED",
  );
}
