import { CutoverError } from "../../errors.ts";
import type { MigrationInputs } from "../inputs.ts";
import type { JournalEntry } from "../journal/journal.ts";
import type { MigrationContext, RecordIn } from "../journal/record.ts";
import { remainingPauseMs } from "../pause/pause-limit.ts";

/** Whether two lists hold the same names in any order. */
export function sameMembers(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && new Set([...a, ...b]).size === new Set(a).size;
}

/** How the journal's newest migration and the configuration go together. */
export interface ContextComparison {
  readonly sameDatabases: boolean;
  readonly sameSchemas: boolean;
  /** Why an interrupted switch had better not go on; `null` when nothing speaks against it. */
  readonly againstGoingOn: string | null;
}

/**
 * Compares them. Pure.
 *
 * @param services the ids that the configured names have on Railway now; where one is not known, its name counts
 */
export function compareContext(
  entry: JournalEntry | undefined,
  inputs: MigrationInputs,
  services: { readonly source: string | undefined; readonly target: string | undefined },
  now: Date,
): ContextComparison {
  if (entry === undefined) return { sameDatabases: true, sameSchemas: true, againstGoingOn: null };
  const { record } = entry;
  const { source, target, schemas } = record.context;
  return {
    sameDatabases:
      isSameService(source, services.source, inputs.source) &&
      isSameService(target, services.target, inputs.target),
    sameSchemas: sameMembers(schemas, inputs.schemas),
    againstGoingOn: record.state === "switching" ? (speaksAgainstGoingOn(record, inputs, now) ?? null) : null,
  };
}

function isSameService(
  recorded: { readonly serviceId: string; readonly serviceName: string },
  id: string | undefined,
  name: string,
): boolean {
  return id === undefined ? recorded.serviceName === name : recorded.serviceId === id;
}

/**
 * Why an interrupted switch had better not go on although its fence is whole; `undefined` when nothing speaks against
 * it. Pure.
 */
function speaksAgainstGoingOn(
  { fence }: RecordIn<"switching">,
  inputs: MigrationInputs,
  now: Date,
): string | undefined {
  const noted = Object.entries(fence.services);
  const isSame =
    sameMembers(
      noted.map(([name]) => name),
      inputs.services.map(({ name }) => name),
    ) &&
    inputs.services.every(({ name, variables }) =>
      sameMembers(variables, Object.keys(fence.services[name]?.previous ?? {})),
    );
  if (!isSame) return "the configuration's services or their variables are not those the switch began with";
  // Whoever wants a failed switch held has decided that the pause may last.
  const isOver =
    inputs.onFailure !== "hold" && remainingPauseMs(inputs.limits, new Date(fence.pausedAt), now) === 0;
  return isOver ? "the write pause is over its limit" : undefined;
}

/** A journal of other databases or schemas: the configuration changed in mid-migration, or it is the wrong stack. */
export function contextMismatch(context: MigrationContext, inputs: MigrationInputs): CutoverError {
  return new CutoverError({
    code: "CONTEXT_MISMATCH",
    message: `The target's journal holds a migration of ${context.schemas.join(", ")} from ${context.source.serviceName}; this configuration names ${inputs.schemas.join(", ")} from ${inputs.source}. Nothing was changed.`,
    remedy: "Use the configuration that the migration began with.",
  });
}
