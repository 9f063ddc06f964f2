import { runAbort, runCutover } from "../../components/migration/cutover.ts";
import { migrationInputsSchema } from "../../components/migration/inputs.ts";
import { createRailway } from "../../components/railway/railway.ts";
import { createRailwayToken } from "../../components/railway/token.ts";

/**
 * One run in a process of its own, so that a test can kill it: reads its inputs from CUTOVER_INPUTS and prints one line
 * for each step and detail. Exits with 0 or, with the error's code as its last line, 1.
 */
const railway = createRailway({
  token: createRailwayToken("project", process.env.RAILWAY_TOKEN ?? ""),
  endpoint: process.env.RAILWAY_API_URL,
  pollIntervalMs: 50,
});
const run = {
  railway,
  inputs: migrationInputsSchema.parse(JSON.parse(process.env.CUTOVER_INPUTS ?? "")),
  reporter: {
    step: (text: string) => console.log(`step ${text}`),
    detail: (text: string) => console.log(`detail ${text}`),
  },
  isEngineAlive: async () => true,
};
try {
  if (process.argv[2] === "abort") console.log(await runAbort(run, "aborted by the operator"));
  else await runCutover(run);
  process.exit(0);
} catch (error) {
  console.log(`failed ${error instanceof Error && "code" in error ? error.code : String(error)}`);
  process.exit(1);
}
