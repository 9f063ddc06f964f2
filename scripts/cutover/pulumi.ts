import { type SpawnOptions, spawn } from "node:child_process";
import { CutoverError } from "../../components/errors.ts";

/**
 * Runs `pulumi` with this process's terminal, and gives its exit code. However often the request to stop arrives, Pulumi gets it
 * once: the first, SIGINT or SIGTERM, lets the operation in flight end, a second one breaks off (pulumi/pkg,
 * backend/cancellation_scope.go). In a terminal it belongs to the same process group, so a Ctrl-C reaches it by itself, and so may a
 * SIGTERM, which nobody can tell from one to this process alone: neither is passed on. Without a terminal it leads a group of
 * its own, so that a signal to the whole group of this process misses it; and npm passes on to this process what this process has
 * got already (@npmcli/run-script, signal-manager.js).
 *
 * @throws CutoverError `PULUMI_MISSING`
 */
export async function runPulumi(
  args: readonly string[],
  stdio: SpawnOptions["stdio"] = "inherit",
): Promise<number> {
  const isInTerminal = Boolean(process.stdin.isTTY);
  const child = spawn("pulumi", args, { stdio, detached: !isInTerminal });
  let isToldToStop = false;
  const passOn = (signal: NodeJS.Signals) => {
    if (isInTerminal) {
      if (signal === "SIGTERM") console.error(notPassedOn);
    } else if (!isToldToStop) {
      child.kill("SIGINT");
    }
    isToldToStop = true;
  };
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const signal of signals) process.on(signal, passOn);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once("error", (cause) => reject(missing(cause)));
      child.once("close", (code) => resolve(code ?? 255));
    });
  } finally {
    for (const signal of signals) process.off(signal, passOn);
  }
}

const notPassedOn =
  "SIGTERM is not passed on in a terminal. Where Pulumi does not say that it has got it too, Ctrl-C lets it finish what it has begun.";

function missing(cause: unknown): CutoverError {
  return new CutoverError({
    code: "PULUMI_MISSING",
    message: "The Pulumi CLI could not be started: there is no `pulumi` on PATH. Nothing was changed.",
    remedy: "Install it (https://www.pulumi.com/docs/install/), then run again.",
    cause,
  });
}
