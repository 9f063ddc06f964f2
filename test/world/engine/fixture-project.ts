import { cp, mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const repository = resolve(import.meta.dirname, "../../..");

export interface ProviderCall {
  readonly call: string;
  readonly olds?: Record<string, unknown>;
  readonly news?: Record<string, unknown>;
  readonly inputs?: Record<string, unknown>;
}

export interface FixtureProject {
  readonly directory: string;
  readonly environment: Record<string, string>;
  /** The path of a file in the folder of notes. */
  path(name: string): string;
  /** What the provider was asked since the last time, in order. */
  takeCalls(): Promise<ProviderCall[]>;
  remove(): Promise<void>;
}

/** A copy of the fixture project, for tests that change its code, with an empty folder of notes. */
export async function createFixtureProject(): Promise<FixtureProject> {
  const root = await mkdtemp(join(tmpdir(), "cutover-fixture-"));
  // The copy lies as deep as the original, so that its relative imports reach the linked folders.
  const directory = join(root, "test", "world", "engine", "fixture-project");
  const world = join(root, "notes");
  await mkdir(world);
  await cp(join(import.meta.dirname, "fixture-project"), directory, { recursive: true });
  for (const folder of ["components", "node_modules"]) {
    await symlink(join(repository, folder), join(root, folder));
  }
  const calls = join(world, "calls.jsonl");
  return {
    directory,
    environment: { FIXTURE_WORLD: world },
    path: (name) => join(world, name),
    async takeCalls() {
      const text = await readFile(calls, "utf8").catch(() => "");
      await rm(calls, { force: true });
      return text
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line));
    },
    remove: () => rm(root, { recursive: true, force: true }),
  };
}
