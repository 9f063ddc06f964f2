import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpus } from "node:os";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { treeMemory } from "./process-tree.ts";

/** What one run of a tool's client has cost. */
export interface Measurement {
  readonly wallMs: number;
  /** Of all processes of the client, as the kernel has accounted for them when the last one had ended. */
  readonly cpuMs: number;
  /** Of everything on the machine meanwhile: client, both servers, and whatever else is at work. */
  readonly machineCpuMs: number;
  /** The most that all of them had at once, looked at ten times a second; `null` where there is no `/proc`. */
  readonly peakBytes: number | null;
}

export interface ToolCommand {
  /** Bash: pipes fail when any of their programs does. */
  readonly script: string;
  readonly environment: Readonly<Record<string, string>>;
  /** What it reads. */
  readonly input?: string;
}

export type Outcome =
  | { readonly ok: true; readonly measurement: Measurement; readonly output: string }
  | { readonly ok: false; readonly reason: string };

/**
 * Runs a tool and measures it. The processor time comes from the shell's `times`, which counts every descendant that was
 * waited for (POSIX: times(2)), however short it lived.
 *
 * @throws whatever `signal` was aborted with; nothing of the tool is left running then
 */
export async function measure(command: ToolCommand, signal: AbortSignal): Promise<Outcome> {
  signal.throwIfAborted();
  // At the first shell level bash takes a socket as its input for a login from afar, and reads the user's settings.
  const child = spawn(
    "bash",
    ["-c", `set -o pipefail\n{ ${command.script}\n}\nstatus=$?\ntimes >&3\nexit $status`],
    {
      env: { PATH: process.env.PATH ?? "", LC_ALL: "C", SHLVL: "1", ...command.environment },
      stdio: ["pipe", "pipe", "pipe", "pipe"],
      // A process group of its own, so that all of it can be ended.
      detached: true,
    },
  );
  const end = () => endGroup(child.pid);
  signal.addEventListener("abort", end);
  try {
    const began = performance.now();
    const busyBefore = machineCpuMs();
    let wallMs = 0;
    let busyMs = 0;
    const exited = once(child, "exit").then(([code]) => {
      wallMs = performance.now() - began;
      busyMs = machineCpuMs() - busyBefore;
      return code as number | null;
    });
    child.stdin.on("error", () => {});
    child.stdin.end(command.input ?? "");
    const [status, output, messages, times, peakBytes] = await Promise.all([
      exited,
      text(child.stdout),
      text(child.stderr),
      text(child.stdio[3] as Readable),
      watchMemory(child.pid as number, exited),
    ]);
    signal.throwIfAborted();
    if (status !== 0) return { ok: false, reason: `exit code ${status}: ${endOf(messages)}` };
    return {
      ok: true,
      measurement: { wallMs, cpuMs: parseTimes(times), machineCpuMs: busyMs, peakBytes },
      output,
    };
  } finally {
    signal.removeEventListener("abort", end);
    end();
  }
}

/** Processor time of a shell and all that it waited for, from what its `times` printed. Pure. */
export function parseTimes(printed: string): number {
  const parts = [...printed.matchAll(/(\d+)m(\d+\.\d+)s/g)];
  return parts.reduce(
    (sum, [, minutes, seconds]) => sum + Number(minutes) * 60_000 + Number(seconds) * 1_000,
    0,
  );
}

/** Processor time of all cores since the machine was started. */
function machineCpuMs(): number {
  return cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0);
}

async function watchMemory(pid: number, exited: Promise<unknown>): Promise<number | null> {
  let running = true;
  let peak: number | null = null;
  const ended = exited.then(() => {
    running = false;
  });
  while (running) {
    const now = await treeMemory(pid);
    if (now !== undefined) peak = Math.max(peak ?? 0, now);
    await Promise.race([ended, delay(100)]);
  }
  return peak;
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Nothing of it is left.
  }
}

/** The end of what a failed tool printed: enough to see why. */
function endOf(messages: string): string {
  return messages.trim().split("\n").slice(-5).join(" | ").slice(-1_000);
}
