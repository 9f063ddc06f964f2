import type { ConnectionTarget } from "../connection.ts";
import type { ArchiveClient } from "./client.ts";
import { archiveFailed, runClient } from "./run-client.ts";

/**
 * The whole database as an archive in pg_dump's custom format, chunk by chunk. It ends with an error where pg_dump did:
 * whoever reads it to its end without one has all of it.
 *
 * @throws CutoverError `ARCHIVE_NOT_MADE`; whatever `signal` was aborted with
 */
export async function* dumpArchive(
  client: ArchiveClient,
  database: ConnectionTarget,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const run = runClient(client.dumpPath, ["--no-password", "--format=custom"], {
    database,
    purpose: "archive",
    readOnly: true,
    signal,
  });
  run.child.stdin.end();
  try {
    yield* run.child.stdout;
    const { status, errors } = await run.ended;
    if (status !== 0) {
      throw archiveFailed("ARCHIVE_NOT_MADE", `pg_dump ${client.version} could not read the old database`, errors);
    }
  } finally {
    run.kill();
  }
}
