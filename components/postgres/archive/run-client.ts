import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { CutoverError } from "../../errors.ts";
import type { ConnectionTarget } from "../connection.ts";
import { clientEnvironment } from "../dump/client-environment.ts";

export interface ClientRunOptions {
  readonly database: ConnectionTarget;
  /** Shown in `pg_stat_activity.application_name`, after the project's prefix. */
  readonly purpose: string;
  readonly readOnly: boolean;
  /** Ends the program at once. */
  readonly signal: AbortSignal;
}

export interface ClientRun {
  readonly child: ChildProcessWithoutNullStreams;
  /** Rejects with the signal's reason, or where the program could not be started. */
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
    if (isOfInterest(line) && errors.length < mostErrors) errors.push(line);
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

/**
 * What stopped PostgreSQL's program, from its error lines: the objects at fault and nothing else. The server's own texts can
 * quote a value (22P02 does).
 */
export function archiveFailed(
  code: "ARCHIVE_NOT_MADE" | "ARCHIVE_NOT_RESTORED",
  what: string,
  errors: readonly string[],
): CutoverError {
  const objects = errors.flatMap((line) => entryPattern.exec(line)?.[1] ?? []);
  const where = objects.length === 0 ? "" : `; it stopped at: ${[...new Set(objects)].slice(0, 5).join(", ")}`;
  return new CutoverError({
    code,
    message: `${what}${where}. The old database still runs as it did.`,
    remedy: "docs/errors.md names what is known to stand in the way; the server's log tells the rest. Then run again.",
  });
}

const mostErrors = 50;

/** `pg_restore: from TOC entry 245; 1259 16386 TABLE public.users postgres`. */
const entryPattern = /^pg_restore: from TOC entry \d+; \d+ \d+ (.*) \S+$/;

function isOfInterest(line: string): boolean {
  return /^pg_(dump|restore): (error|from TOC entry|fatal)/.test(line);
}
