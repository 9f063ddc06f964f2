import { readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pulumiVersion } from "../world/engine/engine.ts";
import { machineObstacle } from "../world/machine/machine.ts";
import { sentinelMarker } from "../world/postgres/source-fixture.ts";
import { healthcareServiceNames } from "../world/railway/healthcare-world.ts";
import { quickPace } from "../world/railway/pace.ts";
import { eventually } from "../world/railway/test-world.ts";
import { type StateBucket, startStateBucket } from "../world/s3/state-bucket.ts";
import { startWorld, type World } from "../world/world.ts";
import { createRemoteProject, type RemoteProject } from "./remote-project.ts";

const obstacle =
  machineObstacle() ?? (pulumiVersion() === undefined ? "there is no `pulumi` on PATH" : undefined);
if (obstacle !== undefined)
  console.warn(`NOTICE: no cutover runs inside a simulated Railway here: ${obstacle}`);

const passphrase = "a passphrase that nobody else has";

/** The whole cutover from a process that reaches the databases' private addresses and nothing else of them. */
describe.skipIf(obstacle !== undefined)("the cutover inside Railway", () => {
  let world: World;
  let bucket: StateBucket;
  let project: RemoteProject;
  let printed = "";

  const run = async (...parameters: string[]) => {
    const result = await project.cutoverRemote(...parameters);
    printed += result.output;
    return result;
  };
  const config = () => ({
    ...world.config,
    phase: "cutover",
    transport: { source: { via: "private" }, target: { via: "private" } },
  });
  const sandboxes = () => world.railway.inspect().sandboxes.map(({ status }) => status);

  beforeAll(async () => {
    [world, bucket] = await Promise.all([startWorld({ pace: quickPace, rows: 5_000 }), startStateBucket()]);
    world.railway.openToMachines(bucket.port);
    project = await createRemoteProject(config(), {
      ...world.environment,
      ...bucket.environment,
      PULUMI_CONFIG_PASSPHRASE: passphrase,
    });
  });

  afterAll(async () => {
    await project?.remove();
    await bucket?.stop();
    await world?.stop();
  });

  test("from outside, the private names do not exist", async () => {
    const preview = await project.pulumi("preview", "--stack", "trial");
    expect(preview.exitCode).toBe(1);
    expect(preview.output).toContain("SERVER_UNREACHABLE");
  });

  test("a preview inside shows the plan, changes nothing but the sandbox, and leaves nothing", async () => {
    const preview = await run("--preview");
    expect(preview.exitCode, preview.output).toBe(0);
    expect(preview.output).toContain("reached at postgres.railway.internal");
    expect(preview.output).toContain("Nothing blocks the cutover.");
    expect([...new Set(world.railway.mutations())].toSorted()).toEqual([
      "sandboxCreate",
      "sandboxDestroy",
      "sandboxExec",
      "sandboxHeartbeat",
    ]);
    expect(sandboxes()).toEqual(["DESTROYED"]);
  });

  test("without a terminal and without --yes nothing is begun", async () => {
    const refused = await run();
    expect(refused.exitCode).toBe(2);
    expect(sandboxes()).toEqual(["DESTROYED"]);
  });

  test("up moves the application, and the report comes back", async () => {
    const up = await run("--yes");
    expect(up.exitCode, up.output.slice(-6_000)).toBe(0);
    await eventually(async () => (await world.judge("target")).switchPauseMs !== null);
    expect((await world.judge("target")).violations).toEqual([]);
    const raw = world.railway.inspect().variables.filter(({ name }) => name === "DATABASE_URL");
    const moved = raw.filter(({ value }) => value === "${{pgvector.DATABASE_URL}}");
    expect(moved).toHaveLength(healthcareServiceNames.length);
    const report = await readFile(path.join(project.folder, "cutover-report-trial.html"), "utf8");
    expect(report).toMatch(/<\/html>\s*$/);
    expect(sandboxes()).toEqual(["DESTROYED", "DESTROYED"]);
  });

  test("a second up does nothing, and the status can be asked from inside as well", async () => {
    const services = world.railway.deployments("@healthcare/api").length;
    expect((await run("--yes")).exitCode).toBe(0);
    expect(world.railway.deployments("@healthcare/api")).toHaveLength(services);
    const status = await run("--run", "status");
    expect(status.exitCode, status.output).toBe(0);
    expect(status.output).toContain("finished");
  });

  test("no secret and no row is in what was printed, in the state, or in the commands that Railway keeps", () => {
    const state = [...bucket.objects.values()].map((content) => content.toString()).join("\n");
    const everything = [printed, state, ...world.railway.commandsInSandboxes()].join("\n");
    const secrets = [
      ...[world.source.password, world.target.password, ...Object.values(world.railway.tokens), passphrase],
      ...[bucket.environment.AWS_SECRET_ACCESS_KEY ?? "", sentinelMarker],
    ];
    for (const secret of secrets) expect(everything).not.toContain(secret);
  });
});
