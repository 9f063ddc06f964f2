import type pg from "pg";
import { runAbort, runCutover } from "../../components/migration/cutover.ts";
import type { PromotedMigration } from "../../components/migration/exclusion/exclusive-run.ts";
import { type MigrationInputs, migrationInputsSchema } from "../../components/migration/inputs.ts";
import { type JournalEntry, readJournal } from "../../components/migration/journal/journal.ts";
import type { Announcement } from "../../components/migration/prepare/announcement.ts";
import { withConnection } from "../../components/postgres/connection.ts";
import {
  fingerprintProtected,
  type ProtectedFingerprint,
} from "../../components/postgres/fingerprint/fingerprint.ts";
import { createRailway, type Railway } from "../../components/railway/railway.ts";
import { createRailwayToken } from "../../components/railway/token.ts";
import { migrationInputs, parseSettings } from "../../components/settings.ts";
import { patienceMs } from "../patience.ts";
import type { Verdict } from "../world/apps/checker.ts";
import { quickPace } from "../world/railway/pace.ts";
import { type Servers, startWorld, type World } from "../world/world.ts";
import { killProgramAt } from "./kill-at.ts";

/** The local world with what tests of whole runs do to it. */
export interface CutoverWorld {
  readonly world: World;
  readonly railway: Railway;
  readonly inputs: MigrationInputs;
  /** What people were told by the runs in this process since it was emptied. */
  readonly told: Announcement[];
  /** Runs the cutover in this process; `onLine` gets every line of the report, and what it starts is awaited. */
  run(options?: RunOptions): Promise<PromotedMigration>;
  abort(): Promise<string>;
  /** Runs it in a process of its own and kills that (SIGKILL) at the first line that contains the text. */
  killAt(text: string, inputs?: Partial<MigrationInputs>): Promise<void>;
  query(side: "source" | "target", text: string): Promise<pg.QueryResult["rows"]>;
  journal(): Promise<JournalEntry | undefined>;
  protectedNow(): Promise<ProtectedFingerprint>;
  /** Where each service's serving deployment runs: the host its DATABASE_URL was given. */
  databaseOf(service: string): string;
  /** Waits until every service has had a write acknowledged from now on, then judges the whole history. */
  judge(active: "source" | "target"): Promise<Verdict>;
  stop(): Promise<void>;
}

export interface RunOptions {
  readonly railway?: Railway;
  readonly inputs?: Partial<MigrationInputs>;
  /** @param writesPausedMs of a step while nobody can write */
  readonly onLine?: (line: string, writesPausedMs?: number) => unknown;
}

/** @param servers running ones with the fixtures loaded; by default new ones */
export async function startCutoverWorld(servers?: Servers): Promise<CutoverWorld> {
  const world = await startWorld({
    ...{ pace: quickPace, rows: 2_000 },
    ...(servers === undefined ? {} : { servers }),
  });
  const settings = parseSettings({
    ...{ phase: "cutover", legacyPostgres: "keep", source: "Postgres", target: "pgvector" },
    ...{ createTarget: false, accept: [], copy: { workers: 2 }, hooks: {}, removal: {} },
    ...world.config,
  });
  const inputs = migrationInputs(settings);
  const railway = createRailway({
    token: createRailwayToken("project", world.environment.RAILWAY_TOKEN ?? ""),
    endpoint: world.environment.RAILWAY_API_URL,
    pollIntervalMs: 50,
  });
  const told: Announcement[] = [];
  const announce = (announcement: Announcement) => void told.push(announcement);
  const withInputs = (changed: Partial<MigrationInputs> | undefined) =>
    migrationInputsSchema.parse({ ...inputs, ...changed });
  const connectionOf = (side: "source" | "target") => world[side].connection();
  const onTarget = <Result>(use: (client: pg.Client) => Promise<Result>) =>
    withConnection(connectionOf("target"), { purpose: "observe", readOnly: true }, use);
  return {
    world,
    railway,
    inputs,
    told,
    async run({ inputs: changed, onLine = () => {}, ...options } = {}) {
      const started: unknown[] = [];
      const report = (line: string, writesPausedMs?: number) =>
        void started.push(onLine(line, writesPausedMs));
      const run = {
        railway: options.railway ?? railway,
        inputs: withInputs(changed),
        announce,
        reporter: { step: report, detail: report },
      };
      try {
        return await runCutover({ ...run, isEngineAlive: async () => true });
      } finally {
        await Promise.all(started);
      }
    },
    abort: () =>
      runAbort(
        {
          railway,
          inputs,
          announce,
          reporter: { step: () => {}, detail: () => {} },
          isEngineAlive: async () => true,
        },
        "aborted by the test",
      ),
    killAt: (text, changed) => killProcessAt(text, world, withInputs(changed)),
    query: (side, text) =>
      withConnection(
        connectionOf(side),
        { purpose: "observe" },
        async (client) => (await client.query(text)).rows,
      ),
    journal: () => onTarget(readJournal),
    protectedNow: () => onTarget((client) => fingerprintProtected(client, inputs.protectedSchemas)),
    databaseOf(service) {
      const serving = world.railway.deployments(service).findLast(({ status }) => status === "SUCCESS");
      return new URL(serving?.variables.DATABASE_URL ?? "none:").hostname;
    },
    async judge(active) {
      await nextWrites(world, connectionOf(active));
      return world.judge(active);
    },
    stop: () => world.stop(),
  };
}

/** Writers go on: each service's progress has grown since the call. */
export async function nextWrites(
  world: World,
  active: ReturnType<World["source"]["connection"]>,
): Promise<void> {
  const services = world.railway
    .inspect()
    .services.map(({ name }) => name)
    .filter((name) => name.startsWith("@healthcare/"));
  await withConnection(active, { purpose: "observe", readOnly: true }, async (client) => {
    const count = async () => {
      const { rows } = await client.query(
        `select split_part(writer, '/', 1) || '/' || split_part(writer, '/', 2) as service, sum(sequence)::int as writes
           from public."WriterProgress" group by 1`,
      );
      return new Map<string, number>(rows.map(({ service, writes }) => [service, writes]));
    };
    const before = await count();
    const giveUpAt = Date.now() + patienceMs;
    for (;;) {
      const now = await count();
      const idle = services.filter((name) => (now.get(name) ?? 0) <= (before.get(name) ?? 0));
      if (idle.length === 0) return;
      if (Date.now() > giveUpAt) throw new Error(`these services do not write any more: ${idle.join(", ")}`);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  });
}

function killProcessAt(text: string, world: World, inputs: MigrationInputs): Promise<void> {
  const environment = { ...world.environment, CUTOVER_INPUTS: JSON.stringify(inputs) };
  return killProgramAt(text, "cutover-process.ts", environment);
}
