import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, realpath, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { CutoverError } from "../../components/errors.ts";
import { fileFailure } from "./file-failure.ts";

/** A file that holds the variable, or is to. Its text is a secret. */
export interface EnvFile {
  /** As the operator knows it: from the monorepo's root. */
  readonly name: string;
  /** Where it really is, behind symbolic links. */
  readonly location: string;
  /** A character a byte (latin1); `null` where there is no such file yet. */
  readonly text: string | null;
  /** Permission bits; of a file that is still to be made: readable by its owner alone. */
  readonly mode: number;
}

/** The files of the monorepo that `LLM_DATABASE_URL` is read from on a developer's machine. */
export const envFileNames = ["apps/doctor/.env.local", "packages/database/.env", ".env"] as const;

/**
 * Reads the files. Two names that lead to one file are read once.
 *
 * @throws CutoverError `LOCAL_ENV_NOT_A_MONOREPO`, `LOCAL_ENV_OUTSIDE`, `LOCAL_ENV_FILE_FAILED`
 */
export async function readEnvFiles(monorepo: string): Promise<EnvFile[]> {
  const root = await findRoot(monorepo);
  const files: EnvFile[] = [];
  for (const name of envFileNames) {
    const file = await readEnvFile(root, name);
    if (!files.some(({ location }) => location === file.location)) files.push(file);
  }
  return files;
}

/** The monorepo's folder, behind symbolic links. */
export async function findRoot(monorepo: string): Promise<string> {
  const folders = envFileNames.map((name) => path.dirname(name)).filter((folder) => folder !== ".");
  const missing: string[] = [];
  for (const folder of folders) if (!(await isFolder(path.join(monorepo, folder)))) missing.push(folder);
  if (missing.length === 0) return realpath(monorepo);
  throw new CutoverError({
    code: "LOCAL_ENV_NOT_A_MONOREPO",
    message: `${monorepo} is not the application's monorepo: it has no folder ${missing.join(" and no ")}. Nothing was written.`,
    remedy: "Give the monorepo's root with --monorepo.",
  });
}

/** Replaces a file in one step, so that it is never half written; keeps its mode. `null` deletes it. */
export async function writeEnvFile({ name, location, mode }: EnvFile, text: string | null): Promise<void> {
  try {
    if (text === null) await rm(location, { force: true });
    else await replaceFile(location, Buffer.from(text, "latin1"), mode);
  } catch (error) {
    throw fileFailure(name, error);
  }
}

/** Writes a file through a temporary one beside it. Makes its folder, for its owner alone. */
export async function replaceFile(location: string, content: Buffer | string, mode: number): Promise<void> {
  await mkdir(path.dirname(location), { recursive: true, mode: 0o700 });
  const temporary = `${location}.${randomBytes(6).toString("hex")}.local`;
  const handle = await open(temporary, "wx", 0o600);
  try {
    await handle.writeFile(content);
    await handle.chmod(mode);
    await handle.sync();
    await rename(temporary, location);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
}

async function readEnvFile(root: string, name: string): Promise<EnvFile> {
  const given = path.join(root, name);
  const location = await realpath(given).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw fileFailure(name, error);
    return path.join(await realpath(path.dirname(given)), path.basename(given));
  });
  const inside = path.relative(root, location);
  if (inside.startsWith("..") || path.isAbsolute(inside)) {
    throw new CutoverError({
      code: "LOCAL_ENV_OUTSIDE",
      message: `${name} is a link to ${location}, outside of the monorepo. Nothing was written.`,
      remedy: "Set LLM_DATABASE_URL there by hand, or replace the link by a file.",
    });
  }
  try {
    const { mode } = await stat(location);
    return { name, location, text: await readFile(location, "latin1"), mode: mode & 0o777 };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw fileFailure(name, error);
    return { name, location, text: null, mode: 0o600 };
  }
}

async function isFolder(location: string): Promise<boolean> {
  return stat(location).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
