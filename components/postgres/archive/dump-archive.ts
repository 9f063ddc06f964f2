import { CutoverError } from "../../errors.ts";
import type { ConnectionTarget, ReachedTarget } from "../connection.ts";
import { openRelay } from "../relay.ts";
import type { ArchiveClient } from "./client.ts";
import { runClient } from "./run-client.ts";

/**
 * The whole database as an archive in pg_dump's custom format, chunk by chunk. It ends with an error where pg_dump did:
 * whoever reads it to its end without one has all of it.
 *
 * @throws CutoverError `ARCHIVE_NOT_MADE`, and those of the relay to a server whose certificate is pinned; whatever `signal`
 *   was aborted with
 */
export async function* dumpArchive(
  client: ArchiveClient,
  database: ConnectionTarget,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const relay = await openRelay(database);
  try {
    yield* dumpOf(client, relay.reached, signal);
  } catch (error) {
    throw relay.failure() ?? error;
  } finally {
    await relay.close();
  }
}

async function* dumpOf(
  client: ArchiveClient,
  database: ReachedTarget,
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
    const { status } = await run.ended;
    if (status !== 0) throw notMade(client);
  } finally {
    run.kill();
  }
}

function notMade({ version }: ArchiveClient): CutoverError {
  return new CutoverError({
    code: "ARCHIVE_NOT_MADE",
    message: `pg_dump ${version} could not read all of the old database. It still runs as it did.`,
    remedy: "The old server's log has the reason. Mend it, then run again.",
  });
}
