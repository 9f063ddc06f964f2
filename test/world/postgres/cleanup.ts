import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** Removes one server and its folder when this process ends, however it ends. */
export interface Cleanup {
  /** Tells which process to end; 0 while no server runs. */
  watch(pid: number): void;
  /** Ends the server, deletes its folder, and resolves when both are gone. */
  run(): Promise<void>;
}

/**
 * Makes sure that the server watched last goes, and `folder` if there is one, not later than this process (see
 * `janitor.ts`).
 */
export function arrangeCleanup(folder?: string): Cleanup {
  const script = fileURLToPath(new URL("janitor.ts", import.meta.url));
  const janitor = spawn(
    process.execPath,
    ["--no-warnings", script, ...(folder === undefined ? [] : [folder])],
    {
      // A session of its own: Ctrl-C in the terminal must not reach it before its work is due.
      detached: true,
      stdio: ["pipe", "ignore", "inherit"],
    },
  );
  const exited = once(janitor, "exit");
  const input = janitor.stdin;
  input.on("error", () => {});
  janitor.unref();
  (input as unknown as { unref(): void }).unref();
  return {
    watch: (pid) => void input.write(`${pid}\n`),
    run: async () => {
      janitor.ref();
      input.end();
      await exited;
    },
  };
}
