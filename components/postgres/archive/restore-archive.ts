import { pipeline } from "node:stream/promises";
import type { ConnectionTarget } from "../connection.ts";
import type { ArchiveClient } from "./client.ts";
import { archiveFailed, runClient } from "./run-client.ts";

/**
 * Restores an archive into an empty database as it comes in.
 *
 * @throws CutoverError `ARCHIVE_NOT_RESTORED`; whatever reading the archive throws, or `signal` was aborted with
 */
export async function restoreArchive(
  client: ArchiveClient,
  archive: AsyncIterable<Uint8Array>,
  database: ConnectionTarget,
  signal: AbortSignal,
): Promise<void> {
  const run = runClient(client.restorePath, ["--no-password", `--dbname=${database.database}`], {
    database,
    purpose: "restore",
    readOnly: false,
    signal,
  });
  run.child.stdout.resume();
  let readingFailure: { readonly error: unknown } | undefined;
  try {
    // One that has failed does not read on: what it said is the reason, and not the pipe that it closed.
    await pipeline(watched(archive, (error) => (readingFailure = { error })), run.child.stdin).catch(() => {});
    if (readingFailure !== undefined) throw readingFailure.error;
    const { status, errors } = await run.ended;
    const grave = errors.filter((line) => !isHarmless(line));
    if (status === 0 || (errors.length > 0 && grave.length === 0)) return;
    throw archiveFailed(
      "ARCHIVE_NOT_RESTORED",
      `pg_restore ${client.version} could not restore the final backup into an empty database of the old server`,
      grave,
    );
  } finally {
    run.kill();
  }
}

/** A pg_restore of 17 or newer sets what an older server does not know, and goes on (`pg_backup_archiver.c`). */
function isHarmless(line: string): boolean {
  return line.includes('unrecognized configuration parameter "transaction_timeout"');
}

async function* watched(
  archive: AsyncIterable<Uint8Array>,
  onFailure: (error: unknown) => void,
): AsyncGenerator<Uint8Array> {
  try {
    yield* archive;
  } catch (error) {
    onFailure(error);
    throw error;
  }
}
