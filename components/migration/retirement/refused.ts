import { CutoverError } from "../../errors.ts";

/** The old database stays as it is, for each of these reasons. */
export function refused(what: "stop" | "remove", reasons: readonly string[]): CutoverError {
  return new CutoverError({
    code: "RETIREMENT_REFUSED",
    message: `Refused to ${what} the old database, nothing of it was changed: ${reasons.join("; ")}.`,
    remedy: "Clear each reason, then run again. legacyPostgres: keep leaves it alone.",
  });
}
