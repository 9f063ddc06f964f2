import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { runChild } from "./child.ts";
import { type Engine, type EngineOptions, type EngineResult, hasChanges } from "./engine.ts";
import type { HostRequest } from "./mocks/host.ts";
import { mask, seal } from "./mocks/secrets.ts";
import { readState, writeState } from "./mocks/state.ts";

/** Pulumi's exit code for changes where `expectNoChanges` was asked for. */
const unexpectedChanges = 7;

const host = join(import.meta.dirname, "mocks", "host.ts");

/** Drives the program and its providers without Pulumi's engine: each operation is a process of `mocks/host.ts`. */
export async function createMockEngine(options: EngineOptions): Promise<Engine> {
  const folder = await mkdtemp(join(tmpdir(), "cutover-engine-"));
  const projectDirectory = resolve(options.projectDirectory);
  const stateFile = join(folder, "state.json");
  const requestFile = join(folder, "request.json");
  const stepsFile = join(folder, "steps.json");
  let config: Record<string, unknown> = { ...options.config };
  writeState(stateFile, { config: {}, resources: [], outputs: {} });

  async function operate(
    operation: HostRequest["operation"],
    { previewOnly = false, expectNoChanges = false, ignoreProtect = false } = {},
  ): Promise<EngineResult> {
    const { stack } = options;
    const request: HostRequest = {
      operation,
      projectDirectory,
      stack,
      config,
      stateFile,
      stepsFile,
      previewOnly,
      ignoreProtect,
    };
    await writeFile(requestFile, JSON.stringify(request), { mode: 0o600 });
    await rm(stepsFile, { force: true });
    const { exitCode, output } = await runChild("node", [host, requestFile], {
      workingDirectory: projectDirectory,
      environment: options.environment,
      onOutput: options.onOutput,
    });
    const steps = JSON.parse(await readFile(stepsFile, "utf8").catch(() => "[]"));
    const changes = hasChanges(steps);
    if (exitCode !== 0 || !expectNoChanges || !changes) return { exitCode, output, steps, changes };
    const complaint = `error: no changes were expected for ${operation} but changes were proposed\n`;
    options.onOutput?.(complaint);
    return { exitCode: unexpectedChanges, output: output + complaint, steps, changes };
  }

  return {
    description: "host on Pulumi's testing mocks",
    kind: "mocks",
    preview: (operation) => operate("preview", operation),
    up: (operation) => operate("up", operation),
    refresh: (operation) => operate("refresh", operation),
    destroy: (operation) => operate("destroy", operation),
    async setConfig(values) {
      config = { ...config, ...values };
    },
    outputs: async () => mask(readState(stateFile).outputs),
    exportState: async () => JSON.stringify(seal(readState(stateFile)), undefined, 2),
    dispose: () => rm(folder, { recursive: true, force: true }),
  };
}
