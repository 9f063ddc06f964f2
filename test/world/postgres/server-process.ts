import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Command, Log } from "./installation.ts";

/** A running server's main process. */
export interface ServerProcess {
  isRunning(): boolean;
  /** Resolves when it has ended; at once when it already has. */
  stop(mode: "fast" | "immediate"): Promise<void>;
}

/** Starts a server and resolves when it accepts connections. Rejects with the end of its log when it ends before. */
export async function startProcess(
  command: Command,
  { log, onSpawn }: { log: Log; onSpawn: (pid: number) => void },
): Promise<ServerProcess> {
  const child = spawn(command.file, command.args, {
    ...command.options,
    cwd: "/",
    // A session of its own: Ctrl-C in the terminal must not stop it under a program that is cleaning up.
    detached: true,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  await once(child, "spawn");
  onSpawn(child.pid as number);
  await untilReady(child, log);
  // From here on an idle server does not keep this process alive.
  child.unref();
  (child.stderr as unknown as { unref(): void }).unref();
  return {
    isRunning: () => child.exitCode === null && child.signalCode === null,
    stop: async (mode) => {
      child.ref();
      child.kill(mode === "fast" ? "SIGINT" : "SIGQUIT");
      await exited;
    },
  };
}

function untilReady(child: ChildProcess, log: Log): Promise<void> {
  const recent: string[] = [];
  return new Promise((resolve, reject) => {
    if (child.stderr === null) throw new TypeError("the server's log is not a pipe");
    createInterface({ input: child.stderr }).on("line", (line) => {
      log(line);
      recent.push(line);
      if (recent.length > 20) recent.shift();
      if (/database system is ready to accept (?:read-only )?connections/.test(line)) resolve();
    });
    child.once("close", () =>
      reject(new Error(`The PostgreSQL server did not start:\n${recent.join("\n")}`)),
    );
  });
}
