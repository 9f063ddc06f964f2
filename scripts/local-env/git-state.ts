import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";

/**
 * What git does with a file: `tracked` and `unignored` ones end up in commits; `unknown` without git or outside of a
 * repository.
 */
export type GitState = "ignored" | "tracked" | "unignored" | "unknown";

/** Asks git about one file, which need not exist. */
export async function gitState(location: string): Promise<GitState> {
  const folder = path.dirname(location);
  const file = path.basename(location);
  if ((await exitCode(folder, ["rev-parse", "--is-inside-work-tree"])) !== 0) return "unknown";
  if ((await exitCode(folder, ["ls-files", "--error-unmatch", "--", file])) === 0) return "tracked";
  // 0: ignored, 1: not, else an error (git-check-ignore(1), exit status).
  const ignored = await exitCode(folder, ["check-ignore", "--quiet", "--", file]);
  return ignored === 0 ? "ignored" : ignored === 1 ? "unignored" : "unknown";
}

async function exitCode(folder: string, command: readonly string[]): Promise<number | null> {
  try {
    await promisify(execFile)("git", ["-C", folder, ...command]);
    return 0;
  } catch (error) {
    const { code } = error as { code?: number | string };
    return typeof code === "number" ? code : null;
  }
}
