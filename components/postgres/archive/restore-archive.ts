import { pipeline } from "node:stream/promises";
import { CutoverError } from "../../errors.ts";
import type { ConnectionTarget, ReachedTarget } from "../connection.ts";
import { quoteLiteral } from "../identifiers.ts";
import { withRelay } from "../relay.ts";
import { silenceLogQuery } from "../silent-log.ts";
import type { ArchiveClient } from "./client.ts";
import { type ClientRun, runClient } from "./run-client.ts";

export interface RestoreOptions {
  readonly client: ArchiveClient;
  /** An empty one. */
  readonly database: ConnectionTarget;
  /** Under which the application's functions find what they name without a schema, as an SQL list of names. */
  readonly searchPath: string;
  readonly signal: AbortSignal;
}

/**
 * Restores an archive as it comes in: `pg_restore --file=- | psql`. Straight into a database pg_restore runs with an empty
 * search path, in which the functions of many a generated column or check fail; a script's first lines can be changed.
 *
 * @throws CutoverError `ARCHIVE_NOT_RESTORED`, and those of the relay to a server whose certificate is pinned; whatever
 *   reading the archive throws, or `signal` was aborted with
 */
export async function restoreArchive(
  archive: AsyncIterable<Uint8Array>,
  options: RestoreOptions,
): Promise<void> {
  await withRelay(options.database, (database) => restore(archive, { ...options, database }));
}

async function restore(
  archive: AsyncIterable<Uint8Array>,
  { client, database, searchPath, signal }: RestoreOptions & { readonly database: ReachedTarget },
): Promise<void> {
  const options = { database, purpose: "restore", readOnly: false, signal };
  const reader = runClient(client.restorePath, ["--file=-"], options);
  const writer = runClient(client.psqlPath, psqlArguments, options);
  writer.child.stdout.resume();
  let readingFailure: { readonly error: unknown } | undefined;
  const watched = failing(archive, (error) => {
    readingFailure = { error };
  });
  try {
    // A program that has failed reads no further: what it said is the reason, and not the pipe that it closed.
    await Promise.all([
      pipeline(watched, reader.child.stdin).catch(() => {}),
      pipeline(silently(withHeader(reader.child.stdout, searchPath)), writer.child.stdin).catch(() => {}),
    ]);
    signal.throwIfAborted();
    if (readingFailure !== undefined) throw readingFailure.error;
    await assertSucceeded(client, writer);
    await assertSucceeded(client, reader);
  } finally {
    reader.kill();
    writer.kill();
  }
}

/** Of the server's errors psql tells the SQLSTATE alone: their texts can quote values. */
const psqlArguments = [
  "--no-password",
  "--no-psqlrc",
  "--quiet",
  "--set=ON_ERROR_STOP=1",
  "--set=VERBOSITY=sqlstate",
];

async function assertSucceeded(client: ArchiveClient, run: ClientRun): Promise<void> {
  const { status, errors } = await run.ended;
  if (status === 0) return;
  const state = errors.map((line) => /ERROR: {2}([0-9A-Z]{5})$/.exec(line)?.[1]).find(Boolean);
  throw new CutoverError({
    code: "ARCHIVE_NOT_RESTORED",
    message: `The final backup could not be restored with the programs of PostgreSQL ${client.version} into an empty database of the old server${state === undefined ? "" : ` (SQLSTATE ${state})`}. The old database still runs as it did.`,
    remedy:
      "The statement is in no log, because the server would quote rows there. Restore the stored backup by hand (docs/runbook.md) to see it, mend what it stopped at, or make and restore a backup of your own and name it (removal.finalBackup.to: own).",
  });
}

/** Large objects are restored by statements that hold their content: not even where statements are logged may these be. */
async function* silently(script: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield Buffer.from(`${silenceLogQuery("'panic'")};\n`);
  yield* script;
}

/**
 * The script with this search path in the place of the empty one, and without what a pg_restore of 17 or newer sets and an
 * older server does not know (both in `pg_backup_archiver.c`).
 */
async function* withHeader(script: AsyncIterable<Buffer>, searchPath: string): AsyncGenerator<Buffer> {
  let header = "";
  let isThrough = false;
  for await (const chunk of script) {
    if (isThrough) {
      yield chunk;
      continue;
    }
    // Nothing but ASCII stands before the end of the header; bytes stay what they are.
    header += chunk.toString("latin1");
    if (!header.includes(emptySearchPath) && header.length < longestHeader) continue;
    isThrough = true;
    yield Buffer.from(edited(header, searchPath), "latin1");
  }
  if (!isThrough) yield Buffer.from(edited(header, searchPath), "latin1");
}

const emptySearchPath = "SELECT pg_catalog.set_config('search_path', '', false);";
const longestHeader = 64 * 1024;

function edited(header: string, searchPath: string): string {
  const path = Buffer.from(quoteLiteral(searchPath)).toString("latin1");
  return header
    .replace("\nSET transaction_timeout = 0;\n", "\n")
    .replace(emptySearchPath, () => emptySearchPath.replace("''", () => path));
}

async function* failing(
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
