import type pg from "pg";
import { allOf } from "../../all-of.ts";
import { CutoverError } from "../../errors.ts";
import { connect, endOnceOpen, withConnection } from "../../postgres/connection.ts";
import {
  closeSourceFence,
  isSealed,
  limitSourceFence,
  readWitness,
  setSeal,
} from "../../postgres/fence/fence.ts";
import { commit } from "../../postgres/transaction.ts";
import type { VerifiedCopy } from "../copy/copy-and-verify.ts";
import { syncSequences } from "../copy/sequence-sync.ts";
import type { ExclusiveRun } from "../exclusion/exclusive-run.ts";
import { assertCatalogueUnchanged } from "../gate/gate.ts";
import type { MigrationInputs } from "../inputs.ts";
import { transition } from "../journal/journal.ts";
import type { FenceRecord, RecordIn } from "../journal/record.ts";
import type { StartedAttempt } from "../pause/attempt.ts";
import { remainingPauseMs } from "../pause/pause-limit.ts";
import { rememberServices } from "../switch/move-services.ts";
import { readSourcePosition } from "./source-position.ts";

/**
 * Closes the source's fence with the very commit that releases the locks; the target is fenced already. Afterwards
 * nothing can diverge: what neither locks nor triggers hold (sequences, new objects) is read again.
 *
 * @throws CutoverError `LOCKS_LOST`, `JOURNAL_LOST`, `SOURCE_CHANGED_BEFORE_FENCE`
 */
export async function closeFences(
  run: ExclusiveRun,
  { owner, pause }: StartedAttempt,
  verified: VerifiedCopy,
): Promise<RecordIn<"switching">> {
  const { world, exclusion, reporter } = run;
  reporter.step("Fence both databases");
  // Opened beside what takes its time: a long way to the server costs writers some.
  const opening = connect(world.source.connection, settleSession);
  try {
    const [source, sourcePosition, services] = await allOf([
      opening,
      readSourcePosition(exclusion.source),
      rememberServices(run.railway.within(exclusion.signal), world),
    ]);
    const fence = { ...fenceRecord(owner, pause, verified), sourcePosition, services };
    const { context, load } = verified.record;
    const switching: RecordIn<"switching"> = { state: "switching", context, load, fence };
    await pause.heartbeat.assertAlive();
    await transition(exclusion.target, owner, "loading", switching, "both databases are being fenced");
    await commitFence(run, pause, owner.id, owner.epoch);
    await allOf([liftSeal(run), settle(run, switching, source)]);
    reporter.detail("both databases refuse writes in the moved schemas; reads go on");
    return switching;
  } finally {
    await endOnceOpen(opening);
  }
}

function fenceRecord(
  { epoch }: StartedAttempt["owner"],
  { pausedAt }: StartedAttempt["pause"],
  { gate, copiedBytes }: VerifiedCopy,
): Omit<FenceRecord, "sourcePosition" | "services"> {
  const { verdict, compared, differences, writtenByOthers, sourceCatalogue } = gate;
  return {
    fencedAt: new Date().toISOString(),
    epoch,
    pausedAt: pausedAt.toISOString(),
    tables: gate.tables.map(({ schema, name, rows, hash, equal }) => {
      const source = { rows, hash };
      return { schema, name, source, target: equal ? source : null };
    }),
    copiedBytes,
    gate: { verdict, compared, differences, writtenByOthers },
    sourceCatalogue,
  };
}

/**
 * What neither locks nor triggers hold: a source sealed by an interrupted run is opened to readers, its definitions
 * must be those that the gate saw, and its sequences are read again. The fence yields in time, unless it shall be held.
 *
 * @throws CutoverError `SOURCE_CHANGED_BEFORE_FENCE`, `SOURCE_FENCE_BROKEN`
 */
export async function settleBehindFence(run: ExclusiveRun, switching: RecordIn<"switching">): Promise<void> {
  await liftSeal(run);
  await withConnection(run.world.source.connection, settleSession, (source) =>
    settle(run, switching, source),
  );
}

const settleSession = { purpose: "settle", pipeline: true } as const;

async function liftSeal({ world, exclusion }: ExclusiveRun): Promise<void> {
  const { database } = world.source.connection;
  if (await isSealed(exclusion.source, database)) await setSeal(exclusion.source, database, false);
}

async function settle(
  { exclusion, inputs }: ExclusiveRun,
  { fence }: RecordIn<"switching">,
  source: pg.Client,
): Promise<void> {
  const yieldAfterMs = yieldAfter(inputs, new Date(fence.pausedAt));
  // Behind the seal it was made to last; a run of another configuration may have held it.
  const isLasting = (await readWitness(source))?.yieldsAt === null;
  if (
    isLasting !== (yieldAfterMs === null) &&
    (await limitSourceFence(source, inputs.schemas, yieldAfterMs))
  ) {
    throw sourceFenceBroken();
  }
  await allOf([
    assertCatalogueUnchanged(source, inputs.schemas, fence),
    syncSequences(source, exclusion.target, inputs.schemas),
  ]);
}

/** The copy may lack what was written behind a fence that is not whole. */
export function sourceFenceBroken(): CutoverError {
  return new CutoverError({
    code: "SOURCE_FENCE_BROKEN",
    message: "The source's fence is not whole any more: it may have taken writes that the copy lacks.",
    remedy: "Find who took it down, then run again: everything is copied afresh.",
  });
}

/** How long after now the source's fence lets writers pass by itself; `null`: never. */
function yieldAfter({ onFailure, limits }: MigrationInputs, pausedAt: Date): number | null {
  return onFailure === "hold" ? null : remainingPauseMs(limits, pausedAt);
}

async function commitFence(
  run: ExclusiveRun,
  pause: StartedAttempt["pause"],
  migrationId: string,
  epoch: number,
): Promise<void> {
  const { lockSession } = pause;
  try {
    await closeSourceFence(lockSession, {
      tables: pause.tables,
      schemas: run.inputs.schemas,
      migrationId,
      epoch,
      yieldAfterMs: yieldAfter(run.inputs, pause.pausedAt),
    });
    await commit(lockSession);
  } catch (cause) {
    throw new CutoverError({
      code: "LOCKS_LOST",
      message: "The session that held the source's locks was lost while it closed the fence.",
      remedy: "Run again; everything is put back first.",
      cause,
    });
  } finally {
    await pause.release();
  }
}
