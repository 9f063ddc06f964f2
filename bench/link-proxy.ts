import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import type { ConnectionTarget } from "../components/postgres/connection.ts";

/** The same two databases at the other end of a slow line. */
export interface SlowLink {
  behind(
    source: ConnectionTarget,
    target: ConnectionTarget,
  ): { source: ConnectionTarget; target: ConnectionTarget };
  stop(): Promise<void>;
}

/** Starts the line in a process of its own; it ends with this one at the latest. */
export async function startSlowLink(ports: { source: number; target: number }): Promise<SlowLink> {
  const program = fileURLToPath(new URL("link-process.ts", import.meta.url));
  const child = spawn(
    process.execPath,
    ["--no-warnings", program, String(ports.source), String(ports.target)],
    {
      // A session of its own: Ctrl-C ends the tools first.
      detached: true,
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  const exited = once(child, "exit");
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  const [source, target] = z.tuple([z.int(), z.int()]).parse(JSON.parse(line));
  return {
    behind: (from, to) => ({ source: { ...from, port: source }, target: { ...to, port: target } }),
    stop: async () => {
      child.stdin.end();
      await exited;
    },
  };
}
