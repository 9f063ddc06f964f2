import { fork } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import { readProject } from "../world/engine/mocks/project.ts";

export const repository = resolve(import.meta.dirname, "../..");

export interface ProgramSetting {
  /** By full key, everything but text as JSON. */
  readonly config: Record<string, string>;
  readonly secretKeys: string[];
  readonly preview: boolean;
  readonly main: string;
}

/** One resource as the program asked the engine for it. */
export interface DeclaredResource {
  readonly type: string;
  readonly name: string;
  /** Secrets are wrapped as on Pulumi's wire; the dynamic provider's text is left out. */
  readonly inputs: Record<string, unknown>;
  readonly provider: string | undefined;
  /** Names of the resources that must be finished before. */
  readonly dependencies: readonly string[];
  readonly parent: string;
  readonly isProtected: boolean;
  readonly secretOutputs: readonly string[];
}

export interface ProgramRun {
  readonly resources: readonly DeclaredResource[];
  readonly outputs: Record<string, unknown>;
  /** Why the program ended early. */
  readonly error: string | undefined;
}

/** Runs the program under Pulumi's testing mocks with the stack's configuration completed from `Pulumi.yaml`. */
export async function runProgram(
  values: Record<string, unknown>,
  options: { preview?: boolean; secrets?: Record<string, string>; environment?: Record<string, string> } = {},
): Promise<ProgramRun> {
  const secrets = Object.entries(options.secrets ?? {}).map(
    ([key, value]) => [`railway-pgvector-cutover:${key}`, value] as const,
  );
  const project = readProject(repository, "prod", values);
  if (project.problems.length > 0) throw new Error(project.problems.join("; "));
  const setting: ProgramSetting = {
    config: { ...project.config, ...Object.fromEntries(secrets) },
    secretKeys: secrets.map(([key]) => key),
    preview: options.preview ?? false,
    main: join(repository, project.main),
  };
  const child = fork(join(import.meta.dirname, "program-process.ts"), {
    cwd: repository,
    env: { ...process.env, ...options.environment },
    execArgv: [],
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (chunk) => {
      printed += chunk;
    });
  }
  const ended = once(child, "exit").then(() => {
    throw new Error(`the program ended without a report:\n${printed}`);
  });
  ended.catch(() => {});
  child.send(setting);
  const [run] = await Promise.race([once(child, "message"), ended]);
  return run as ProgramRun;
}

/** The resources of the program by name. */
export function byName(run: ProgramRun): Record<string, DeclaredResource> {
  if (run.error !== undefined) throw new Error(run.error);
  return Object.fromEntries(run.resources.map((resource) => [resource.name, resource]));
}
