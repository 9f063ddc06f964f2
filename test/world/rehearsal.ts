import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { newEphemeralKey } from "../../components/backup/encryption.ts";
import { withConnection } from "../../components/postgres/connection.ts";
import {
  compareFingerprints,
  fingerprintProtected,
} from "../../components/postgres/fingerprint/fingerprint.ts";
import type { Verdict } from "./apps/checker.ts";
import { startWebhookServer, type WebhookServer, webhookSecret } from "./chat/webhook-server.ts";
import { createEngine, type Engine, type EngineResult } from "./engine/engine.ts";
import { sentinelMarker } from "./postgres/source-fixture.ts";
import { startWorld, type World, type WorldOptions } from "./world.ts";

/** One line of the verdict: what was promised, and what was seen. */
export interface Observation {
  readonly promise: string;
  readonly seen: string;
  readonly kept: boolean;
}

export interface RehearsalReport {
  readonly engine: string;
  readonly servers: readonly string[];
  readonly observations: readonly Observation[];
}

export interface RehearsalOptions {
  readonly engine?: "cli" | "mocks";
  /** Size and pace of the world; the defaults are for people who watch. */
  readonly world?: WorldOptions;
  /** A chapter of the story begins. */
  readonly onChapter: (title: string) => void;
  /** What the world and the engine print, as it comes. */
  readonly onOutput: (text: string) => void;
  readonly signal?: AbortSignal;
}

/**
 * Plays the whole life of a cutover with the program itself: adopt, cutover under live writes, a second `up`, drift
 * made by hand, stop, remove. The same script for the real engine and for the host on mocks.
 */
