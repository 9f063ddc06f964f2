import { createReadStream } from "node:fs";
import { open, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { failing, readable } from "./failing-streams.ts";
import type { BackupStore } from "./store.ts";
import { notReadable, notStored } from "./store-errors.ts";

/** A file in a folder that exists: a folder made by mistake on the runner's own disk would be lost with it. */
export function createFileStore(folder: string, name: string): BackupStore {
  const place = path.join(folder, name);
  return {
    place,
    write: (content) => writeFile(place, content),
    async read() {
      try {
        const file = await open(place, "r");
        return readable(createReadStream(place, { fd: file, autoClose: true }), place);
      } catch (error) {
        throw notReadable(place, error);
      }
    },
    async look() {
      try {
        const { size } = await stat(place);
        return { bytes: size, version: null };
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw notReadable(place, error);
      }
    },
  };
}

/** Under another name until it is complete and on the disk; only the owner may read it, encrypted as it is. */
async function writeFile(place: string, content: AsyncIterable<Uint8Array>): Promise<void> {
  const partial = `${place}.partial`;
  let readingFailed = false;
  try {
    const file = await open(partial, "w", 0o600);
    try {
      for await (const chunk of failing(content, () => {
        readingFailed = true;
      })) {
        await file.writeFile(chunk);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(partial, place);
    await syncFolder(path.dirname(place));
  } catch (error) {
    await rm(partial, { force: true }).catch(() => {});
    throw readingFailed ? error : notStored(place, error);
  }
}

/** Without it the new name may be gone after a power cut (fsync(2)). */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === "ENOENT";
}
