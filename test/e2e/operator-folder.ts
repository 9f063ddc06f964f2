import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { root } from "../docs/markdown.ts";
import type { World } from "../world/world.ts";

/** The project as an operator has it, with a state of its own and the stack `trial` in phase cutover. */
export interface OperatorFolder extends AsyncDisposable {
  readonly path: string;
  /** For whatever is started in it. */
  readonly environment: Readonly<Record<string, string>>;
  run(
    command: string,
    args: readonly string[],
  ): Promise<{ readonly exitCode: number; readonly output: string }>;
}

/**
 * @param changes of the world's configuration
 * @param environment beside that of the world
 */
export async function makeOperatorFolder(
  world: World,
  environment: Readonly<Record<string, string>> = {},
  changes: Readonly<Record<string, unknown>> = {},
): Promise<OperatorFolder> {
  const folder = await mkdtemp(path.join(tmpdir(), "cutover-start-"));
  for (const name of ["components", "scripts", "node_modules", "index.ts", "start.js", "package.json"])
    await symlink(path.join(root, name), path.join(folder, name));
  await copyFile(path.join(root, "Pulumi.yaml"), path.join(folder, "Pulumi.yaml"));
  await mkdir(path.join(folder, "backend"));
  const all: Record<string, string> = {
    ...world.environment,
    PULUMI_BACKEND_URL: `file://${path.join(folder, "backend")}`,
    PULUMI_CONFIG_PASSPHRASE: randomBytes(16).toString("hex"),
    PULUMI_SKIP_UPDATE_CHECK: "true",
    ...environment,
  };
  async function run(command: string, args: readonly string[]) {
    const child = spawn(command, args, {
      cwd: folder,
      env: { ...process.env, ...all },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
    const [exitCode] = await once(child, "close");
    return { exitCode, output };
  }
  await run("pulumi", ["stack", "init", "trial", "--non-interactive"]);
  const accept = world.target.hasPgvector
    ? []
    : [{ code: "VECTOR_MISSING", object: "target", reason: "this machine has no pgvector" }];
  const config = Object.entries({ ...world.config, phase: "cutover", accept, ...changes });
  const named = config.map(([key, value]) => [`railway-pgvector-cutover:${key}`, value]);
  const file = path.join(folder, "Pulumi.trial.yaml");
  const salt = await readFile(file, "utf8");
  await writeFile(file, `${salt}\nconfig: ${JSON.stringify(Object.fromEntries(named))}\n`);
  return {
    path: folder,
    environment: all,
    run,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
