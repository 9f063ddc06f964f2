import { describeError } from "../errors.ts";
import type { EnvironmentScope } from "../railway/environment.ts";
import type { RunnerClient } from "../railway/runners.ts";
import type { Beginner } from "./beside.ts";

/** What runs inside Railway, and what it may know. */
export interface RunnerJob {
  /** Tells this project's runners for one stack from everything else: {@link runnerMark}. */
  readonly mark: string;
  /** Bash, of {@link runnerScript}; it expects the project's archive where the runner puts it. */
  readonly script: string;
  /** The project's files, as a gzipped tar. */
  readonly archive: Buffer;
  /** In the environment of everything inside: the secrets, among others. */
  readonly variables: Readonly<Record<string, string>>;
}

export interface RunnerPlace {
  readonly client: RunnerClient;
  /** Deletes a service: a project token may be able to make one and not to delete it. */
  readonly remover: Pick<RunnerClient, "deleteService">;
  readonly scope: EnvironmentScope;
  readonly log: (line: string) => void;
}

export interface StartOptions {
  /** Ends it, by throwing its reason, as long as the job was not started. */
  readonly signal: AbortSignal;
  /** Called when everything is there but the start of the job; what it throws prevents that. */
  readonly beforeStart: (own: Beginner) => Promise<void>;
}

/** What was read of a runner's output. */
export interface Reading {
  readonly text: string;
  /** `false`: the job is over, and everything it wrote was read. */
  readonly running: boolean;
  /** There is more to read already. */
  readonly more: boolean;
}

/** A job inside Railway, under way or over: made by this process, or found. */
export interface Runner {
  /** `sandbox 7d2…` or `service …`, for messages. */
  readonly name: string;
  /**
   * Reads what was written since the last reading.
   *
   * @throws CutoverError `SANDBOX_GONE` or the like when it is no more; those of the transport, which say nothing about it
   */
  read(): Promise<Reading>;
  /** Keeps Railway from ending it for idleness. */
  keepAlive(): Promise<void>;
  /** Passes on Ctrl-C: what was begun is finished, nothing else is begun. Returns at once. */
  interrupt(): Promise<void>;
  /** Ends it, whatever it does, and removes all of it with its secrets. May be repeated. */
  remove(): Promise<void>;
}

/** A runner that an earlier command left. */
export interface Leftover {
  readonly runner: Runner;
  /** `preparing`: its job was never started, and whoever makes it may still be at it. */
  readonly state: "preparing" | "running" | "over";
  readonly since: Date;
}

/** Removes what was made in vain; that this fails as well must not hide why. */
export async function removeInVain(runner: Runner, { log }: Pick<RunnerPlace, "log">): Promise<void> {
  await runner.remove().catch((error: unknown) => log(`the ${runner.name} is left: ${describeError(error)}`));
}

/** The value that marks a runner of this project for one stack; no secret. */
export function runnerMark(stack: string): string {
  return `railway-pgvector-cutover/${stack}`;
}
