import { randomUUID } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import { CutoverError } from "../../components/errors.ts";

/**
 * Writes a bundle into a new folder that its owner alone may read: under another name first, then it is renamed, so that
 * the folder is either whole or not there. Without a pause for signals in between: a Ctrl-C waits for these milliseconds.
 *
 * @throws CutoverError `EVIDENCE_EXISTS`, `EVIDENCE_FILE_FAILED`
 */
export function writeBundle(folder: string, files: ReadonlyMap<string, string>): void {
  const whole = path.resolve(folder);
  const partial = `${whole}.partial-${randomUUID()}`;
  const wait = () => {};
  for (const signal of signals) process.on(signal, wait);
  try {
    if (existsSync(whole)) throw exists(folder);
    mkdirSync(partial, { mode: 0o700 });
    for (const [name, text] of files) writeDurably(path.join(partial, name), text);
    renameSync(partial, whole);
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    throw error instanceof CutoverError ? error : fileFailed(folder, error);
  } finally {
    for (const signal of signals) process.off(signal, wait);
  }
}

/**
 * Reads a bundle as it lies there: every entry of the folder by name, `null` for what is no regular file.
 *
 * @throws CutoverError `EVIDENCE_FILE_FAILED`
 */
export function readBundle(folder: string): ReadonlyMap<string, Uint8Array | null> {
  try {
    return new Map(
      readdirSync(folder).map((name) => {
        const file = path.join(folder, name);
        return [name, lstatSync(file).isFile() ? readFileSync(file) : null];
      }),
    );
  } catch (error) {
    throw fileFailed(folder, error);
  }
}

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

function writeDurably(file: string, text: string): void {
  const handle = openSync(file, "wx", 0o600);
  try {
    const bytes = Buffer.from(text);
    for (let written = 0; written < bytes.length; ) written += writeSync(handle, bytes, written);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function exists(folder: string): CutoverError {
  return new CutoverError({
    code: "EVIDENCE_EXISTS",
    message: `${folder} exists already. Nothing was written.`,
    remedy: "Name another folder with --out, or move that one away: evidence is never overwritten.",
  });
}

function fileFailed(folder: string, cause: unknown): CutoverError {
  const code = (cause as NodeJS.ErrnoException).code ?? "unknown error";
  return new CutoverError({
    code: "EVIDENCE_FILE_FAILED",
    message: `The bundle ${folder} could not be read or written (${code}).`,
    remedy:
      "Look at the folder's name, its rights and the room on the disk, then run again. A bundle is there whole or not at all.",
    cause,
  });
}
