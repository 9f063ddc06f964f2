import { readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRailway } from "../../components/railway/railway.ts";
import { createRunnerClient } from "../../components/railway/runners.ts";
import { createRailwayToken } from "../../components/railway/token.ts";
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
  const alive = () => world.railway.inspect().sandboxes.filter(({ status }) => status !== "DESTROYED");

  beforeAll(async () => {
    [world, bucket] = await Promise.all([startWorld({ pace: quickPace, rows: 5_000 }), startStateBucket()]);
    world.railway.openToMachines(bucket.port);
    project = await createRemoteProject(config(), {
      ...world.environment,
      ...bucket.environment,
      PULUMI_CONFIG_PASSPHRASE: passphrase,
      RAILWAY_API_TOKEN: world.railway.tokens.workspace,
    });
  });

  afterAll(async () => {
    await project?.remove();
    await bucket?.stop();
    await world?.stop();
  });

  test("from outside, the private names do not exist", async () => {
    const plan = await project.script("plan");
    expect(plan.exitCode).toBe(1);
    for (const [role, name] of [
      ["source", "postgres"],
      ["target", "pgvector"],
    ]) {
      expect(plan.output).toContain(
        `${role}: Nothing usable answers at ${name}.railway.internal:5432: ENOTFOUND.`,
      );
    }
  });

  test("inside, the private addresses lead to the databases, and their public ones to nothing", async () => {
    const { client, scope } = await clientOf(world);
    const { id } = await client.createSandbox(
      scope,
      { idleTimeoutMinutes: 1, variables: {} },
      async () => false,
      10_000,
    );
    const reaches = async (host: string, port: number) =>
      (await client.exec(scope, id, `bash -c '< /dev/tcp/${host}/${port}'`)).exitCode === 0;
    for (const name of ["postgres", "pgvector"])
      expect(await reaches(`${name}.railway.internal`, 5432)).toBe(true);
    for (const { host, port } of [world.source, world.target]) expect(await reaches(host, port)).toBe(false);
    expect(await reaches("127.0.0.1", Number(new URL(world.railway.url).port))).toBe(true);
    await client.destroySandbox(scope, id);
  });

  test("a preview inside shows the plan, changes nothing but the sandbox, and leaves nothing", async () => {
    const before = world.railway.mutations().length;
    const preview = await run("--preview");
    expect(preview.exitCode, preview.output).toBe(0);
    expect(preview.output).toContain("reached at postgres.railway.internal");
    expect(preview.output).toContain("Nothing blocks the cutover.");
    expect([...new Set(world.railway.mutations().slice(before))].toSorted()).toEqual([
      "sandboxCreate",
      "sandboxDestroy",
      "sandboxExec",
      "sandboxHeartbeat",
    ]);
    expect(alive()).toEqual([]);
  });

  test("without a terminal and without --yes nothing is begun", async () => {
    const refused = await run();
    expect(refused.exitCode).toBe(2);
    expect(alive()).toEqual([]);
  });

  test("neither a killed script nor Ctrl-C ends the cutover half-way; --attach brings its end and the report", async () => {
    const killed = project.startCutoverRemote("--yes");
    await killed.printed("── Copy");
    killed.signalGroup("SIGKILL");
    printed += (await killed.ended).output;
    expect(alive()).toHaveLength(1);
    const another = await run("--yes");
    expect(another.exitCode).toBe(1);
    expect(another.output).toContain("REMOTE_RUN_EXISTS");

    const attached = project.startCutoverRemote("--attach");
    await attached.printed("── Copy");
    // Twice, as through npm: from the terminal, and passed on.
    attached.signalGroup("SIGINT");
    attached.signalGroup("SIGINT");
    const { exitCode, output } = await attached.ended;
    printed += output;
    // Pulumi's own, for a run that was cancelled after it had finished its operation.
    expect(exitCode, output.slice(-6_000)).toBe(1);
    expect(output).toContain("^C received; cancelling");
    await eventually(async () => (await world.judge("target")).switchPauseMs !== null);
    expect((await world.judge("target")).violations).toEqual([]);
    const raw = world.railway.inspect().variables.filter(({ name }) => name === "DATABASE_URL");
    const moved = raw.filter(({ value }) => value === "${{pgvector.DATABASE_URL}}");
    expect(moved).toHaveLength(healthcareServiceNames.length);
    const report = await readFile(path.join(project.folder, "cutover-report-trial.html"), "utf8");
    expect(report).toMatch(/<\/html>\s*$/);
    expect(alive()).toEqual([]);
  });

  test("a second up deploys nothing, and the status can be asked from inside as well", async () => {
    const services = healthcareServiceNames.map((name) => world.railway.deployments(name).length);
    const up = await run("--yes");
    expect(up.exitCode, up.output.slice(-6_000)).toBe(0);
    expect(healthcareServiceNames.map((name) => world.railway.deployments(name).length)).toEqual(services);
    const status = await run("--run", "status");
    expect(status.exitCode, status.output).toBe(0);
    expect(status.output).toContain("finished");
  });

  test("a service does as well where there are no sandboxes", async () => {
    await project.configure({ ...config(), tokenKind: "workspace" });
    const preview = await run("--in", "service", "--preview");
    expect(preview.exitCode, preview.output.slice(-6_000)).toBe(0);
    expect(preview.output).toContain("Resources:");
    const services = world.railway.inspect().services.filter(({ deletedAt }) => deletedAt === null);
    expect(services.filter(({ name }) => name.startsWith("cutover-runner"))).toEqual([]);
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

async function clientOf({ railway, config }: World) {
  const connection = {
    token: createRailwayToken("project", railway.tokens.project),
    endpoint: railway.url,
    pollIntervalMs: 100,
  };
  const { project, environment } = config as { project: string; environment: string };
  const scope = await createRailway(connection).resolveEnvironment({ project, environment });
  return { client: createRunnerClient(connection), scope };
}
