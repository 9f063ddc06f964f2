import { randomBytes } from "node:crypto";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { type ChildResult, type RunningChild, runChild, startChild } from "./child.ts";
import { readSteps } from "./cli-events.ts";
import { findProvider, isAlive } from "./cli-processes.ts";
import { type Engine, type EngineOptions, type EngineResult, hasChanges } from "./engine.ts";

/** The real CLI, with what only it can do. */
export interface CliEngine extends Engine {
  /** Begins an `up` and returns at once; disposing of the engine kills what is left of it. */
  startUp(): Promise<RunningUp>;
  /** An `up`, a refresh and the like with other parameters than the engine's usual ones. */
  operate(parameters: readonly string[]): Promise<EngineResult>;
  /** Any other command on the stack, such as `cancel`. */
  run(parameters: readonly string[]): Promise<ChildResult>;
}

/** An `up` under way, to be treated as people and machines treat one. */
export interface RunningUp extends Omit<RunningChild, "ended"> {
  readonly ended: Promise<EngineResult>;
  /** The process of the dynamic providers; Pulumi puts it into a process group of its own. */
  providerPid(): Promise<number>;
}

/**
 * Drives the real CLI. Its backend, the stack's configuration and its passphrase live in a temporary folder: nothing
 * is written to the project's.
 *
 * The CLI is called directly rather than through the Automation API because that hides exit codes and writes the
 * configuration into the project; the event log it reads is the same.
 */
export async function createCliEngine(options: EngineOptions, version: string): Promise<CliEngine> {
  const folder = await mkdtemp(join(tmpdir(), "cutover-engine-"));
  const configFile = join(folder, `Pulumi.${options.stack}.yaml`);
  const eventLog = join(folder, "events.jsonl");
  const environment = {
    ...options.environment,
    PULUMI_BACKEND_URL: `file://${join(folder, "backend")}`,
    PULUMI_CONFIG_PASSPHRASE: randomBytes(16).toString("hex"),
    PULUMI_SKIP_UPDATE_CHECK: "true",
    // `--event-log` is one of the flags that this uncovers; the Automation API does the same.
    PULUMI_DEBUG_COMMANDS: "true",
  };

  function pulumi(
    parameters: readonly string[],
    workingDirectory: string,
    onOutput?: (chunk: string) => void,
  ): Promise<ChildResult> {
    return runChild("pulumi", [...parameters, "--non-interactive"], {
      workingDirectory,
      environment,
      onOutput,
    });
  }

  async function query(parameters: readonly string[], workingDirectory: string): Promise<string> {
    const { exitCode, standardOutput, output } = await pulumi(parameters, workingDirectory);
    if (exitCode !== 0) throw new Error(`pulumi ${parameters.join(" ")} failed:\n${output}`);
    return standardOutput;
  }

  const providers = new Set<number>();

  const operation = (parameters: readonly string[]) => [
    ...parameters,
    ...["--stack", options.stack, "--config-file", configFile, "--event-log", eventLog],
  ];

  async function operate(parameters: readonly string[]): Promise<EngineResult> {
    await rm(eventLog, { force: true });
    return resultOf(await pulumi(operation(parameters), options.projectDirectory, options.onOutput));
  }

  async function resultOf({ exitCode, output }: ChildResult): Promise<EngineResult> {
    const steps = await readSteps(eventLog);
    return { exitCode, output, steps, changes: hasChanges(steps) };
  }

  async function startUp(): Promise<RunningUp> {
    await rm(eventLog, { force: true });
    const child = startChild("pulumi", [...operation(up), "--non-interactive"], {
      workingDirectory: options.projectDirectory,
      environment,
      onOutput: options.onOutput,
    });
    const providerPid = async () => {
      const pid = await findProvider(child.pid);
      providers.add(pid);
      return pid;
    };
    return { ...child, ended: child.ended.then(resultOf), providerPid };
  }

  async function setConfig(values: Record<string, unknown>): Promise<void> {
    const settings = await readSettings(configFile);
    const project = parse(await readFile(join(options.projectDirectory, "Pulumi.yaml"), "utf8"));
    for (const [key, value] of Object.entries(values)) {
      settings.config[key.includes(":") ? key : `${project.name}:${key}`] = value;
    }
    await writeFile(configFile, stringify(settings, { keepUndefined: false }));
  }

  await mkdir(join(folder, "backend"));
  // `stack init` takes no --config-file and writes the key's salt next to a Pulumi.yaml: to this copy.
  await copyFile(join(options.projectDirectory, "Pulumi.yaml"), join(folder, "Pulumi.yaml"));
  await query(["stack", "init", options.stack, "--no-select"], folder);
  await setConfig(options.config);

  return {
    description: `Pulumi CLI ${version}`,
    kind: "cli",
    preview: ({ expectNoChanges = false } = {}) =>
      operate(["preview", ...(expectNoChanges ? ["--expect-no-changes"] : [])]),
    up: ({ expectNoChanges = false } = {}) =>
      operate([...up, ...(expectNoChanges ? ["--expect-no-changes"] : [])]),
    refresh: ({ previewOnly = false, expectNoChanges = false } = {}) =>
      operate([
        "refresh",
        ...(previewOnly ? ["--preview-only"] : ["--yes", "--skip-preview"]),
        ...(expectNoChanges ? ["--expect-no-changes"] : []),
      ]),
    destroy: ({ ignoreProtect = false } = {}) =>
      operate(["destroy", "--yes", "--skip-preview", ...(ignoreProtect ? ["--ignore-protect"] : [])]),
    startUp,
    operate,
    run: (parameters) =>
      pulumi([...parameters, "--stack", options.stack], options.projectDirectory, options.onOutput),
    setConfig,
    outputs: async () =>
      JSON.parse(
        await query(["stack", "output", "--json", "--stack", options.stack], options.projectDirectory),
      ),
    exportState: () => query(["stack", "export", "--stack", options.stack], options.projectDirectory),
    dispose: async () => {
      for (const pid of providers) if (await isAlive(pid)) process.kill(pid, "SIGKILL");
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const up = ["up", "--yes", "--skip-preview"];

/** The stack's settings file; the CLI keeps the salt of its key there too. */
async function readSettings(file: string): Promise<{ config: Record<string, unknown> }> {
  const settings = parse(await readFile(file, "utf8"));
  return { ...settings, config: settings.config ?? {} };
}
