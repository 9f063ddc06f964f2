import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { z } from "zod";

/**
 * Runs the whole suite and closes with one line that counts, such as `12 passed, 0 failed, 1 skipped`. Arguments are
 * vitest's own: `npm test -- test/railway`.
 */
const reportSchema = z.object({
  numPassedTests: z.int(),
  numFailedTests: z.int(),
  numPendingTests: z.int(),
  numTodoTests: z.int(),
});

const folder = await mkdtemp(path.join(tmpdir(), "cutover-test-"));
const outputFile = path.join(folder, "report.json");
try {
  const exitCode = await run([
    "run",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${outputFile}`,
    ...process.argv.slice(2),
  ]);
  const report = reportSchema.parse(JSON.parse(await readFile(outputFile, "utf8")));
  const { numPassedTests: passed, numFailedTests: failed } = report;
  const skipped = report.numPendingTests + report.numTodoTests;
  process.exitCode = exitCode;
  // A file that does not load fails the run without a failed test; the count must not look clean.
  const counted = exitCode !== 0 && failed === 0 ? 1 : failed;
  console.log(`${passed} passed, ${counted} failed, ${skipped} skipped`);
} finally {
  await rm(folder, { recursive: true, force: true });
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
