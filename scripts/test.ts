import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { z } from "zod";

const help = `Runs the whole suite, or the files named, and closes with one line that counts: 12 passed, 0 failed, 1 skipped.

  npm test -- [test/railway] [vitest's own options]

Exit codes: 0 every test passed, 1 one failed, or wrong arguments.
`;

const reportSchema = z.object({
  numPassedTests: z.int(),
  numFailedTests: z.int(),
  numPendingTests: z.int(),
  numTodoTests: z.int(),
});

if (process.argv.includes("--help")) process.stdout.write(help);
else process.exitCode = await runSuite(process.argv.slice(2));

async function runSuite(args: readonly string[]): Promise<number> {
  const folder = await mkdtemp(path.join(tmpdir(), "cutover-test-"));
  const outputFile = path.join(folder, "report.json");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${outputFile}`];
  try {
    const exitCode = await run(["run", ...reporters, ...args]);
    const text = await readFile(outputFile, "utf8").catch(() => undefined);
    // It ended before it ran anything, and has said why.
    if (text === undefined) return exitCode === 0 ? 1 : exitCode;
    const report = reportSchema.parse(JSON.parse(text));
    const { numPassedTests: passed, numFailedTests: failed } = report;
    const skipped = report.numPendingTests + report.numTodoTests;
    // A file that does not load fails the run without a failed test; the count must not look clean.
    const counted = exitCode !== 0 && failed === 0 ? 1 : failed;
    console.log(`${passed} passed, ${counted} failed, ${skipped} skipped`);
    return exitCode;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function run(args: readonly string[]): Promise<number> {
  const vitest = path.join(import.meta.dirname, "../node_modules/vitest/vitest.mjs");
  const child = spawn(process.execPath, [vitest, ...args], { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}
