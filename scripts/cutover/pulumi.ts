import { type SpawnOptions, spawn } from "node:child_process";
import { CutoverError } from "../../components/errors.ts";

/**
 * Runs `pulumi` with this process's terminal, and gives its exit code. A Ctrl-C reaches it by itself, because it belongs to the
 * same process group: the first lets the operation end, a second one kills, so it must not be passed on again. Without a
 * terminal a signal reaches this process alone, and is passed on.
 *
 * @throws CutoverError `PULUMI_MISSING`
 */
export async function runPulumi(
  args: readonly string[],
  stdio: SpawnOptions["stdio"] = "inherit",
): Promise<number> {
  const child = spawn("pulumi", args, { stdio });
  const passOn = (signal: NodeJS.Signals) => {
    // Pulumi lets the operation in flight end for SIGINT; a SIGTERM would leave the provider without its engine.
    if (signal === "SIGTERM" || !process.stdin.isTTY) child.kill("SIGINT");
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

function missing(cause: unknown): CutoverError {
  return new CutoverError({
    code: "PULUMI_MISSING",
    message: "The Pulumi CLI could not be started: there is no `pulumi` on PATH. Nothing was changed.",
    remedy: "Install it (https://www.pulumi.com/docs/install/), then run again.",
    cause,
  });
}
