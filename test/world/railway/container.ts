import { type ChildProcess, spawn } from "node:child_process";

/** One running process of a service, as the platform sees it: an address and an end. */
export interface Container {
  /** `http://127.0.0.1:<port>`, without a path. */
  readonly url: string;
  /** Settles when the process is gone: its exit code, or `null` when a signal ended it. */
  readonly exited: Promise<number | null>;
  /** SIGTERM, then SIGKILL after the grace period. Resolves when the process is gone. */
  terminate(graceMs: number): Promise<void>;
}

/**
 * Starts a program and waits until it says that it listens: it sends `{ listening: port }` over the IPC channel, since
 * a port that the platform chose could be taken by then (`PORT` is 0). The end of the channel tells it that the platform
 * is gone. Rejects, with the last that it wrote to stderr, when the process ends first.
 */
export async function startContainer(
  [program, ...parameters]: readonly [string, ...string[]],
  environment: Readonly<Record<string, string>>,
): Promise<Container> {
  const child = spawn(program, parameters, {
    // No inheritance: an app sees its deployment's variables and nothing of the machine it runs on.
    env: {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      ...environment,
      PORT: "0",
    },
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  let lastWords = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    lastWords = (lastWords + text).slice(-2_000);
  });
  const exited = new Promise<number | null>((resolve) => {
    child.once("exit", (code) => resolve(code));
    child.once("error", () => resolve(null));
  });
  const port = await Promise.race([listeningPort(child), exited.then(() => undefined)]);
  if (port === undefined) throw new Error(`the process ended before it listened: ${lastWords}`);
  return {
    url: `http://127.0.0.1:${port}`,
    exited,
    async terminate(graceMs) {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
      await exited;
      clearTimeout(timer);
    },
  };
}

/** Asks for a 200 within two seconds. */
export async function isHealthy(url: string): Promise<boolean> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    await answer.body?.cancel();
    return answer.status === 200;
  } catch {
    return false;
  }
}

function listeningPort(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.on("message", (message) => {
      if (typeof message === "object" && message !== null && "listening" in message)
        resolve(Number(message.listening));
    });
  });
}
