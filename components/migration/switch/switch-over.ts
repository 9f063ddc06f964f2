import { allOf } from "../../all-of.ts";
import { CutoverError } from "../../errors.ts";
import { connect, endOnceOpen, withConnection } from "../../postgres/connection.ts";
import { isSealed, isWhole, limitSourceFence, readFence, setSeal } from "../../postgres/fence/fence.ts";
import type { SequenceState } from "../../postgres/sequences.ts";
import { findChangedTables } from "../copy/copy-content.ts";
import { syncSequences } from "../copy/sequence-sync.ts";
import { digestOf } from "../evidence/fingerprint-digest.ts";
import type { ExclusiveRun, FinishingRun } from "../exclusion/exclusive-run.ts";
import { sourceFenceBroken } from "../fence/close-fences.ts";
import {
  assertNobodyReturned,
  type EmptiedSource,
  emptySource,
  waitUntilEmpty,
} from "../fence/source-sessions.ts";
import { assertCatalogueUnchanged } from "../gate/gate.ts";
import { checkProtected } from "../gate/protected.ts";
import { type JournalEntry, type JournalOwner, transition } from "../journal/journal.ts";
import type { RecordIn, ServiceRecord } from "../journal/record.ts";
import { type MoveContext, moveServices, wavesOf } from "./move-services.ts";
import { waitUntilSteady } from "./steady-services.ts";

/**
 * From two fenced databases to the promoted target: services wave by wave, the source emptied and sealed, one commit.
 * Every step looks before it acts, so an interrupted switch goes on where it stopped.
 *
 * @throws CutoverError whatever stops the switch; the caller puts everything back
 */
export async function switchOver(
  run: ExclusiveRun,
  owner: JournalOwner,
  record: RecordIn<"switching">,
): Promise<JournalEntry> {
  const { world, exclusion, reporter } = run;
  const state = { record };
  const context = moveContext(run, owner, state);
  await moveServices(context, wavesOf(world.services, true));

  // What takes time comes before the seal: behind it nobody can even read.
  const emptied = await emptyUnlessUsed(run);
  const protectedSchemas = await assertProtectedUnchanged(run, record);
  await assertNothingEmptied(run, record);
  await waitUntilSteady(context, wavesOf(world.services, true).flat(), run.inputs.limits.healthyForMs);
  reporter.step("Seal the source");
  const sequences = await sealSource(run, owner, record, emptied);
  await assertBothClosed(run);

  reporter.step("Promote");
  const promotedAt = new Date();
  const promoted: RecordIn<"promoted"> = {
    ...state.record,
    state: "promoted",
    promotion: {
      promotedAt: promotedAt.toISOString(),
      writePauseMs: promotedAt.getTime() - Date.parse(record.fence.pausedAt),
      sequences,
      ...protectedSchemas,
    },
  };
  await transition(exclusion.target, owner, "switching", promoted, "promoted", { opensFence: true });
  reporter.detail(
    `${world.target.service.name} accepts writes; they had been paused for ${(promoted.promotion.writePauseMs / 1000).toFixed(1)} s`,
  );
  return { ...owner, updatedAt: promotedAt.toISOString(), record: promoted };
}

/** The journal-backed view that moving services reads and writes. */
export function moveContext<Record extends RecordIn<"switching"> | RecordIn<"promoted">>(
  { railway, world, inputs, exclusion, reporter }: FinishingRun,
  owner: JournalOwner,
  state: { record: Record },
): MoveContext {
  let saved = Promise.resolve();
  return {
    railway,
    world,
    get target() {
      return exclusion.target;
    },
    deploymentTimeoutMs: inputs.limits.deploymentTimeoutMs,
    reporter,
    signal: exclusion.signal,
    read: (name) => {
      const service = state.record.fence.services[name];
      if (service !== undefined) return service;
      throw new CutoverError({
        code: "SERVICE_NOT_IN_JOURNAL",
        message: `${name} was not part of this migration when it began.`,
        remedy:
          "Use the list of services that the migration began with; add the new one after it is finished.",
      });
    },
    save: (name, service) => {
      const { fence } = state.record;
      const record = {
        ...state.record,
        fence: { ...fence, services: { ...fence.services, [name]: service } },
      };
      state.record = record;
      const text = `${name}: ${describeStage(service)}`;
      // Services move side by side, the journal is written by one session: one after the other.
      saved = saved.then(() => transition(exclusion.target, owner, record.state, record, text));
      return saved;
    },
  };
}

function describeStage({ provenAt, deploymentId, askedAt }: ServiceRecord): string {
  if (provenAt !== null) return "proven on the target";
  if (deploymentId !== null) return `deployment ${deploymentId}`;
  return askedAt == null ? "being pointed at the target" : "a deployment is asked for";
}

/** Services that are deployed after the promotion read the source until it is sealed. */
async function emptyUnlessUsed({
  world,
  exclusion,
  reporter,
}: ExclusiveRun): Promise<EmptiedSource | undefined> {
  if (world.services.some(({ inputs: { startsReadOnly } }) => !startsReadOnly)) return undefined;
  const emptied = await emptySource(exclusion.source, world.source.connection.database);
  reporter.detail(`${emptied.ended} sessions ended on the source`);
  return emptied;
}

