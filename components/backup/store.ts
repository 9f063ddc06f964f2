import type { S3Credentials, StoredFinalBackup } from "./destination.ts";
import { createFileStore } from "./file-store.ts";
import { createS3Store } from "./s3-store.ts";

/** What is stored under the name, as far as can be told without reading it. */
export interface StoredObject {
  readonly bytes: number;
  /** Changes with the content: an ETag; `null` where the place has none. */
  readonly version: string | null;
}

/** One object in one place. It appears there complete or not at all. */
export interface BackupStore {
  /** For people, free of secrets: `/mnt/backups/x.age`, `s3://bucket/x.age`. */
  readonly place: string;
  /**
   * Stores the content in the place of what was there. What an interrupted write left is cleared first.
   *
   * @throws CutoverError `BACKUP_NOT_STORED`; whatever reading the content throws, and then nothing is stored
   */
  write(content: AsyncIterable<Uint8Array>): Promise<void>;
  /** The stored bytes. Throws `BACKUP_NOT_READABLE`. */
  read(): Promise<AsyncIterable<Uint8Array>>;
  /** `undefined` where nothing complete is stored. Throws `BACKUP_NOT_READABLE` where that cannot be told. */
  look(): Promise<StoredObject | undefined>;
}

/**
 * The place for an object of that name.
 *
 * @throws CutoverError `BACKUP_CREDENTIALS_MISSING`
 */
export function openStore(
  destination: StoredFinalBackup,
  name: string,
  credentials: S3Credentials | undefined,
): BackupStore {
  switch (destination.to) {
    case "path":
      return createFileStore(destination.folder, name);
    case "s3":
      return createS3Store(destination, name, credentials);
    default:
      return destination satisfies never;
  }
}
