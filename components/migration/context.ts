import { CutoverError } from "../errors.ts";
import type { MigrationInputs } from "./inputs.ts";
import type { JournalEntry } from "./journal.ts";
import type { MigrationContext } from "./record.ts";

/** Whether two lists hold the same names in any order. */
export function sameMembers(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && new Set([...a, ...b]).size === new Set(a).size;
}

/**
 * Whether the configuration names the databases and schemas that the journal's migration moves; `true` without one.
 *
 * @param services the ids that the configured names have on Railway now; where one is not known, its name counts
 */
export function isSameContext(
  entry: JournalEntry | undefined,
  inputs: MigrationInputs,
  services: { readonly source: string | undefined; readonly target: string | undefined },
): boolean {
  if (entry === undefined) return true;
  const { source, target, schemas } = entry.record.context;
  return (
    isSameService(source, services.source, inputs.source) &&
    isSameService(target, services.target, inputs.target) &&
    sameMembers(schemas, inputs.schemas)
  );
}

function isSameService(
  recorded: { readonly serviceId: string; readonly serviceName: string },
  id: string | undefined,
  name: string,
): boolean {
  return id === undefined ? recorded.serviceName === name : recorded.serviceId === id;
}

/** A journal of other databases or schemas: the configuration changed in mid-migration, or it is the wrong stack. */
export function contextMismatch(context: MigrationContext, inputs: MigrationInputs): CutoverError {
  return new CutoverError({
    code: "CONTEXT_MISMATCH",
    message: `The target's journal holds a migration of ${context.schemas.join(", ")} from ${context.source.serviceName}; this configuration names ${inputs.schemas.join(", ")} from ${inputs.source}. Nothing was changed.`,
    remedy: "Use the configuration that the migration began with.",
  });
}