async function assertSourceAbandoned(
  { world, exclusion, inputs }: ExclusiveRun,
  emptied: EmptiedSource | undefined,
): Promise<void> {
  if (emptied === undefined) return;
  const { database } = world.source.connection;
  await assertNobodyReturned(exclusion.source, emptied, { database, settleMs, accept: inputs.accept });
}

const settleMs = 1_500;

/** Refuses new sessions on the source, ends those that are left, then takes the last word of its sequences. */
async function sealSource(
  run: ExclusiveRun,
  owner: JournalOwner,
  { fence }: RecordIn<"switching">,
  emptied: EmptiedSource | undefined,
): Promise<SequenceState[]> {
  const { world, exclusion, inputs } = run;
  const { connection } = world.source;
  const opening = connect(connection, { purpose: "seal", pipeline: true });
  try {
    const [inside] = await allOf([opening, assertSourceAbandoned(run, emptied)]);
    await setSeal(exclusion.source, connection.database, true);
    await waitUntilEmpty(exclusion.source, connection.database);
    // A definition that was under way when the fence closed is not stopped by it, nor is anybody who takes it down.
    await assertFenceHeld(inside, inputs.schemas, { migrationId: owner.id, epoch: fence.epoch });
    if (await limitSourceFence(inside, inputs.schemas, null)) throw sourceFenceBroken();
    const [, sequences] = await allOf([
      assertCatalogueUnchanged(inside, inputs.schemas, fence),
      syncSequences(inside, exclusion.target, inputs.schemas),
    ]);
    return sequences;
  } finally {
    await endOnceOpen(opening);
  }
}

async function assertFenceHeld(
  source: Parameters<typeof readFence>[0],
  schemas: readonly string[],
  { migrationId, epoch }: { migrationId: string; epoch: number },
): Promise<void> {
  const fence = await readFence(source, schemas);
  const isOurs = fence.witness?.migrationId === migrationId && fence.witness.epoch === epoch;
  if (!isWhole(fence) || !isOurs) throw sourceFenceBroken();
}

async function assertProtectedUnchanged(
  { world, exclusion, inputs, reporter }: ExclusiveRun,
  record: RecordIn<"switching">,
): Promise<Pick<RecordIn<"promoted">["promotion"], "protectedAfter" | "protectedWritten">> {
  const { found, writtenByOthers, after } = await withConnection(
    world.target.connection,
    { purpose: "gate", readOnly: true, pipeline: true },
    (client) =>
      checkProtected(client, {
        protectedSchemas: inputs.protectedSchemas,
        protectedBefore: record.load.protectedBefore,
        signal: exclusion.signal,
      }),
  );
  for (const object of writtenByOthers) reporter.detail(`${object} was written by its own users meanwhile`);
  if (found.length > 0) {
    throw new CutoverError({
      code: "PROTECTED_SCHEMA_CHANGED",
      message: `The protected schema is not as it was: ${found
        .map(({ object, aspect }) => `${object} (${aspect})`)
        .slice(0, 10)
        .join(", ")}.`,
      remedy: "Find who changed it; the cutover itself issues no statement there.",
    });
  }
  return { protectedAfter: digestOf(after), protectedWritten: writtenByOthers };
}

/** A crash of the target empties the copy's unlogged tables, and nothing else would notice. */
async function assertNothingEmptied(
  { world, exclusion, inputs }: ExclusiveRun,
  { fence }: RecordIn<"switching">,
): Promise<void> {
  const { connection } = world.target;
  const changed = await findChangedTables(exclusion.target, connection, inputs.schemas, fence, {
    unloggedOnly: true,
    signal: exclusion.signal,
  });
  if (changed.length === 0) return;
  throw new CutoverError({
    code: "UNLOGGED_TABLE_EMPTIED",
    message: `Unlogged tables of the copy do not hold any more what was copied: ${changed.map(({ name }) => name).join(", ")}. A crash of the target empties them.`,
    remedy: "Run again: everything is copied afresh. Find out why the target crashed.",
  });
}

async function assertBothClosed({ world, exclusion, inputs }: ExclusiveRun): Promise<void> {
  const [{ unfenced, eventTriggers }, sealed] = await allOf([
    readFence(exclusion.target, inputs.schemas),
    isSealed(exclusion.source, world.source.connection.database),
  ]);
  if (unfenced.length > 0 || !eventTriggers) {
    throw new CutoverError({
      code: "TARGET_FENCE_BROKEN",
      message: `The target's fence is not whole: ${unfenced.map(({ schema, name }) => `${schema}.${name}`).join(", ") || "its event triggers are gone"}.`,
      remedy: "Find who removed it; the copy may have been written.",
    });
  }
  if (!sealed) {
    throw new CutoverError({
      code: "SOURCE_NOT_SEALED",
      message: "The source accepts connections although it was sealed a moment ago.",
      remedy: "Find who opened it, then run again.",
    });
  }
}
