import { CutoverError, describeError, sqlState } from "../../errors.ts";

/** A definition could not be made on the target, or a follow-up step failed. Only names and the SQLSTATE survive. */
export function loadFailed(what: string, error: unknown): CutoverError {
  const state = sqlState(error);
  return new CutoverError({
    code: "LOAD_FAILED",
    message: `${what} failed on the target database (${describeCause(error)}). The copy is incomplete.`,
    remedy: remedies[state ?? ""] ?? "Correct the cause on the source or the target, then run again.",
    cause: error,
  });
}

/** The rows of a table did not arrive. */
export function copyFailed(table: string, side: "source" | "target", error: unknown): CutoverError {
  return new CutoverError({
    code: "COPY_FAILED",
    message: `Copying the rows of ${table} failed on the ${side} (${describeCause(error)}). The copy is incomplete.`,
    remedy:
      sqlState(error) === "22021"
        ? "The source holds bytes that are no valid text in the target's encoding: repair them on the source first."
        : "Look into the log of that database's service for the time of the failure, then run again.",
    cause: error,
  });
}

/** The caller's signal ended the load. */
export function loadCancelled(signal: AbortSignal): CutoverError {
  return new CutoverError({
    code: "LOAD_CANCELLED",
    message: "The copy was cancelled; the target holds an incomplete copy.",
    remedy: "Nothing by hand: the incomplete copy is dropped, and the next run copies afresh.",
    cause: signal.reason,
  });
}

function describeCause(error: unknown): string {
  if (error instanceof CutoverError || sqlState(error) !== undefined) return describeError(error);
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return code === undefined ? "the connection was lost" : `the connection was lost: ${code}`;
}

/** SQLSTATE classes with an answer of their own (manual, appendix A). */
const remedies: Readonly<Record<string, string>> = {
  "42704": "A role, type or extension that it needs does not exist on the target: create it there first.",
  "42883":
    "A function that it needs was not found. PostgreSQL 17 builds indexes and materialised views with an empty search path: give the functions they use a `SET search_path` clause on the source.",
  "42P01":
    "A relation that it needs was not found. PostgreSQL 17 builds indexes and materialised views with an empty search path: give the functions they use a `SET search_path` clause on the source.",
  "42P07": "Something of that name is on the target already: the moved schemas must be empty there.",
  "42501":
    "The target's user lacks a right that it needs: use the superuser that the service's variables name.",
  "53100": "The target's disk is full: enlarge its volume, then run again.",
};
