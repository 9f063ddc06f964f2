import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { createRailway } from "../../components/railway/railway.ts";
import { createRunnerClient, type RunnerClient } from "../../components/railway/runners.ts";
import { createRailwayToken, type RailwayTokenKind } from "../../components/railway/token.ts";
import type { RemoteRun } from "../../components/remote/remote-run.ts";
import { type RunnerJob, type RunnerPlace, runnerMark } from "../../components/remote/runner.ts";
import {
  findSandboxRunners,
  startSandboxRunner,
  unpackInSandbox,
} from "../../components/remote/sandbox-runner.ts";
import { runnerScript } from "../../components/remote/script.ts";
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
  /** A run of a shell command in a sandbox. */
  sandboxRun(command: string, changes?: Partial<RemoteRun>): RemoteRun;
  job(command: string): RunnerJob;
  interruptions: { readonly first: AbortController; readonly second: AbortController };
}

export async function startRemoteWorld(
  options: Partial<SimulatorOptions> & { tokenKind?: RailwayTokenKind } = {},
): Promise<RemoteWorld> {
  const world = await startTestWorld(options);
  const kind = options.tokenKind ?? "project";
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
  const place = { client, scope, log: (line: string) => void log.push(line) };
  let printed = "";
  let report: string | undefined;
  const remote: RemoteWorld = {
    world,
    client,
    place,
    log,
    printed: () => printed,
    report: () => report,
    interruptions: { first: new AbortController(), second: new AbortController() },
    job: (command) => ({
      mark,
      archive: exampleArchive(),
      variables: { SECRET: secret },
      script: runnerScript({
        tools: [],
        unpack: unpackInSandbox,
        privateHosts: ["postgres.railway.internal", "pgvector.railway.internal"],
        command: ["bash", "-c", command],
        report: ["cat", "made-by-the-command"],
      }),
    }),
    sandboxRun: (command, changes = {}) => ({
      place,
      find: () => findSandboxRunners(place, mark),
      start: (signal) => startSandboxRunner(place, remote.job(command), { signal }),
      interruptions: {
        first: remote.interruptions.first.signal,
        second: remote.interruptions.second.signal,
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
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
  return remote;
}

/** A project of one file, larger than one command can carry. */
function exampleArchive(): Buffer {
  const folder = mkdtempSync(path.join(tmpdir(), "archive-"));
  const noise = Array.from({ length: 40_000 }, (_, index) => Math.sin(index)).join("\n");
  writeFileSync(path.join(folder, "large-file"), noise);
  const tar = execFileSync("tar", ["-c", "-C", folder, "large-file"], { maxBuffer: 1 << 26 });
  rmSync(folder, { recursive: true });
  return gzipSync(tar);
}
