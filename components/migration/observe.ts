import { CutoverError, describeError } from "../errors.ts";
import { withConnection } from "../postgres/connection.ts";
import { isSealed, isTargetFenceOpen, readFence } from "../postgres/fence.ts";
import { listTables } from "../postgres/relations.ts";
import type { Railway } from "../railway/railway.ts";
import { isSameContext } from "./context.ts";
import type { Observation } from "./decide.ts";
import type { MigrationInputs } from "./inputs.ts";
import type { JournalEntry } from "./journal.ts";
import { maintenanceDatabase } from "./maintenance.ts";
import type { Primary } from "./primary.ts";
import { type ResolvedDatabase, type ResolvedWorld, resolveDatabase } from "./resolve.ts";
import type { SourceObservation, TargetObservation } from "./stand.ts";

/** Looks at all that a decision depends on. Reads only; throws where a database cannot be reached. */
export async function observe(
  { source, target }: Pick<ResolvedWorld, "source" | "target">,
  inputs: MigrationInputs,
  entry: JournalEntry | undefined,
): Promise<Observation> {
  const [onSource, onTarget] = await Promise.all([
    observeSource(source, inputs.schemas),
    observeTarget(target, inputs.schemas),
  ]);
  return {
    sameContext: isSameContext(entry, inputs, { source: source.service.id, target: target.service.id }),
    source: onSource,
    target: onTarget,
  };
}

/** What a command that only tells something saw; `sourceFailure` says why the source could not be looked at. */
export interface TolerantObservation {
  readonly seen: Observation;
  readonly sourceFailure: string | null;
}

/** The same where the source may be out of reach, renamed or removed. Reads only. */
export async function observeTolerantly(
  railway: Railway,
  { entry, scope, target }: Pick<Primary, "entry" | "scope" | "target">,
  inputs: MigrationInputs,
): Promise<TolerantObservation> {
  const onTarget = await observeTarget(target, inputs.schemas);
  let sourceId: string | undefined;
  let source: SourceObservation | null = null;
  let sourceFailure: string | null = null;
  try {
    const resolved = await resolveDatabase(railway, scope, inputs, "source");
    sourceId = resolved.service.id;
    source = await observeSource(resolved, inputs.schemas);
  } catch (error) {
    sourceFailure = describeError(error);
  }
  const sameContext = isSameContext(entry, inputs, { source: sourceId, target: target.service.id });
  return { seen: { sameContext, source, target: onTarget }, sourceFailure };
}

/** Looks at the source's seal, witness and fence. Reads only. */
export async function observeSource(
  { connection }: Pick<ResolvedDatabase, "connection">,
  schemas: readonly string[],
): Promise<SourceObservation> {
  const sealed = await withConnection(
    connection,
    { purpose: "observe", readOnly: true, database: maintenanceDatabase(connection) },
    (client) => isSealed(client, connection.database),
  );
  if (sealed) return sealedSource;
  try {
    return await withConnection(connection, { purpose: "observe", readOnly: true }, async (client) => {
      const { witness, unfenced, eventTriggers } = await readFence(client, schemas);
      return { sealed, witness, fenceUnbroken: unfenced.length === 0 && eventTriggers };
    });
  } catch (error) {
    // A run that is at work may seal it between the two looks.
    if (error instanceof CutoverError && error.code === "DATABASE_SEALED") return sealedSource;
    throw error;
  }
}

const sealedSource: SourceObservation = { sealed: true, witness: null, fenceUnbroken: null };

/** Looks at the target's copy and its fence. Reads only. */
export async function observeTarget(
  { connection }: Pick<ResolvedDatabase, "connection">,
  schemas: readonly string[],
): Promise<TargetObservation> {
  return withConnection(connection, { purpose: "observe", readOnly: true }, async (client) => {
    const { unfenced, eventTriggers } = await readFence(client, schemas);
    return {
      hasCopy: (await listTables(client, schemas)).length > 0,
      fenceUnbroken: unfenced.length === 0 && eventTriggers,
      fenceOpen: await isTargetFenceOpen(client),
    };
  });
}
