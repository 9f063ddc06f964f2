import { rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";

/**
 * A process beside each server that outlives the one which started it, even a `kill -9`: when its standard input
 * closes, it ends the server and deletes the folder given as its argument, if any. Each line it reads is the process id of the
 * running server, or 0 while there is none.
 */
const [folder] = process.argv.slice(2);

let server = 0;
for await (const line of createInterface({ input: process.stdin })) server = Number(line);
await endProcess(server);
if (folder !== undefined) await rm(folder, { recursive: true, force: true, maxRetries: 5 });

async function endProcess(pid: number): Promise<void> {
  if (pid === 0) return;
  for (let signal: NodeJS.Signals | 0 = "SIGQUIT"; trySignal(pid, signal); signal = 0) await setTimeout(50);
}

function trySignal(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
