import { describeError, hasCode } from "../../errors.ts";
import { withConnection } from "../../postgres/connection.ts";
import { isSealed, isTargetFenceOpen, isWhole, readFence } from "../../postgres/fence/fence.ts";
import { hasTables } from "../../postgres/relations.ts";
import type { Railway } from "../../railway/railway.ts";
import { maintenanceDatabase } from "../fence/maintenance.ts";
import { readSourcePosition } from "../fence/source-position.ts";
import type { MigrationInputs } from "../inputs.ts";
import type { JournalEntry } from "../journal/journal.ts";
import { compareContext } from "./context.ts";
import type { Observation } from "./decide.ts";
import type { Primary } from "./primary.ts";
import { type ResolvedDatabase, type ResolvedDatabases, resolveDatabase } from "./resolve.ts";
import type { SourceObservation, TargetObservation } from "./stand.ts";

/** A session that looks, and says so soon where somebody locks what it looks at, instead of waiting without a word. */
export const looking = { purpose: "observe", readOnly: true, lockTimeoutMs: 5_000 } as const;

/** Looks at all that a decision depends on. Reads only; throws where a database cannot be reached. */
export async function observe(
  { source, target }: Pick<ResolvedDatabases, "source" | "target">,
  inputs: MigrationInputs,
  entry: JournalEntry | undefined,
): Promise<Observation> {
  const schemas = schemasOf(entry, inputs);
  const [onSource, onTarget] = await Promise.all([
    observeSource(source, schemas),
    observeTarget(target, schemas),
  ]);
  const services = { source: source.service.id, target: target.service.id };
  return { ...compareContext(entry, inputs, services, new Date()), source: onSource, target: onTarget };
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
  const schemas = schemasOf(entry, inputs);
  const onTarget = await observeTarget(target, schemas);
  let sourceId: string | undefined;
  let source: SourceObservation | null = null;
  let sourceFailure: string | null = null;
  try {
    const resolved = await resolveDatabase(railway, scope, inputs, "source");
    sourceId = resolved.service.id;
    source = await observeSource(resolved, schemas);
  } catch (error) {
    sourceFailure = describeError(error);
  }
  const services = { source: sourceId, target: target.service.id };
  const context = compareContext(entry, inputs, services, new Date());
  return { seen: { ...context, source, target: onTarget }, sourceFailure };
}

/** Those of a migration under way: the configuration may name others meanwhile. */
export function schemasOf(entry: JournalEntry | undefined, inputs: MigrationInputs): readonly string[] {
  return entry === undefined || entry.record.state === "aborted"
    ? inputs.schemas
    : entry.record.context.schemas;
}

/** Looks at the source's seal, witness and fence, and where its server stands. Reads only. */
export async function observeSource(
  { connection }: Pick<ResolvedDatabase, "connection">,
  schemas: readonly string[],
): Promise<SourceObservation> {
  const { sealed, position } = await withConnection(
    connection,
    { ...looking, database: maintenanceDatabase(connection) },
    async (client) => ({
      sealed: await isSealed(client, connection.database),
      position: await readSourcePosition(client),
    }),
  );
  const unseen: SourceObservation = { sealed: true, witness: null, fenceUnbroken: null, position };
  if (sealed) return unseen;
  try {
    return await withConnection(connection, looking, async (client) => {
      const fence = await readFence(client, schemas);
      return { sealed, witness: fence.witness, fenceUnbroken: isWhole(fence), position };
    });
  } catch (error) {
    // A run that is at work may seal it between the two looks.
    if (hasCode(error, "DATABASE_SEALED")) return unseen;
    throw error;
  }
}

/** Looks at the target's copy and its fence. Reads only. */
export async function observeTarget(
  { connection }: Pick<ResolvedDatabase, "connection">,
  schemas: readonly string[],
): Promise<TargetObservation> {
  return withConnection(connection, looking, async (client) => ({
    hasCopy: await hasTables(client, schemas),
    fenceUnbroken: isWhole(await readFence(client, schemas)),
    fenceOpen: await isTargetFenceOpen(client),
  }));
}
