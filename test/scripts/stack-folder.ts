import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { root } from "../docs/markdown.ts";

/** A folder as an operator has it: the project's description and the stack `trial`. */
export interface StackFolder {
  readonly path: string;
  /** Runs one of the scripts as an operator does; resolves with its exit code and what it printed. */
  script(
    name: string,
    args: readonly string[],
    environment?: Readonly<Record<string, string>>,
  ): Promise<ScriptResult>;
  remove(): Promise<void>;
}

export interface ScriptResult {
  readonly exitCode: number;
  readonly output: string;
  readonly errors: string;
}

/**
 * @param config the stack's configuration
 * @param environment what the scripts find in theirs beside this process's own
 */
export async function makeStackFolder(
  config: Readonly<Record<string, unknown>>,
  environment: Readonly<Record<string, string>>,
): Promise<StackFolder> {
  const folder = await mkdtemp(path.join(tmpdir(), "cutover-stack-"));
  await copyFile(path.join(root, "Pulumi.yaml"), path.join(folder, "Pulumi.yaml"));
  const values = Object.entries(config).map(([key, value]) => [`railway-pgvector-cutover:${key}`, value]);
  // JSON is YAML.
  const stack = JSON.stringify({ config: Object.fromEntries(values) });
  await writeFile(path.join(folder, "Pulumi.trial.yaml"), stack);
  return {
    path: folder,
    script: (name, args, changes = {}) =>
      runScript(path.join(root, "scripts", `${name}.ts`), args, folder, { ...environment, ...changes }),
    remove: () => rm(folder, { recursive: true }),
  };
}

/** Runs a script with Node in a folder; the environment is this process's own with the changes. */
export async function runScript(
  file: string,
  args: readonly string[],
  folder: string,
  changes: Readonly<Record<string, string>>,
): Promise<ScriptResult> {
  const child = spawn(process.execPath, [file, ...args], {
    cwd: folder,
    env: { ...process.env, ...changes },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [output, errors, [exitCode]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  return { exitCode, output, errors };
}
