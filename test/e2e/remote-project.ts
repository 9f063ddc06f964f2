import { execFileSync } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { root } from "../docs/markdown.ts";
import { type ChildResult, type RunningChild, runChild, startChild } from "../world/engine/child.ts";

/** The operator's clone of the project as it is here, with the stack `trial` committed. */
export interface RemoteProject {
  readonly folder: string;
  /** Runs one of the other scripts here, outside. */
  script(name: string): Promise<ChildResult>;
  cutoverRemote(...parameters: string[]): Promise<ChildResult>;
  startCutoverRemote(...parameters: string[]): RunningChild;
  /** Commits a changed configuration of the stack. */
  configure(config: Readonly<Record<string, unknown>>): Promise<void>;
  remove(): Promise<void>;
}

export async function createRemoteProject(
  config: Readonly<Record<string, unknown>>,
  environment: Record<string, string>,
): Promise<RemoteProject> {
  const above = await mkdtemp(path.join(tmpdir(), "remote-project-"));
  const folder = path.join(above, "project");
  await mkdir(folder);
  // Node and the engine look for packages in the folders above as well.
  await symlink(path.join(root, "node_modules"), path.join(above, "node_modules"));
  const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
  });
  const files = listed
    .toString()
    .split("\0")
    .filter((file) => file !== "" && !/^(test|bench|docs)\//.test(file));
  for (const file of files) await cp(path.join(root, file), path.join(folder, file));
  const git = (...parameters: string[]) => execFileSync("git", parameters, { cwd: folder, stdio: "ignore" });
  const commit = () => {
    git("add", "--all");
    git(
      "-c",
      "user.name=operator",
      "-c",
      "user.email=operator@clinic.example",
      "commit",
      "--allow-empty",
      "-m",
      "stack",
    );
  };
  const options = { workingDirectory: folder, environment };
  const pulumi = (...parameters: string[]) =>
    runChild("pulumi", [...parameters, "--non-interactive"], options);
  const script = path.join(folder, "scripts/cutover-remote.ts");
  const parametersOf = (parameters: readonly string[]) => [script, "--stack", "trial", ...parameters];
  let salt = "";
  const configure = async (changed: Readonly<Record<string, unknown>>) => {
    const values = Object.entries(changed).map(([key, value]) => [`railway-pgvector-cutover:${key}`, value]);
    // JSON is YAML.
    const text = JSON.stringify({ encryptionsalt: salt, config: Object.fromEntries(values) });
    await writeFile(path.join(folder, "Pulumi.trial.yaml"), text);
    commit();
  };
  git("init", "--initial-branch", "main");
  await pulumi("stack", "init", "trial", "--no-select");
  salt =
    /encryptionsalt: (\S+)/.exec(
      execFileSync("cat", [path.join(folder, "Pulumi.trial.yaml")]).toString(),
    )?.[1] ?? "";
  await configure(config);
  return {
    folder,
    script: (name) =>
      runChild(process.execPath, [path.join(folder, `scripts/${name}.ts`), "--stack", "trial"], options),
    cutoverRemote: (...parameters) => runChild(process.execPath, parametersOf(parameters), options),
    startCutoverRemote: (...parameters) => startChild(process.execPath, parametersOf(parameters), options),
    configure,
    remove: () => rm(above, { recursive: true, force: true }),
  };
}
