import { execFile } from "node:child_process";
import { access, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { serverAccount } from "./account.ts";
import type { Installation } from "./installation.ts";

const run = promisify(execFile);

/** Every PostgreSQL server installed on this machine, the oldest first. */
export async function installedPostgres(): Promise<Installation[]> {
  const found = await Promise.all((await candidateFolders()).map(inspect));
  return found.filter((one) => one !== undefined).sort((a, b) => a.majorVersion - b.majorVersion);
}

async function candidateFolders(): Promise<string[]> {
  const debian = "/usr/lib/postgresql";
  const versions = await readdir(debian).catch(() => []);
  const path = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  return [...new Set([...versions.map((version) => join(debian, version, "bin")), ...path])];
}

async function inspect(folder: string): Promise<Installation | undefined> {
  const programs = ["postgres", "initdb"].map((program) => access(join(folder, program)));
  if ((await Promise.allSettled(programs)).some(({ status }) => status === "rejected")) return undefined;
  const version = await serverVersion(join(folder, "postgres"));
  if (version === undefined) return undefined;
  const hasPgvector = await hasVectorExtension(folder);
  const account = await serverAccount();
  return {
    version,
    majorVersion: Number.parseInt(version, 10),
    hasPgvector,
    origin: `PostgreSQL ${version}${hasPgvector ? " + pgvector" : ""} installed on this machine`,
    dataParent: tmpdir(),
    account,
    settings: {},
    pathInside: (path) => path,
    command: (program, args) => ({ file: join(folder, program), args, options: account ?? {} }),
  };
}

/** The version that a `postgres` program states, or `undefined` when it does not run. */
export async function serverVersion(program: string): Promise<string | undefined> {
  const { stdout } = await run(program, ["--version"]).catch(() => ({ stdout: "" }));
  return /\(PostgreSQL\) (\d+[.\d]*)/.exec(stdout)?.[1];
}

async function hasVectorExtension(folder: string): Promise<boolean> {
  try {
    const { stdout } = await run(join(folder, "pg_config"), ["--sharedir"]);
    await access(join(stdout.trim(), "extension", "vector.control"));
    return true;
  } catch {
    return false;
  }
}
