import { spawn } from "node:child_process";
import { once } from "node:events";
import { delimiter, join, resolve } from "node:path";

const repository = resolve(import.meta.dirname, "../../..");

export interface ChildResult {
  readonly exitCode: number;
  readonly output: string;
  readonly standardOutput: string;
}

/** Runs a process to its end, handing on what it prints as it comes. The project's own Node is first on its PATH. */
export async function runChild(
  command: string,
  parameters: readonly string[],
  options: {
    readonly workingDirectory: string;
    readonly environment: Record<string, string>;
    readonly onOutput?: ((chunk: string) => void) | undefined;
  },
): Promise<ChildResult> {
  const child = spawn(command, parameters, {
    cwd: options.workingDirectory,
    env: {
      ...process.env,
      PATH: [join(repository, "node_modules", ".bin"), process.env.PATH].join(delimiter),
      // Loading Pulumi's SDK is most of what a small operation costs.
      NODE_COMPILE_CACHE: join(repository, "node_modules", ".cache", "node-compile"),
      ...options.environment,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const collected = { output: "", standardOutput: "" };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8");
    stream.on("data", (chunk: string) => {
      collected.output += chunk;
      if (stream === child.stdout) collected.standardOutput += chunk;
      options.onOutput?.(chunk);
    });
  }
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  if (code === null) throw new Error(`${command} was ended by ${signal}:\n${collected.output}`);
  return { exitCode: code, ...collected };
}
