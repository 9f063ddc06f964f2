import { spawn } from "node:child_process";
import { CutoverError } from "../../components/errors.ts";
import { createInterrupter } from "../../components/remote/interruptions.ts";

/**
 * Runs `pulumi` and gives its exit code. It leads a session of its own, so that a signal reaches it through this process alone: the
 * first SIGINT or SIGTERM lets the operation in flight end, and a second SIGINT, taken only from a terminal, breaks it off
 * (pulumi/pkg, backend/cancellation_scope.go). One Ctrl-C arrives twice, because npm passes on what this process has got already
 * (@npmcli/run-script, signal-manager.js).
 *
 * A terminal that goes away (SIGHUP) is told to nobody: the run goes to its end as under nohup. To ask it to finish what it has
 * begun would be no safer, since that is the whole cutover, and after a Ctrl-C it would be the second request, which breaks it off in
 * the middle of the write pause.
 *
 * @throws CutoverError `PULUMI_MISSING`
 */
export async function runPulumi(args: readonly string[]): Promise<number> {
  const [output, errors] = [process.stdout, process.stderr].map((stream) =>
    stream.isTTY ? "inherit" : "pipe",
  );
  const child = spawn("pulumi", args, { stdio: ["inherit", output, errors], detached: true });
  // A pipe that nobody reads any more would kill Pulumi by SIGPIPE, and fails here only.
  child.stdout?.on("data", (chunk) => process.stdout.write(chunk));
  child.stderr?.on("data", (chunk) => process.stderr.write(chunk));

  const requests = createInterrupter(() => performance.now());
  const passOn = () => child.kill("SIGINT");
  requests.first.addEventListener("abort", passOn);
  if (process.stdin.isTTY) requests.second.addEventListener("abort", passOn);
  const interrupt = () => requests.interrupt();
  const terminate = () => {
    if (!requests.first.aborted) requests.interrupt();
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", terminate);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once("error", (cause) => reject(missing(cause)));
      child.once("close", (code) => resolve(code ?? 255));
    });
  } finally {
    process.off("SIGINT", interrupt);
    process.off("SIGTERM", terminate);
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
