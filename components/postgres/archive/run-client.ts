import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { ReachedTarget } from "../connection.ts";
import { clientEnvironment } from "../dump/client-environment.ts";

export interface ClientRunOptions {
  readonly database: ReachedTarget;
  /** Shown in `pg_stat_activity.application_name`, after the project's prefix. */
  readonly purpose: string;
  readonly readOnly: boolean;
  /** Ends the program at once. */
  readonly signal: AbortSignal;
}

export interface ClientRun {
  readonly child: ChildProcessWithoutNullStreams;
  /**
   * `errors`: the last lines it wrote to its standard error. They can quote values, so they are never shown. Rejects with the
   * signal's reason, or where the program could not be started.
   */
  readonly ended: Promise<{ readonly status: number | null; readonly errors: readonly string[] }>;
  kill(): void;
}

/** Starts one of PostgreSQL's programs. The password is in the child's environment only; it inherits nothing else. */
export function runClient(program: string, args: readonly string[], options: ClientRunOptions): ClientRun {
  const { database, signal } = options;
  signal.throwIfAborted();
  const child = spawn(program, args, {
    env: clientEnvironment(database, options),
    stdio: "pipe",
    signal,
    killSignal: "SIGKILL",
  });
  const errors: string[] = [];
  createInterface({ input: child.stderr }).on("line", (line) => {
    errors.push(line);
    if (errors.length > lastLines) errors.shift();
  });
  const ended = new Promise<{ status: number | null; errors: readonly string[] }>((resolve, reject) => {
    child.once("error", (error) => reject(signal.aborted ? signal.reason : error));
    child.once("close", (status) => (signal.aborted ? reject(signal.reason) : resolve({ status, errors })));
  });
  // Whoever reads the child's output may fail first, and nobody asks for this any more.
  ended.catch(() => {});
  child.stdin.on("error", () => {});
  return { child, ended, kill: () => void child.kill("SIGKILL") };
}

const lastLines = 20;
