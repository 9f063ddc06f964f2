import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as wait } from "node:timers/promises";
import { findFreePort } from "../postgres/free-port.ts";

/*
 * Runs a service's start command as its container would: with a port of its own, and with the private network's names led to
 * the real servers. Says over the IPC channel when it answers HTTP, as every app process of this world does.
 */

const { START_COMMAND = "", WORLD_PRIVATE_NETWORK = "{}", ...environment } = process.env;
const port = await findFreePort();
const child = spawn("/bin/sh", ["-c", START_COMMAND], {
  env: { ...leadPrivateNames(environment), PORT: String(port) },
  stdio: ["ignore", "ignore", "inherit"],
  // So that all that the command started ends with it.
  detached: true,
});
child.once("exit", (code) => process.exit(code ?? 1));
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => end(child));
process.on("disconnect", () => end(child));

while (!(await answers())) await wait(50);
process.send?.({ listening: port });

async function answers(): Promise<boolean> {
  try {
    await (await fetch(`http://127.0.0.1:${port}/`)).body?.cancel();
    return true;
  } catch {
    return false;
  }
}

function leadPrivateNames(variables: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const network: Record<string, { host: string; port: number }> = JSON.parse(WORLD_PRIVATE_NETWORK);
  const led = Object.entries(variables).map(([name, value = ""]) => {
    const target = Object.entries(network).find(([address]) => value.includes(`@${address}/`));
    if (target === undefined) return [name, value];
    return [name, value.replace(`@${target[0]}/`, `@${target[1].host}:${target[1].port}/`)];
  });
  return Object.fromEntries(led);
}

function end({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}
