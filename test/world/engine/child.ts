import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { delimiter, join, resolve } from "node:path";

const repository = resolve(import.meta.dirname, "../../..");

export interface ChildResult {
  /** For a process that a signal ended, 128 and the signal's number, as a shell tells it. */
  readonly exitCode: number;
  readonly output: string;
  readonly standardOutput: string;
}

export interface ChildOptions {
  readonly workingDirectory: string;
  readonly environment: Record<string, string>;
  readonly onOutput?: ((chunk: string) => void) | undefined;
}

/** A process under way that leads a process group of its own, as a command typed into a terminal does. */
export interface RunningChild {
  readonly pid: number;
  /** Ctrl-C in a terminal is SIGINT to the whole group in the foreground. */
  signalGroup(signal: NodeJS.Signals): void;
  /** Waits until it has printed the text; rejects when it ends without. */
  printed(text: string): Promise<void>;
  readonly ended: Promise<ChildResult>;
}

/** Runs a process to its end, handing on what it prints as it comes. The project's own Node is first on its PATH. */
export async function runChild(
  command: string,
  parameters: readonly string[],
  options: ChildOptions,
): Promise<ChildResult> {
  const result = await collect(start(command, parameters, options), options.onOutput);
  if (result.exitCode > 128) throw new Error(`${command} was ended by a signal:\n${result.output}`);
  return result;
}

/** The same, without waiting for the end. */
export function startChild(
  command: string,
  parameters: readonly string[],
  options: ChildOptions,
): RunningChild {
  const child = start(command, parameters, options, { leadsGroup: true });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${command} could not be started`);
  let output = "";
  let hasEnded = false;
  const waiting = new Set<() => void>();
  const notify = () => {
    for (const look of waiting) look();
  };
  const ended = collect(child, (chunk) => {
    output += chunk;
    options.onOutput?.(chunk);
    notify();
  }).finally(() => {
    hasEnded = true;
    notify();
  });
  return {
    pid,
    signalGroup: (signal) => process.kill(-pid, signal),
    printed: (text) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!output.includes(text) && !hasEnded) return;
          waiting.delete(look);
          if (output.includes(text)) resolve();
          else reject(new Error(`${command} ended without printing "${text}":\n${output}`));
        };
        waiting.add(look);
        look();
      }),
    ended,
  };
}

function start(
  command: string,
  parameters: readonly string[],
  { workingDirectory, environment }: ChildOptions,
  { leadsGroup = false } = {},
): ChildProcess {
  return spawn(command, parameters, {
    cwd: workingDirectory,
    env: {
      ...process.env,
      PATH: [join(repository, "node_modules", ".bin"), process.env.PATH].join(delimiter),
      ...environment,
    },
    stdio: ["ignore", "pipe", "pipe"],
    detached: leadsGroup,
  });
}

async function collect(
  child: ChildProcess,
  onOutput: ((chunk: string) => void) | undefined,
): Promise<ChildResult> {
  const collected = { output: "", standardOutput: "" };
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8");
    stream?.on("data", (chunk: string) => {
      collected.output += chunk;
      if (stream === child.stdout) collected.standardOutput += chunk;
      onOutput?.(chunk);
    });
  }
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  return { exitCode: code ?? 128 + (signal === null ? 0 : constants.signals[signal]), ...collected };
}
