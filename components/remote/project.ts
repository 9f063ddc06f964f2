import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { CutoverError } from "../errors.ts";

const run = promisify(execFile);

/** The project as it goes to the runner. */
export interface ProjectFiles {
  readonly commit: string;
  /** A gzipped tar of what the program needs. */
  readonly archive: Buffer;
}

/**
 * Packs the files of the commit that is checked out. A commit, and not the working tree: what moves the data can be looked
 * up afterwards. A tar, and not a clone: it needs no access to the repository from inside, and the commit need not be
 * pushed. Tests, benchmarks and documents stay here.
 *
 * @throws CutoverError `PROJECT_NOT_COMMITTED` when files were changed since, `PROJECT_NOT_IN_GIT`
 */
export async function packProject(folder: string): Promise<ProjectFiles> {
  const git = async (...parameters: string[]) => {
    const options = { cwd: folder, encoding: "buffer", maxBuffer: 64 * 1024 * 1024 } as const;
    return (await run("git", parameters, options).catch(notInGit)).stdout;
  };
  const commit = (await git("rev-parse", "HEAD")).toString().trim();
  const changes = (await git("status", "--porcelain", "--", ".", ...leftOut)).toString().trim();
  if (changes !== "") throw notCommitted(changes.split("\n").map((line) => line.slice(2).trim()));
  const archive = await git("archive", "--format=tar", "HEAD", "--", ".", ...leftOut);
  return { commit, archive: gzipSync(archive, { level: 9 }) };
}

const leftOut = [":!test", ":!bench", ":!docs", ":!.ci", ":!.github"];

function notInGit(cause: unknown): never {
  throw new CutoverError({
    code: "PROJECT_NOT_IN_GIT",
    message:
      "git cannot tell the commit of this folder, so the project cannot be sent to the runner. Nothing was begun.",
    remedy:
      "Run the script in the project's folder, in a clone with at least one commit, with git installed.",
    cause,
  });
}

function notCommitted(files: readonly string[]): CutoverError {
  const some = files.slice(0, 5).join(", ") + (files.length > 5 ? " and others" : "");
  return new CutoverError({
    code: "PROJECT_NOT_COMMITTED",
    message: `The project differs from its commit (${some}). The runner takes the commit, so the differences would not run. Nothing was begun.`,
    remedy: "Commit or undo them, the stack's configuration included, then run the same command again.",
  });
}
