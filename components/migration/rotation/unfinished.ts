import type pg from "pg";
import { CutoverError } from "../../errors.ts";
import { type RotationEntry, readRotation } from "./journal.ts";
import { isUnfinished } from "./record.ts";

/** The rotation that the target's journal holds as unfinished, if it does. Reads only. */
export async function readUnfinishedRotation(target: pg.Client): Promise<RotationEntry | undefined> {
  const rotation = await readRotation(target);
  return rotation !== undefined && isUnfinished(rotation.record) ? rotation : undefined;
}

/**
 * Refuses whatever else works on the target while its password is half changed: services that are deployed now could be
 * given one that is put back a moment later.
 *
 * @throws CutoverError `ROTATION_UNFINISHED`
 */
export async function assertNoRotation(target: pg.Client): Promise<void> {
  const rotation = await readUnfinishedRotation(target);
  if (rotation === undefined) return;
  throw new CutoverError({
    code: "ROTATION_UNFINISHED",
    message: `A rotation of the target's password was interrupted (${rotation.record.state}, ${rotation.updatedAt}). Nothing was changed.`,
    remedy:
      "Finish it with `npm run rotate-password -- --yes`, or put it back with --put-back --yes, then run again.",
  });
}
