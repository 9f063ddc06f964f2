import { rotatePassword, undoRotation } from "../../../components/migration/rotation/rotate.ts";
import { createRailway } from "../../../components/railway/railway.ts";
import { createRailwayToken } from "../../../components/railway/token.ts";

/** One run in a process of its own, so that a test can kill it: prints one line for each step and detail. */
const { direction, inputs, endpoint, token, timing } = JSON.parse(process.env.ROTATION ?? "");
const railway = createRailway({
  token: createRailwayToken("account", token),
  endpoint,
  pollIntervalMs: 50,
  settleTimeoutMs: 3_000,
});
const report = (text: string) => console.log(text);
const run = { railway, inputs, reporter: { step: report, detail: report }, timing };
console.log(direction === "back" ? await undoRotation(run) : await rotatePassword(run, { again: true }));
process.exit(0);
