import { createHash } from "node:crypto";
import type pg from "pg";
import { decrypt, encrypt, newEphemeralKey } from "../../backup/encryption.ts";
import type { BackupStore } from "../../backup/store.ts";
import { CutoverError } from "../../errors.ts";
import type { ArchiveClient } from "../../postgres/archive/client.ts";
import {
  type DatabaseContents,
  differencesOf,
  readContents,
} from "../../postgres/archive/database-contents.ts";
import { dumpArchive } from "../../postgres/archive/dump-archive.ts";
import { restoreArchive } from "../../postgres/archive/restore-archive.ts";
import { createLike, dropDatabase, scratchDatabases } from "../../postgres/archive/scratch-database.ts";
import type { ConnectionTarget } from "../../postgres/connection.ts";
import type { Reporter } from "../reporter.ts";
import type { RestoredBackup } from "./evidence.ts";
import type { FinishedEntry } from "./finished-entry.ts";

export interface FinalBackupWork {
  readonly to: "path" | "s3";
  readonly store: BackupStore;
  /** Who shall be able to read it. */
  readonly recipients: readonly string[];
  readonly client: ArchiveClient;
  /** The copy of the old database, without its fence; dropped once it is dumped. */
  readonly copy: ConnectionTarget;
  /** The old database itself: what the restored one is made like. */
  readonly original: string;
  readonly contents: DatabaseContents;
  readonly searchPath: string;
  /** On the old server, in another database. */
  readonly maintenance: pg.Client;
  readonly workers: number;
  readonly signal: AbortSignal;
  readonly reporter: Reporter;
}

/**
 * The name under which the final backup of a migration's source is stored: another migration never overwrites it. The journal
 * says what the service was called, so that one that is renamed, or configured by its id from now on, keeps it.
 */
export function backupName({ id, record }: Pick<FinishedEntry, "id" | "record">): string {
  const { serviceName } = record.context.source;
  return `${serviceName.replaceAll(/[^A-Za-z0-9._-]/g, "_")}-${id}.dump.age`;
}

/**
 * Dumps the copy, encrypts it on the way and stores it; then reads the stored bytes back, decrypts them and restores them
 * into a database of its own, and compares that with what was dumped. Nothing of it is ever in clear on this machine's disk.
 *
 * The operator's private key is not needed and not asked for: the archive is encrypted for one more key, which was made for
 * this proof, never leaves this process's memory and ends with it.
 *
 * @throws CutoverError `BACKUP_NOT_STORED`, `BACKUP_NOT_READABLE`, `BACKUP_CHANGED`, `BACKUP_DIFFERS`, `ARCHIVE_NOT_MADE`,
 *   `ARCHIVE_NOT_RESTORED`
 */
export async function makeFinalBackup(work: FinalBackupWork): Promise<RestoredBackup> {
  const { store, client, copy, reporter, signal, maintenance } = work;
  const key = await newEphemeralKey();
  const archive = await encrypt(dumpArchive(client, copy, signal), [...work.recipients, key.recipient]);
  const written = new Measured(archive);
  try {
    await store.write(written);
  } finally {
    // Where the store gave up, pg_dump would wait for a reader for ever.
    archive.destroy();
  }
  reporter.detail(`final backup stored at ${store.place}: ${written.bytes} bytes, encrypted`);
  const object = await store.look();
  if (object === undefined || object.bytes !== written.bytes) throw changed(store.place);
  await dropDatabase(maintenance, scratchDatabases.copy);

  const restored = { ...copy, database: scratchDatabases.restored };
  await createLike(maintenance, work.original, restored.database);
  const read = new Measured(await store.read());
  await restoreArchive(await decrypt(read, key.identity), {
    client,
    database: restored,
    searchPath: work.searchPath,
    signal,
  });
  await read.drain();
  if (read.sha256 !== written.sha256) throw changed(store.place);
  const differences = differencesOf(work.contents, await readContents(restored, work));
  if (differences.length > 0) throw differs(store.place, differences);
  await dropDatabase(maintenance, restored.database);
  reporter.detail(`read back, restored once and equal: ${work.contents.tables.length} tables`);
  return {
    to: work.to,
    place: store.place,
    bytes: written.bytes,
    sha256: written.sha256,
    version: object.version,
    recipients: work.recipients.toSorted(),
    restoredAt: new Date().toISOString(),
    clientVersion: client.version,
    searchPath: work.searchPath,
  };
}

/** Reads the stored bytes once more; throws `BACKUP_CHANGED` where they are not those that were restored. */
export async function assertBackupWhole(store: BackupStore, evidence: RestoredBackup): Promise<void> {
  const read = new Measured(await store.read());
  await read.drain();
  if (read.sha256 !== evidence.sha256) throw changed(store.place);
}

/** A stream that counts and hashes what passes. Whoever reads it may stop early; the rest can be drained. */
class Measured implements AsyncIterable<Uint8Array> {
  readonly #hash = createHash("sha256");
  readonly #iterator: AsyncIterator<Uint8Array>;
  #bytes = 0;
  #sha256: string | undefined;

  constructor(content: AsyncIterable<Uint8Array>) {
    this.#iterator = content[Symbol.asyncIterator]();
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Of everything, once it was read to its end. */
  get sha256(): string {
    this.#sha256 ??= this.#hash.digest("hex");
    return this.#sha256;
  }

  async drain(): Promise<void> {
    for await (const _chunk of this);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return {
      next: async () => {
        const result = await this.#iterator.next();
        if (result.done !== true) {
          this.#bytes += result.value.byteLength;
          this.#hash.update(result.value);
        }
        return result;
      },
    };
  }
}

function changed(place: string): CutoverError {
  return new CutoverError({
    code: "BACKUP_CHANGED",
    message: `What lies at ${place} is not what this run stored there.`,
    remedy: "Find out who else writes there, or whether the place loses data; then run again.",
  });
}

function differs(place: string, differences: readonly string[]): CutoverError {
  return new CutoverError({
    code: "BACKUP_DIFFERS",
    message: `The final backup at ${place} was restored, but is not what was dumped: ${differences.slice(0, 20).join(", ")}. It does not count; the old database still runs as it did.`,
    remedy:
      "Find out what pg_dump does not carry of these objects; or make and check a backup of your own and name it (removal.finalBackup.to: own).",
  });
}
