import { CutoverError, describeError } from "../errors.ts";

/** The backup could not be written: nothing under its name counts. */
export function notStored(place: string, cause: unknown): CutoverError {
  return new CutoverError({
    code: "BACKUP_NOT_STORED",
    message: `The final backup could not be stored at ${place} (${describeError(cause)}). The old database still runs as it did.`,
    remedy:
      "Check that the place exists, has room, and may be written to with the credentials of this process; then run again.",
    cause,
  });
}

/** What is stored could not be looked at or read. */
export function notReadable(place: string, cause: unknown): CutoverError {
  return new CutoverError({
    code: "BACKUP_NOT_READABLE",
    message: `The final backup at ${place} cannot be read (${describeError(cause)}).`,
    remedy:
      "Check that the place can be reached and read from this machine, with the credentials of this process; then run again.",
    cause,
  });
}
