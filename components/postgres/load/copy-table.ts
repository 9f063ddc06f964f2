import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import type pg from "pg";
import { type CopyStreamQuery, type CopyToStreamQuery, from, to } from "pg-copy-streams";
import { CutoverError, sqlState } from "../../errors.ts";
import { copyFailed } from "./errors.ts";

/** The statements that send and take the rows. */
export interface CopyStatements {
  readonly read: string;
  readonly write: string;
  /** Tried in its place first where it is given. */
  readonly writeFrozen?: string;
}

export interface CopyProgress {
  onBytes(bytes: number): void;
  /** Called when the source's session is free. The target may have yet to say that it took the last rows. */
  onRead(): void;
}

/**
 * Streams one table from a source session to a target session; at most a few socket buffers of it are in memory.
 * After a failure neither session can be used any more: they are left in the middle of their COPY.
 *
 * @param label the table's name for messages
 * @returns the number of rows, which both servers reported alike
 * @throws CutoverError `COPY_FAILED`
 */
export async function copyTable(
  source: pg.Client,
  target: pg.Client,
  label: string,
  { read, write, writeFrozen }: CopyStatements,
  { onBytes, onRead }: CopyProgress,
): Promise<number> {
  const frozen = writeFrozen === undefined ? undefined : await startFrozen(target, label, writeFrozen);
  const sender = to(read);
  const sent = answerOf(sender).then(onRead);
  const reader = source.query(sender);
  const writer = frozen ?? target.query(from(write));
  await pump(reader, writer, label, { onBytes, sent });
  if (reader.rowCount !== writer.rowCount) {
    throw new CutoverError({
      code: "COPY_FAILED",
      message: `The source sent ${reader.rowCount} rows of ${label}, but the target took ${writer.rowCount}.`,
      remedy:
        "Look for rules or triggers on that table of the target, which must not exist yet, then run again.",
    });
  }
  return writer.rowCount;
}

/**
 * Waits until the target takes rows, before the source begins to send some that nobody would take.
 *
 * @returns `undefined` where somebody reads the table, such as a backup, and therefore keeps its lock from us
 * @throws CutoverError `COPY_FAILED`
 */
async function startFrozen(
  target: pg.Client,
  label: string,
  statement: string,
): Promise<CopyStreamQuery | undefined> {
  const writer = target.query(from(statement));
  try {
    await new Promise<void>((resolve, reject) => {
      // It stays: an error without a listener would end the process.
      writer.on("error", reject);
      // Written when the server has asked for rows: an empty message, which is none.
      writer.write("", () => resolve());
    });
    return writer;
  } catch (error) {
    if (sqlState(error) === "55P03") return undefined;
    throw copyFailed(label, "target", error);
  }
}

/**
 * When the server is ready for the session's next statement. The stream ends before that, with the last row: a session
 * that is ended then is cut, and its number of rows is not known yet.
 */
function answerOf(query: CopyToStreamQuery): Promise<void> {
  return new Promise((resolve) => {
    Object.assign(query, { handleReadyForQuery: resolve });
  });
}

/**
 * Like `stream.pipeline`, but never destroys the writer: that would send the reader's error text, which may quote a
 * row, to the target and into its log. The caller cuts both connections instead.
 */
async function pump(
  reader: Readable,
  writer: Writable,
  label: string,
  { onBytes, sent }: Pick<CopyProgress, "onBytes"> & { readonly sent: Promise<void> },
): Promise<void> {
  const failed = new AbortController();
  const writerFailure = new Promise<never>((_resolve, reject) => {
    writer.on("error", (error) => reject(copyFailed(label, "target", error)));
  });
  const readerFailure = new Promise<never>((_resolve, reject) => {
    reader.on("error", (error) => reject(copyFailed(label, "source", error)));
  });
  const move = async () => {
    for await (const chunk of reader) {
      onBytes(chunk.length);
      if (!writer.write(chunk)) await once(writer, "drain", { signal: failed.signal });
    }
    const finished = once(writer, "finish", { signal: failed.signal });
    writer.end();
    await Promise.all([finished, sent]);
  };
  const moved = move();
  // The race is lost by two of the three; what they end with later is no news.
  for (const ending of [moved, writerFailure, readerFailure]) ending.catch(() => {});
  try {
    await Promise.race([readerFailure, writerFailure, moved]);
  } catch (error) {
    throw error instanceof CutoverError ? error : copyFailed(label, "target", error);
  } finally {
    failed.abort();
  }
}
