import { CutoverError } from "../errors.ts";
import type { S3Credentials, StoredFinalBackup } from "./destination.ts";
import { failing, readable } from "./failing-streams.ts";
import { S3Object } from "./s3-object.ts";
import type { BackupStore } from "./store.ts";
import { notReadable, notStored } from "./store-errors.ts";

/**
 * An object of an S3-compatible service, written by a multipart upload: it appears when the upload is completed, and what
 * an interrupted one left is aborted by the next.
 *
 * @throws CutoverError `BACKUP_CREDENTIALS_MISSING`
 */
export function createS3Store(
  destination: Extract<StoredFinalBackup, { to: "s3" }>,
  name: string,
  credentials: S3Credentials | undefined,
): BackupStore {
  if (credentials === undefined) throw credentialsMissing();
  const { endpoint, region, bucket, prefix } = destination;
  const key = `${prefix}${name}`;
  const place = `s3://${bucket}/${key}`;
  const object = new S3Object({ endpoint, region, bucket, key }, credentials);
  return {
    place,
    write: (content) => upload(object, place, content),
    async read() {
      try {
        return readable(await object.get(), place);
      } catch (error) {
        throw notReadable(place, error);
      }
    },
    async look() {
      try {
        return await object.head();
      } catch (error) {
        throw notReadable(place, error);
      }
    },
  };
}

async function upload(object: S3Object, place: string, content: AsyncIterable<Uint8Array>): Promise<void> {
  let uploadId: string | undefined;
  let readingFailed = false;
  try {
    for (const id of await object.listUploads()) await object.abortUpload(id);
    uploadId = await object.createUpload();
    const etags: string[] = [];
    const watched = failing(content, () => {
      readingFailed = true;
    });
    for await (const part of inParts(watched)) {
      etags.push(await object.putPart(uploadId, etags.length + 1, part));
    }
    await object.completeUpload(uploadId, etags);
  } catch (error) {
    if (uploadId !== undefined) await object.abortUpload(uploadId).catch(() => {});
    throw readingFailed ? error : notStored(place, error);
  }
}

/** All parts but the last are at least 5 MiB, and there are 10,000 at most: so 640 GB fit. */
const partBytes = 64 * 1024 * 1024;

async function* inParts(content: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of content) {
    chunks.push(chunk);
    bytes += chunk.byteLength;
    if (bytes < partBytes) continue;
    yield Buffer.concat(chunks);
    chunks = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(chunks);
}

function credentialsMissing(): CutoverError {
  return new CutoverError({
    code: "BACKUP_CREDENTIALS_MISSING",
    message:
      "removal.finalBackup names an S3 bucket, but AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set.",
    remedy:
      "Set both in the environment of `pulumi` (and AWS_SESSION_TOKEN, where the credentials are temporary). They are read from nowhere else.",
  });
}
