import { removeLegacy } from "../../../components/migration/retirement/remove.ts";
import { stopLegacy } from "../../../components/migration/retirement/stop.ts";
import { migrationRunOf } from "./world.ts";

/** Stops or removes the old database in a process of its own, which a test kills at a line of its report. */
const run = migrationRunOf(JSON.parse(process.env.RETIREMENT ?? "{}"), (line) => console.log(line));
await (run.inputs.lifecycle === "remove" ? removeLegacy(run) : stopLegacy(run));
