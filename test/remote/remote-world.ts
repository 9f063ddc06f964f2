import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { createRailway } from "../../components/railway/railway.ts";
import { createRunnerClient, type RunnerClient } from "../../components/railway/runners.ts";
import { createRailwayToken, type RailwayTokenKind } from "../../components/railway/token.ts";
import type { Interruptions } from "../../components/remote/interruptions.ts";
import { findRunners, type LaunchOptions, launch } from "../../components/remote/launch.ts";
import type { RemoteRun } from "../../components/remote/remote-run.ts";
import { type RunnerPlace, runnerMark } from "../../components/remote/runner.ts";
import type { SimulatorOptions } from "../world/railway/simulator.ts";
import { startTestWorld, type TestWorld } from "../world/railway/test-world.ts";

export const secret = "the passphrase of the stack";
export const mark = runnerMark("trial");

/** A simulated Railway without databases, and everything a run inside it needs but a cutover. */
export interface RemoteWorld extends AsyncDisposable {
  readonly world: TestWorld;
  readonly client: RunnerClient;
  readonly place: RunnerPlace;
  /** What the run said about itself, line by line. */
  readonly log: string[];
  /** What the command inside wrote. */
  printed(): string;
  report(): string | undefined;
  /** A run of a shell command. */
  run(
    command: string,
    changes?: Partial<RemoteRun & Pick<LaunchOptions, "privateHosts" | "kind" | "orphanLimitSeconds">>,
  ): RemoteRun;
  interruptions: Readonly<Record<keyof Interruptions, AbortController>>;
}

export async function startRemoteWorld(
  options: Partial<SimulatorOptions> & { tokenKind?: RailwayTokenKind } = {},
): Promise<RemoteWorld> {
  const world = await startTestWorld(options);
  const remote = await remoteWorldOn(world, options.tokenKind ?? "project");
  return { ...remote, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

/** A shell of somebody on a Railway that is there already, and stays. */
export async function remoteWorldOn(world: TestWorld, kind: RailwayTokenKind): Promise<RemoteWorld> {
  const connection = {
    token: createRailwayToken(kind, world.simulator.tokens[kind]),
    endpoint: world.simulator.url,
    pollIntervalMs: 20,
    settleTimeoutMs: 3_000,
    limits: { retryDelayMs: 10, attempts: 2 },
  };
  const client = createRunnerClient(connection);
  const scope = await createRailway(connection).resolveEnvironment({
    project: "clinic",
    environment: "production",
  });
  const log: string[] = [];
  const place = { client, remover: client, scope, log: (line: string) => void log.push(line) };
  let printed = "";
  let report: string | undefined;
  const remote: RemoteWorld = {
    world,
    client,
    place,
    log,
    printed: () => printed,
    report: () => report,
    interruptions: {
      first: new AbortController(),
      second: new AbortController(),
      gone: new AbortController(),
    },
    run: (command, { kind = "auto", orphanLimitSeconds = 60, ...changes } = {}) => ({
      place,
      find: () => findRunners(place, mark),
      start: (signal) =>
        launch(place, {
          ...{ kind, mark, archive, signal, orphanLimitSeconds, now: new Date() },
          variables: { SECRET: secret },
          versions: { node: process.versions.node, pulumi: null },
          privateHosts: changes.privateHosts ?? ["postgres.railway.internal", "pgvector.railway.internal"],
          command: ["bash", "-c", command],
          report: ["cp", "made-by-the-command"],
        }),
      interruptions: {
        first: remote.interruptions.first.signal,
        second: remote.interruptions.second.signal,
        gone: remote.interruptions.gone.signal,
      },
      print: (text) => {
        printed += text;
      },
      saveReport: async (text) => {
        report = text;
      },
      now: () => new Date(),
      lostContactMs: 10_000,
      ...changes,
    }),
    [Symbol.asyncDispose]: async () => {},
  };
  return remote;
}

/** A project of one file, larger than one command or variable can carry, that asks for one package. */
const archive = packExample();

function packExample(): Buffer {
  const folder = mkdtempSync(path.join(tmpdir(), "archive-"));
  const noise = Array.from({ length: 20_000 }, (_, index) => Math.sin(index)).join("\n");
  writeFileSync(path.join(folder, "large-file"), noise);
  const zodVersion = JSON.parse(readFileSync("node_modules/zod/package.json", "utf8")).version;
  writeFileSync(path.join(folder, "package.json"), '{"dependencies":{"zod":"*"}}');
  writeFileSync(
    path.join(folder, "package-lock.json"),
    JSON.stringify({ packages: { "node_modules/zod": { version: zodVersion } } }),
  );
  const tar = execFileSync("tar", ["-c", "-C", folder, "."], { maxBuffer: 1 << 26 });
  rmSync(folder, { recursive: true });
  return gzipSync(tar);
}
