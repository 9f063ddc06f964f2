import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type pg from "pg";
import { newEphemeralKey } from "../../components/backup/encryption.ts";
import { resolveDatabase } from "../../components/migration/decide/resolve.ts";
import { findArchiveClient } from "../../components/postgres/archive/client.ts";
import { withConnection } from "../../components/postgres/connection.ts";
import { createEngine, type Engine } from "../../test/world/engine/engine.ts";
import { healthPath, writesTable } from "./application.ts";
import { inputsOf, stackConfig } from "./settings.ts";
import { programClient, type Stage } from "./stage.ts";

/** The program as an operator runs it, on a stack of its own, and a look at what its services write. */
export interface Life {
  readonly engine: Engine;
  /** Where the old database's final backup goes, as the stack's configuration has it. */
  readonly finalBackup: object;
  /** Runs statements on one of the two databases. */
  query<Row extends pg.QueryResultRow>(database: "source" | "target", sql: string): Promise<Row[]>;
  /** Begins to note what the services acknowledge; ends with {@link Life.countLost}. */
  watchWriters(): void;
  /** Stops noting, and compares with what is in the database that they write to now. */
  countLost(): Promise<{ acknowledged: number; lost: number }>;
  dispose(): Promise<void>;
}

/** The major version of the old database's image. */
const oldMajor = 15;
const watchIntervalMs = 1_000;

export async function createLife(stage: Stage, onOutput: (text: string) => void): Promise<Life> {
  const { scope, access, origins } = stage;
  const healthUrl = (name: string) => `${origins.get(name)}${healthPath}`;
  const config = stackConfig(scope.projectId, healthUrl);
  const folder = await mkdtemp(path.join(tmpdir(), "smoke-backup-"));
  const engine = await createEngine({
    projectDirectory: new URL("../..", import.meta.url).pathname,
    stack: "smoke",
    config,
    environment: {
      RAILWAY_TOKEN: stage.projectToken.value,
      // The wide token is for the removal alone.
      RAILWAY_API_TOKEN: "",
      RAILWAY_REMOVAL_TOKEN: stage.token.value,
      RAILWAY_REMOVAL_TOKEN_KIND: stage.token.kind,
      RAILWAY_API_URL: access.endpoint,
      RAILWAY_POLL_INTERVAL_MS: String(access.pollIntervalMs),
      // Whoever waits for production's cutover must not hear of this one.
      CUTOVER_WEBHOOK_URL: "",
    },
    onOutput,
  });
  const watch = createWatch(healthUrl, [...origins.keys()]);

  async function query<Row extends pg.QueryResultRow>(database: "source" | "target", sql: string) {
    const railway = programClient(stage.token, access);
    const inputs = inputsOf({ ...config, tokenKind: stage.token.kind });
    const { connection } = await resolveDatabase(railway, scope, inputs, database);
    return withConnection(connection, { purpose: "observe", readOnly: true }, async (client) => {
      return (await client.query<Row>(sql)).rows;
    });
  }

  return {
    engine,
    finalBackup: await chooseFinalBackup(folder),
    query,
    watchWriters: watch.start,
    async countLost() {
      const acknowledged = await watch.stop();
      const stored = await query<{ run: string; number: number }>(
        "target",
        `SELECT run, number FROM ${writesTable}`,
      );
      return compareWrites(acknowledged, stored);
    },
    async dispose() {
      await watch.stop();
      await engine.dispose();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** How many acknowledged writes there are, and how many of them are not stored. Each process counts from 1. Pure. */
export function compareWrites(
  acknowledged: ReadonlyMap<string, number>,
  stored: readonly { readonly run: string; readonly number: number }[],
): { acknowledged: number; lost: number } {
  let lost = 0;
  for (const [run, last] of acknowledged) {
    const kept = new Set(stored.filter((one) => one.run === run).map(({ number }) => number));
    for (let number = 1; number <= last; number++) if (!kept.has(number)) lost += 1;
  }
  return { acknowledged: [...acknowledged.values()].reduce((sum, last) => sum + last, 0), lost };
}

/** An archive in a folder that goes with the run, where there are programs to make it; otherwise a word for one. */
async function chooseFinalBackup(folder: string): Promise<object> {
  try {
    await findArchiveClient(oldMajor);
  } catch {
    return {
      to: "own",
      place: "none: the rows of the smoke test are made up",
      restoredAt: new Date().toISOString(),
    };
  }
  const { recipient } = await newEphemeralKey();
  return { to: "path", folder, recipients: [recipient] };
}

/** Asks each service again and again what it acknowledged last. */
function createWatch(healthUrl: (name: string) => string, services: readonly string[]) {
  const acknowledged = new Map<string, number>();
  let timer: NodeJS.Timeout | undefined;
  let asking: Promise<unknown> = Promise.resolve();
  const ask = async (name: string) => {
    try {
      const answer = await fetch(healthUrl(name), { signal: AbortSignal.timeout(watchIntervalMs * 2) });
      const seen = (await answer.json()) as { run?: unknown; acknowledged?: unknown };
      if (typeof seen.run !== "string" || typeof seen.acknowledged !== "number") return;
      acknowledged.set(seen.run, Math.max(acknowledged.get(seen.run) ?? 0, seen.acknowledged));
    } catch {
      // Between two deployments nothing may answer.
    }
  };
  const askAll = () => {
    asking = Promise.all(services.map(ask));
  };
  return {
    start() {
      timer ??= setInterval(askAll, watchIntervalMs);
      askAll();
    },
    async stop() {
      clearInterval(timer);
      timer = undefined;
      await asking;
      return acknowledged;
    },
  };
}