export async function rehearse(options: RehearsalOptions): Promise<RehearsalReport> {
  const { onChapter, onOutput, signal } = options;
  onChapter("Start two PostgreSQL servers, Railway, and four services that keep writing");
  // As where the pgvector server was given a certificate, too: nothing of the data is in clear on a public way.
  const world = await startWorld({ tls: true, ...options.world, log: (line) => onOutput(`${line}\n`) });
  const chat = await startWebhookServer();
  const engine = await createEngine({
    projectDirectory: new URL("../..", import.meta.url).pathname,
    stack: "rehearsal",
    config: { ...world.config, phase: "adopt" },
    environment: {
      ...world.environment,
      RAILWAY_REMOVAL_TOKEN: world.railway.tokens.account,
      CUTOVER_WEBHOOK_URL: chat.url.href,
    },
    onOutput,
    ...(options.engine === undefined ? {} : { kind: options.engine }),
  });
  const folder = await mkdtemp(path.join(tmpdir(), "rehearsal-backup-"));
  try {
    const { recipient } = await newEphemeralKey();
    const stage = new Stage(world, engine, chat, options, { to: "path", folder, recipients: [recipient] });
    for (const act of acts) {
      signal?.throwIfAborted();
      await act(stage);
    }
    return {
      engine: engine.description,
      servers: [`source: ${world.source.origin}`, `target: ${world.target.origin}`],
      observations: stage.observations,
    };
  } finally {
    await engine.dispose();
    await chat[Symbol.asyncDispose]();
    await world.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** What the acts share: the world, the engine, what was printed, and what was observed so far. */
class Stage {
  readonly observations: Observation[] = [];
  readonly world: World;
  readonly engine: Engine;
  /** Where people are told. */
  readonly chat: WebhookServer;
  readonly chapter: (title: string) => void;
  /** Where the old database's final backup goes, as the stack's configuration has it. */
  readonly finalBackup: object;
  #printed = "";

  constructor(
    world: World,
    engine: Engine,
    chat: WebhookServer,
    { onChapter }: RehearsalOptions,
    finalBackup: object,
  ) {
    this.chat = chat;
    this.finalBackup = finalBackup;
    this.world = world;
    this.engine = engine;
    this.chapter = onChapter;
  }

  get printed(): string {
    return this.#printed;
  }

  observe(promise: string, kept: boolean, seen: string): void {
    this.observations.push({ promise, kept, seen });
  }

  async run(operation: () => Promise<EngineResult>): Promise<EngineResult> {
    const result = await operation();
    this.#printed += result.output;
    return result;
  }

  /** Runs an operation that must succeed for the story to go on. */
  async must(operation: () => Promise<EngineResult>): Promise<EngineResult> {
    const result = await this.run(operation);
    if (result.exitCode !== 0)
      throw new Error(`an operation ended with exit code ${result.exitCode}; see its output above`);
    return result;
  }

  fingerprint() {
    return withConnection(this.world.target.connection(), { purpose: "observe", readOnly: true }, (client) =>
      fingerprintProtected(client, ["llm_assistant"]),
    );
  }
}

const acts: ReadonlyArray<(stage: Stage) => Promise<void>> = [
  adopt,
  cutOver,
  repeat,
  drift,
  stop,
  remove,
  leaks,
];

async function adopt(stage: Stage): Promise<void> {
  stage.chapter("pulumi up, phase: adopt");
  const before = stage.world.railway.mutations().length;
  await stage.must(() => stage.engine.up());
  const preview = await stage.run(() => stage.engine.preview({ expectNoChanges: true }));
  stage.observe(
    "adopt changes nothing; the preview after it is empty",
    preview.exitCode === 0 && stage.world.railway.mutations().length === before,
    `preview exit code ${preview.exitCode}, ${stage.world.railway.mutations().length - before} mutations on Railway`,
  );
}

async function cutOver(stage: Stage): Promise<void> {
  const { world, engine } = stage;
  stage.chapter("pulumi preview, phase: cutover");
  await engine.setConfig({ phase: "cutover" });
  const before = world.railway.mutations().length;
  const preview = await stage.must(() => engine.preview());
  stage.observe(
    "preview shows the plan and changes nothing",
    world.railway.mutations().length === before && preview.output.includes("medical_records"),
    `${world.railway.mutations().length - before} mutations on Railway`,
  );

  stage.chapter("pulumi up, phase: cutover, under live writes");
  const deployments = countDeployments(world);
  const protectedBefore = await stage.fingerprint();
  await stage.must(() => engine.up());
  await untilWritesOnTarget(world);
  const verdict = await world.judge("target");
  const lost = verdict.violations.filter(({ rule }) => rule !== "TWO_WRITERS");
  stage.observe(
    "no acknowledged write is lost or doubled",
    lost.length === 0 && verdict.acknowledged > 0,
    `${verdict.acknowledged} acknowledged writes checked, ${describeViolations(lost)}`,
  );
  stage.observe(
    "at no moment do both databases accept writes",
    !verdict.violations.some(({ rule }) => rule === "TWO_WRITERS") && verdict.switchPauseMs !== null,
    `writes were held up for ${((verdict.switchPauseMs ?? 0) / 1000).toFixed(1)} s; ${verdict.inFlightAtFence ?? 0} under way when the fence fell, ${verdict.rejected} refused and retried`,
  );
  const changes = compareFingerprints(protectedBefore, await stage.fingerprint());
  stage.observe(
    "llm_assistant does not change",
    changes.length === 0,
    `${changes.length} differences in its fingerprint`,
  );
  const told = stage.chat.texts().map((text) => /(\w+)_$/.exec(text)?.[1]);
  stage.observe(
    "people are told when writes pause, and when they work again",
    told.join() === "paused,fenced,promoted,finished",
    `messages: ${told.join(", ")}`,
  );
  const backups = world.railway.inspect().backups.length;
  stage.observe(
    "both volumes are backed up before anything is paused",
    backups === 2 && /── Back up both volumes.*── Pause writes/s.test(stage.printed),
    `${backups} volume backups`,
  );
  const perService = [...countDeployments(world)].map(
    ([name, count]) => count - (deployments.get(name) ?? 0),
  );
  stage.observe(
    "each service is deployed once",
    perService.every((count) => count === 1),
    `deployments by service: ${perService.join(", ")}`,
  );
}

async function repeat(stage: Stage): Promise<void> {
  stage.chapter("pulumi up again");
  const before = stage.world.railway.mutations().length;
  const again = await stage.run(() => stage.engine.up({ expectNoChanges: true }));
  stage.observe(
    "a second up does nothing",
    again.exitCode === 0 && stage.world.railway.mutations().length === before,
    `exit code ${again.exitCode}, ${stage.world.railway.mutations().length - before} mutations on Railway`,
  );
}

async function drift(stage: Stage): Promise<void> {
  const { world, engine } = stage;
  stage.chapter("Somebody points @healthcare/admin at another database by hand");
  world.railway.setVariableByHand(
    "@healthcare/admin",
    "DATABASE_URL",
    "postgresql://admin@elsewhere.example/railway",
    { deploy: false },
  );
  // Railway's reads lag; drift is looked for by people and schedules, not in the same instant.
  await eventually(async () => {
    const refresh = await stage.run(() => engine.refresh({ previewOnly: true, expectNoChanges: true }));
    return refresh.exitCode === 7;
  });
  const refresh = await stage.run(() => engine.refresh({ previewOnly: true, expectNoChanges: true }));
  stage.observe("drift is found and named", refresh.exitCode === 7, `refresh exit code ${refresh.exitCode}`);
  await stage.must(() => engine.refresh());
  await stage.must(() => engine.up());
  const value = world.railway
    .inspect()
    .variables.find(
      ({ serviceId, name }) =>
        name === "DATABASE_URL" && serviceId === serviceIdOf(world, "@healthcare/admin"),
    )?.value;
  stage.observe(
    "up puts the wiring right",
    value === "${{pgvector.DATABASE_URL}}",
    `DATABASE_URL is ${value}`,
  );
}

async function stop(stage: Stage): Promise<void> {
  stage.chapter("pulumi up, legacyPostgres: stop (soak set to zero days)");
  await stage.engine.setConfig({ legacyPostgres: "stop", removal: { finalBackup: stage.finalBackup } });
  await stage.must(() => stage.engine.up());
  const reachable = await isReachable(stage.world);
  stage.observe(
    "stop takes the old database down and keeps its volume",
    !reachable,
    reachable ? "still reachable" : "not reachable, volume kept",
  );
}

async function remove(stage: Stage): Promise<void> {
  const { world, engine } = stage;
  const serviceId = serviceIdOf(world, "Postgres");
  stage.chapter("pulumi up, legacyPostgres: remove, with the wrong id first");
  await engine.setConfig({
    legacyPostgres: "remove",
    removal: { confirmServiceId: "not-this-one", finalBackup: stage.finalBackup },
  });
  const refused = await stage.run(() => engine.up());
  stage.observe(
    "removal refuses without the service's id",
    refused.exitCode !== 0,
    `exit code ${refused.exitCode}`,
  );
  await engine.setConfig({
    removal: { confirmServiceId: serviceId, finalBackup: stage.finalBackup },
  });
  await stage.must(() => engine.up());
  const left = world.railway
    .inspect()
    .services.filter(({ id, deletedAt }) => id === serviceId && deletedAt === null);
  const preview = await stage.run(() => engine.preview({ expectNoChanges: true }));
  stage.observe(
    "remove deletes just the old database; afterwards the preview is empty without it",
    left.length === 0 && preview.exitCode === 0,
    `${left.length} old services left, preview exit code ${preview.exitCode}`,
  );
  const verdict = await world.judge("target");
  stage.observe(
    "the application writes on, and nothing is lost to the end",
    verdict.violations.length === 0,
    `${verdict.acknowledged} acknowledged writes, ${verdict.writesPerSecond.toFixed(0)} a second, ${describeViolations(verdict.violations)}`,
  );
}

async function leaks(stage: Stage): Promise<void> {
  const { world, engine } = stage;
  const told = stage.chat.texts().join("\n");
  const everything = `${stage.printed}\n${await engine.exportState()}\n${JSON.stringify(await engine.outputs())}\n${told}`;
  const secrets = [
    ...[world.source.password, world.target.password, webhookSecret],
    ...Object.values(world.railway.tokens),
  ];
  const forms = secrets.flatMap((secret) => [secret, encodeURIComponent(secret)]);
  const found = forms.filter((form) => everything.includes(form)).length;
  const rows = everything.includes(sentinelMarker);
  stage.observe(
    "no secret and no row in output, state or outputs",
    found === 0 && !rows,
    `${found} secrets, ${rows ? "row content" : "no row content"} in ${everything.length.toLocaleString("en")} characters`,
  );
}

function countDeployments(world: World): ReadonlyMap<string, number> {
  const services = world.config.services as { name: string }[];
  return new Map(services.map(({ name }) => [name, world.railway.deployments(name).length]));
}

async function untilWritesOnTarget(world: World): Promise<void> {
  await eventually(async () => (await world.judge("target")).switchPauseMs !== null);
}

async function eventually(holds: () => Promise<boolean>): Promise<void> {
  const giveUpAt = Date.now() + 60_000;
  while (!(await holds()) && Date.now() < giveUpAt) await new Promise((resolve) => setTimeout(resolve, 250));
}

async function isReachable(world: World): Promise<boolean> {
  return withConnection(
    world.source.connection("postgres"),
    { purpose: "observe", readOnly: true, connectTimeoutMs: 2_000 },
    async () => true,
  ).catch(() => false);
}

function serviceIdOf(world: World, name: string): string {
  const service = world.railway.inspect().services.find((candidate) => candidate.name === name);
  if (service === undefined) throw new Error(`the world has no service ${name}`);
  return service.id;
}

function describeViolations(violations: Verdict["violations"]): string {
  return violations.length === 0
    ? "no violation"
    : violations.map(({ rule, count, example }) => `${rule} ${count} (${example})`).join(", ");
}
