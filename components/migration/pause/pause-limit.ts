import { CutoverError } from "../../errors.ts";
import type { ExclusiveRun } from "../exclusion/exclusive-run.ts";

/**
 * Does `work` within what is left of the write pause. When the limit is reached everything the run has under way is
 * cut, hanging or not, so that it fails and is put back.
 *
 * @param pausedAt when writers began to wait
 */
export async function withinPauseLimit<Result>(
  { exclusion, inputs: { limits } }: ExclusiveRun,
  pausedAt: Date,
  work: () => Promise<Result>,
): Promise<Result> {
  const timer = setTimeout(
    () => exclusion.giveUp(limitReached(limits.writePauseMs)),
    remainingPauseMs(limits, pausedAt),
  );
  try {
    return await work();
  } finally {
    clearTimeout(timer);
  }
}

/** How long writers may still be kept out, never negative. */
export function remainingPauseMs(
  limits: { readonly writePauseMs: number },
  pausedAt: Date,
  now = new Date(),
): number {
  return Math.max(0, pausedAt.getTime() + limits.writePauseMs - now.getTime());
}

/** The write pause lasts as long as it may: whoever finds that stops, and puts back. */
export function limitReached(writePauseMs: number): CutoverError {
  return new CutoverError({
    code: "WRITE_PAUSE_LIMIT",
    message: `The write pause reached its limit of ${Math.round(writePauseMs / 1000)} s before the target was promoted.`,
    remedy:
      "Look at what took so long (the copy, slow deployments), raise limits.writePauseMs if a longer pause is acceptable, or move at a quieter time.",
  });
}
