import { describeError } from "../components/errors.ts";
import { runCutover } from "../components/migration/cutover.ts";
import { withConnection } from "../components/postgres/connection.ts";
import { listTables } from "../components/postgres/relations.ts";
import { createRailway } from "../components/railway/railway.ts";
import { createRailwayToken } from "../components/railway/token.ts";
import { migrationInputs, parseSettings } from "../components/settings.ts";
import { quickPace } from "../test/world/railway/pace.ts";
import { startWorld, type World } from "../test/world/world.ts";
import { type PauseRun, pausedPhases } from "./pause.ts";
import { serverSettings } from "./servers.ts";
import { StepClock } from "./step-clock.ts";

/**
 * One whole cutover of the local world, as the rehearsal plays it, with services that keep writing. Its arguments are the
 * number of streams and of the world's rows; it prints how long writes were paused, and by which steps.
 */
const world = await startWorld({
  pace: quickPace,
  rows: Number(process.argv[3]),
  settings: { ...serverSettings },
});
try {
  process.stdout.write(`${JSON.stringify(await cutOver(world, Number(process.argv[2])))}\n`);
} catch (error) {
  process.stderr.write(`${describeError(error)}\n`);
  process.exitCode = 1;
} finally {
  await world.stop();
}

async function cutOver({ config, environment, source }: World, workers: number): Promise<PauseRun> {
  // The local world's limits are short: nobody wants to wait in a test.
  const { healthyForMs: _short, ...limits } = config.limits as Record<string, unknown>;
  const settings = parseSettings({
    ...{ phase: "cutover", legacyPostgres: "keep", source: "Postgres", target: "pgvector" },
    ...{ createTarget: false, accept: [], copy: { workers }, hooks: {}, removal: {} },
    ...{ ...config, limits },
  });
  const railway = createRailway({
    token: createRailwayToken("project", environment.RAILWAY_TOKEN ?? ""),
    endpoint: environment.RAILWAY_API_URL,
    pollIntervalMs: 50,
  });
  const reporter = new StepClock();
  const inputs = migrationInputs(settings);
  const tables = await withConnection(source.connection(), { purpose: "bench" }, (client) =>
    listTables(client, inputs.schemas),
  );
  const run = { railway, inputs, reporter };
  await runCutover({ ...run, isEngineAlive: async () => true });
  return {
    dataBytes: tables.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    phasesMs: pausedPhases(reporter.finish()),
  };
}
