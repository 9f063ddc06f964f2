import { createHash } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { z } from "zod";
import { CutoverError } from "../../components/errors.ts";
import { replaceFile } from "./env-files.ts";
import { fileFailure } from "./file-failure.ts";

const fileRecordSchema = z.object({
  location: z.string(),
  /** Whether the file was made. */
  created: z.boolean(),
  /** The value that stood there, as it was written; `null` where the variable was added. */
  former: z.string().nullable(),
  /** What was added, its value left out; `null` where a value was replaced. */
  addition: z.object({ before: z.string(), after: z.string() }).nullable(),
  /** SHA-256 of the value that was written: only that is taken back. */
  written: z.string(),
});

const undoRecordSchema = z.object({ version: z.literal(1), files: z.array(fileRecordSchema) });

export type FileRecord = z.infer<typeof fileRecordSchema>;

/**
 * What taking back needs, outside of the monorepo, where no commit can catch it; readable by its owner alone. Former
 * values are in it, which stood in files of the same owner.
 */
export function undoLocation(root: string, environment: NodeJS.ProcessEnv = process.env): string {
  const state = environment.XDG_STATE_HOME ?? "";
  const folder = path.isAbsolute(state) ? state : path.join(homedir(), ".local/state");
  return path.join(folder, "railway-pgvector-cutover", `local-env-${hashOf(root).slice(0, 16)}.json`);
}

/** Empty where nothing is to be taken back. Throws `LOCAL_ENV_UNDO_UNREADABLE`. */
export async function readUndo(location: string): Promise<FileRecord[]> {
  const text = await readFile(location, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw fileFailure(location, error);
  });
  if (text === null) return [];
  try {
    return undoRecordSchema.parse(JSON.parse(text)).files;
  } catch {
    throw new CutoverError({
      code: "LOCAL_ENV_UNDO_UNREADABLE",
      message: `${location} does not read as this version writes it, so it is not known what was written. Nothing was changed.`,
      remedy: "Take LLM_DATABASE_URL out of the files by hand, then delete that file.",
    });
  }
}

export async function writeUndo(location: string, files: readonly FileRecord[]): Promise<void> {
  try {
    if (files.length === 0) await rm(location, { force: true });
    else await replaceFile(location, JSON.stringify({ version: 1, files }), 0o600);
  } catch (error) {
    throw fileFailure(location, error);
  }
}

export function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
