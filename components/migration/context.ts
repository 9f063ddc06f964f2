import { CutoverError } from "../errors.ts";
import type { MigrationInputs } from "./inputs.ts";
import type { MigrationContext } from "./record.ts";

/** Whether two lists hold the same names in any order. */
export function sameMembers(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && new Set([...a, ...b]).size === new Set(a).size;
}

/** A journal of other databases or schemas: the configuration changed in mid-migration, or it is the wrong stack. */
export function contextMismatch(context: MigrationContext, inputs: MigrationInputs): CutoverError {
  return new CutoverError({
    code: "CONTEXT_MISMATCH",
    message: `The target's journal holds a migration of ${context.schemas.join(", ")} from ${context.source.serviceName}; this configuration names ${inputs.schemas.join(", ")} from ${inputs.source}. Nothing was changed.`,
    remedy: "Use the configuration that the migration began with.",
  });
}
