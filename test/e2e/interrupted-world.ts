import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "vitest";
import { type JournalEntry, readEvents, readJournal } from "../../components/migration/journal/journal.ts";
import { connect, withConnection } from "../../components/postgres/connection.ts";
import { type CliEngine, createCliEngine } from "../world/engine/cli-engine.ts";
import { pulumiVersion } from "../world/engine/engine.ts";
import { sentinelMarker } from "../world/postgres/source-fixture.ts";
import { quickPace } from "../world/railway/pace.ts";
import { eventually } from "../world/railway/test-world.ts";
import { startWorld, type World } from "../world/world.ts";

/** The local world and the real CLI, with places where a cutover can be held for as long as a test needs. */
export interface InterruptedWorld {
  readonly world: World;
  readonly canary: CanaryDoor;
  /** A stack of its own, with its own state, for the same Railway project. */
  openStack(name: string, config?: Record<string, unknown>): Promise<CliEngine>;
  journal(): Promise<JournalEntry | undefined>;
  /** What the journal tells of the newest migration, one line. */
  history(): Promise<string>;
  /** Holds the copy once its rows are on the target, at an index. */
  holdCopy(): Promise<HeldCopy>;
  /** How often each service was deployed so far. */
  deployments(): number[];
  /** Runs something that must change neither the journal nor anything on Railway. */
  changingNothing<Result>(run: () => Promise<Result>): Promise<Result>;
  /** Every acknowledged write is there once, and the services go on writing to this database. */
  expectWritesOn(active: "source" | "target"): Promise<void>;
  /** No write is lost or doubled, and none was acknowledged by the target, while nobody can write. */
  expectNothingLost(): Promise<void>;
  /** Neither the stack's state nor its outputs nor anything that was printed holds a secret or a row. */
  expectNoSecrets(stack: CliEngine): Promise<void>;
  stop(): Promise<void>;
}

/** The health check of the canary's public address, as the configuration names it. */
export interface CanaryDoor {
  readonly url: string;
  /** From now on deployments that are newer than now get no answer: the cutover waits in mid-switch. */
  close(): void;
  /** Waits until the cutover knocks at the closed door. */
  knock(): Promise<void>;
  open(): void;
  stop(): void;
}

export interface HeldCopy {
  reached(): Promise<void>;
  release(): Promise<void>;
}

export async function startInterruptedWorld(): Promise<InterruptedWorld> {
  const world = await startWorld({ pace: quickPace, rows: 5_000, writeIntervalMs: 40 });
  const services = world.config.services as { name: string; healthCheckUrl: string }[];
  const canary = await startDoor(
    `${world.railway.serviceUrl(canaryName)}/health`,
    () => world.railway.deployments(canaryName).length,
  );
  const engines: CliEngine[] = [];
  let printed = "";
  const onTarget = <Result>(use: Parameters<typeof withConnection<Result>>[2]) =>
    withConnection(world.target.connection(), { purpose: "observe", readOnly: true }, use);
  const journal = () => onTarget(readJournal);
  const deployments = () => services.map(({ name }) => world.railway.deployments(name).length);
  return {
    world,
    canary,
    async openStack(name, config = {}) {
      const engine = await createCliEngine(
        {
          projectDirectory: new URL("../..", import.meta.url).pathname,
          stack: name,
          config: {
            ...world.config,
            phase: "cutover",
            // Several runs of the engine lie between the first lock and the promotion.
            limits: { ...(world.config.limits as object), writePauseMs: 900_000 },
            services: services.map((service) =>
              service.name === canaryName ? { ...service, healthCheckUrl: canary.url } : service,
            ),
            ...config,
          },
          environment: world.environment,
          onOutput: (text) => {
            printed += text;
          },
        },
        pulumiVersion() ?? "",
      );
      engines.push(engine);
      return engine;
    },
    journal,
    history: async () => {
      const entry = await journal();
      const events = entry === undefined ? [] : await onTarget((client) => readEvents(client, entry.id));
      return events.map(({ state, text }) => `${state}: ${text}`).join(" | ");
    },
    holdCopy: () => holdCopy(world),
    deployments,
    async changingNothing(run) {
      const before = [await journal(), world.railway.mutations().length, deployments()];
      const result = await run();
      expect([await journal(), world.railway.mutations().length, deployments()]).toEqual(before);
      return result;
    },
    async expectWritesOn(active) {
      const { acknowledged } = await world.judge(active);
      await eventually(async () => (await world.judge(active)).acknowledged > acknowledged + 20);
      const verdict = await world.judge(active);
      expect(verdict.violations).toEqual([]);
      expect(verdict.switchPauseMs === null).toBe(active === "source");
    },
    async expectNothingLost() {
      expect(await world.judge("source")).toMatchObject({ violations: [], switchPauseMs: null });
    },
    async expectNoSecrets(stack) {
      const { source, target, railway } = world;
      const everything = `${printed}${await stack.exportState()}${JSON.stringify(await stack.outputs())}`;
      for (const secret of [source.password, target.password, ...Object.values(railway.tokens)]) {
        expect(everything).not.toContain(secret);
      }
      expect(everything).not.toContain(sentinelMarker);
    },
    async stop() {
      for (const engine of engines) await engine.dispose();
      canary.stop();
      await world.stop();
    },
  };
}

/** Alone in the lowest wave. */
const canaryName = "@healthcare/public";

async function startDoor(url: string, deployments: () => number): Promise<CanaryDoor> {
  let newest = Number.POSITIVE_INFINITY;
  const waiting = new Set<() => void>();
  const knocking = new Set<() => void>();
  const release = (all: Set<() => void>) => {
    for (const go of all) go();
    all.clear();
  };
  const server = createServer(async (_request, response) => {
    if (deployments() > newest) {
      release(knocking);
      await new Promise<void>((go) => waiting.add(go));
    }
    const answer = await fetch(url).catch(() => undefined);
    response.writeHead(answer?.status ?? 503).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/health`,
    close() {
      newest = deployments();
    },
    knock: () => new Promise<void>((go) => knocking.add(go)),
    open() {
      newest = Number.POSITIVE_INFINITY;
      release(waiting);
    },
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Another transaction is about to use the name of an index: whoever wants it waits for that one's end. */
async function holdCopy({ target }: World): Promise<HeldCopy> {
  const client = await connect(target.connection(), { purpose: "observe" });
  // A name of the tests' own: a run ends what an earlier one left behind.
  await client.query(`SET application_name = 'bystander'`);
  await client.query(`BEGIN; CREATE SEQUENCE public."SeoPage_slug_key"`);
  const isWaitedFor = async () => {
    await client.query("SELECT pg_stat_clear_snapshot()");
    const { rowCount } = await client.query(
      "SELECT FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))",
    );
    return rowCount !== 0;
  };
  return {
    reached: async () => {
      while (!(await isWaitedFor())) await new Promise((resolve) => setTimeout(resolve, 25));
    },
    release: async () => {
      await client.query("ROLLBACK");
      await client.end();
    },
  };
}
