import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { recordBaseline } from "../../components/migration/drift/baseline.ts";
import { readJournal } from "../../components/migration/journal/journal.ts";
import { stackOutputsSchema } from "../../components/outputs.ts";
import { withConnection } from "../../components/postgres/connection.ts";
import { createRailway } from "../../components/railway/railway.ts";
import { createRailwayToken } from "../../components/railway/token.ts";
import { migrationInputs, parseSettings } from "../../components/settings.ts";
import { createEngine, type Engine, type EngineResult, pulumiVersion } from "../world/engine/engine.ts";
import { sentinelMarker } from "../world/postgres/source-fixture.ts";
import { healthcareServiceNames } from "../world/railway/healthcare-world.ts";
import { quickPace } from "../world/railway/pace.ts";
import { eventually } from "../world/railway/test-world.ts";
import { startWorld, type World } from "../world/world.ts";

/** What the program's defaults add to a world's configuration. */
const settings = {
  ...{ phase: "cutover", legacyPostgres: "keep", source: "Postgres", target: "pgvector" },
  ...{ createTarget: false, accept: [], copy: {}, hooks: {}, removal: {} },
};

/** What the real CLI makes of the program beyond the rehearsal: blockers, a failure half-way, hooks, destroy. */
describe.skipIf(pulumiVersion() === undefined)("on the real engine", () => {
  let world: World;
  let engine: Engine;
  let folder: string;
  let printed = "";

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "cutover-hooks-"));
    world = await startWorld({ pace: quickPace, rows: 5_000 });
    engine = await createEngine({
      kind: "cli",
      projectDirectory: new URL("../..", import.meta.url).pathname,
      stack: "trial",
      config: {
        ...world.config,
        phase: "cutover",
        hooks: {
          beforeSwitch: `printf '%s\\n' "$DATABASE_URL" >> ${join(folder, "before-switch")}`,
          afterPromotion: `printf '%s\\n' "$DATABASE_URL" >> ${join(folder, "after-promotion")}`,
        },
      },
      environment: world.environment,
      onOutput: (text) => {
        printed += text;
      },
    });
  });

  afterAll(async () => {
    await engine?.dispose();
    await world?.stop();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  test("a preview with blockers fails and lists them all, and changes nothing", async () => {
    const services = world.config.services as { name: string }[];
    await engine.setConfig({
      schemas: ["public", "medical_records", "practise_management"],
      services: [...services, { name: "@healthcare/pubic" }],
    });
    world.railway.stageEdit();
    const preview = await engine.preview();
    world.railway.discardStagedEdits();
    await engine.setConfig({ schemas: world.config.schemas, services });
    expect(preview.exitCode).toBe(1);
    for (const code of ["SCHEMA_MISSING", "SERVICE_NOT_FOUND", "STAGED_CHANGES"]) {
      expect(preview.output).toMatch(new RegExp(`${code}[\\s\\S]*?Remedy: \\S`));
    }
    expect(world.railway.mutations()).toEqual([]);
  });

  test("a wrong configuration is told with its remedy, and no resource is looked at", async () => {
    await engine.setConfig({ target: "Postgres", limits: { writePauseMs: 1 } });
    const requests = world.railway.requests().length;
    const preview = await engine.preview();
    await engine.setConfig({ target: undefined, limits: world.config.limits });
    expect(preview.exitCode).toBe(1);
    expect(preview.output).toMatch(
      /CONFIGURATION_INVALID: [\s\S]*limits\.writePauseMs[\s\S]*Remedy: Correct the keys/,
    );
    expect(world.railway.requests().length).toBe(requests);
  });

  test("a canary that does not become healthy: up fails, and everything is as before", async () => {
    world.railway.failNext("@healthcare/public", "HEALTHCHECK");
    const up = await engine.up();
    expect(up.exitCode).toBe(1);
    expect(up.output).toContain("everything is back on the source");
    expect(rawUrls(world)).toEqual(healthcareServiceNames.map(() => "${{Postgres.DATABASE_URL}}"));
    expect(await tablesOnTarget(world)).toBe(0);
    const before = await world.judge("source");
    expect(before.violations).toEqual([]);
    await eventually(async () => (await world.judge("source")).acknowledged > before.acknowledged + 20);
    expect(await hookRuns("after-promotion")).toEqual([]);
    expect(JSON.parse(await engine.exportState()).deployment.resources.map(typeOf)).not.toContain(
      "pulumi-nodejs:dynamic/railway:DataMigration",
    );
  });

  test("the next up moves the application, and runs each hook once", async () => {
    const earlier = await hookRuns("before-switch");
    const up = await engine.up();
    expect(up.exitCode, up.output.slice(-4_000)).toBe(0);
    await eventually(async () => (await world.judge("target")).switchPauseMs !== null);
    expect((await world.judge("target")).violations).toEqual([]);
    expect(rawUrls(world)).toEqual(healthcareServiceNames.map(() => "${{pgvector.DATABASE_URL}}"));

    const [beforeSwitch, ...others] = (await hookRuns("before-switch")).slice(earlier.length);
    expect(others).toEqual([]);
    expect(new URL(beforeSwitch ?? "").username).toMatch(/^pgvector_cutover_hook_/);
    const [afterPromotion, ...more] = await hookRuns("after-promotion");
    expect(more).toEqual([]);
    const { host, port, user, password } = world.target;
    expect(new URL(afterPromotion ?? "")).toMatchObject({
      host: `${host}:${port}`,
      username: user,
      password: encodeURIComponent(password),
    });
    expect(stackOutputsSchema.parse(await engine.outputs()).lastMigration?.verdict).toBe("green");
    const journal = await withConnection(
      world.target.connection(),
      { purpose: "observe", readOnly: true },
      readJournal,
    );
    for (const { program } of journal?.record.context.runs ?? [])
      expect(program.engine).toMatch(new RegExp(`^Pulumi CLI ${pulumiVersion()}, SDK \\d`));
    expect(journal?.record.context.runs).toHaveLength(2);
  });

  test("another up does nothing, and runs no hook again", async () => {
    const mutations = world.railway.mutations().length;
    const hooks = [await hookRuns("before-switch"), await hookRuns("after-promotion")];
    const up = await engine.up({ expectNoChanges: true });
    expect(up.exitCode, up.output.slice(-4_000)).toBe(0);
    expect(world.railway.mutations().length).toBe(mutations);
    expect([await hookRuns("before-switch"), await hookRuns("after-promotion")]).toEqual(hooks);
  });

  test("a refresh finds nothing, then each drift on the resource that it belongs to; up puts the wiring right", async () => {
    const refresh = () => engine.refresh({ previewOnly: true, expectNoChanges: true });
    const untouched = await refresh();
    expect(untouched.exitCode, untouched.output.slice(-4_000)).toBe(0);
    const admin = "@healthcare/admin";
    world.railway.setVariableByHand(admin, "DATABASE_URL", "${{Postgres.DATABASE_URL}}");
    world.railway.setVariableByHand("metrics", "SOURCE", "${{Postgres.DATABASE_URL}}");
    world.railway.stageEdit();
    await world.railway.openTcpProxy("pgvector");
    const found = await refresh();
    expect(found.exitCode).toBe(7);
    const updated = found.steps.filter(({ operation }) => operation === "update").map(({ name }) => name);
    expect(updated.toSorted()).toEqual([admin, "migration", "source", "target"]);
    for (const line of [
      /drift on @healthcare\/admin: SERVICE_REFERENCE_CHANGED DATABASE_URL: was .*Ana Lopez/,
      /drift on source: OLD_DATABASE_NAMED metrics SOURCE/,
      /drift on migration: STAGED_EDIT production/,
      /drift on target: TCP_PROXY_OPENED pgvector/,
    ]) {
      expect(found.output).toMatch(line);
    }

    await engine.refresh();
    const up = await engine.up();
    expect(up.exitCode, up.output.slice(-4_000)).toBe(0);
    expect(up.output).toContain("drift on target: TCP_PROXY_OPENED pgvector");
    expect(rawUrls(world)).toEqual(healthcareServiceNames.map(() => "${{pgvector.DATABASE_URL}}"));
    world.railway.removeVariableByHand("metrics", "SOURCE");
    world.railway.discardStagedEdits();
    await recordBaseline(
      createRailway({
        token: createRailwayToken("project", world.railway.tokens.project),
        endpoint: world.railway.url,
      }),
      migrationInputs(parseSettings({ ...settings, ...world.config })),
    );
    await engine.refresh();
    const settled = await refresh();
    expect(settled.exitCode, settled.output.slice(-4_000)).toBe(0);
    const again = await engine.up({ expectNoChanges: true });
    expect(again.exitCode, again.output.slice(-4_000)).toBe(0);
  });

  test("neither state nor output holds a secret or a row", async () => {
    const state = await engine.exportState();
    const { source, target, railway } = world;
    for (const secret of [source.password, target.password, ...Object.values(railway.tokens)]) {
      expect(state).not.toContain(secret);
      expect(printed).not.toContain(secret);
    }
    for (const run of await hookRuns("before-switch")) expect(printed).not.toContain(new URL(run).password);
    expect(state + printed).not.toContain(sentinelMarker);
  });

  test("destroy is refused while the databases are protected, and deletes nothing when it is forced", async () => {
    const before = { mutations: world.railway.mutations().length, tables: await tablesOnTarget(world) };
    const refused = await engine.destroy();
    expect(refused.exitCode).toBe(1);
    expect(refused.output).toContain("protect");
    const forced: EngineResult = await engine.destroy({ ignoreProtect: true });
    expect(forced.exitCode, forced.output.slice(-4_000)).toBe(0);
    expect(JSON.parse(await engine.exportState()).deployment.resources ?? []).toEqual([]);
    expect(world.railway.mutations().length).toBe(before.mutations);
    expect(await tablesOnTarget(world)).toBe(before.tables);
    const { acknowledged, violations } = await world.judge("target");
    expect(violations).toEqual([]);
    await eventually(async () => (await world.judge("target")).acknowledged > acknowledged + 20);
  });

  test("a stack that lost its state finds the finished migration in the journal", async () => {
    const deployments = healthcareServiceNames.map((name) => world.railway.deployments(name).length);
    const up = await engine.up();
    expect(up.exitCode, up.output.slice(-4_000)).toBe(0);
    expect(healthcareServiceNames.map((name) => world.railway.deployments(name).length)).toEqual(deployments);
    expect(rawUrls(world)).toEqual(healthcareServiceNames.map(() => "${{pgvector.DATABASE_URL}}"));
    expect((await world.judge("target")).violations).toEqual([]);
  });

  /** What a hook wrote down each time it ran: the URL it was given. */
  async function hookRuns(name: string): Promise<string[]> {
    const text = await readFile(join(folder, name), "utf8").catch(() => "");
    return text.split("\n").filter((line) => line !== "");
  }
});

function typeOf({ type }: { type: string }): string {
  return type;
}

/** The raw `DATABASE_URL` of the four services. */
function rawUrls({ railway }: World): (string | undefined)[] {
  const { services, variables } = railway.inspect();
  return healthcareServiceNames.map((name) => {
    const id = services.find((service) => service.name === name)?.id;
    return variables.find((one) => one.serviceId === id && one.name === "DATABASE_URL")?.value;
  });
}

/** How many tables the moved schemas have on the target. */
async function tablesOnTarget({ target }: World): Promise<number> {
  return withConnection(target.connection(), { purpose: "observe", readOnly: true }, async (client) => {
    const { rows } = await client.query(
      `SELECT count(*)::int AS tables FROM pg_tables
        WHERE schemaname IN ('public', 'medical_records', 'practice_management')`,
    );
    return rows[0].tables;
  });
}
