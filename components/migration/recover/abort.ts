import type pg from "pg";
import { CutoverError } from "../../errors.ts";
import { withConnection } from "../../postgres/connection.ts";
import type { HashingProgress } from "../../postgres/content/hash-tables.ts";
import {
  dropSourceSchema,
  type FencedTable,
  inTransaction,
  isSealed,
  openSourceFence,
  readFence,
  removeFence,
  setSeal,
} from "../../postgres/fence/fence.ts";
import { dropCopy } from "../../postgres/load/drop-copy.ts";
import { listTables } from "../../postgres/relations.ts";
import type { Railway } from "../../railway/railway.ts";
import { findChangedTables } from "../copy/copy-content.ts";
import type { ResolvedDatabases } from "../decide/resolve.ts";
import { endRunSessions } from "../exclusion/exclusion.ts";
import { assertNotBehind } from "../fence/source-position.ts";
import { type JournalOwner, transition } from "../journal/journal.ts";
import type { FenceRecord, RecordIn } from "../journal/record.ts";
import { describeGateProgress, throttled } from "../progress.ts";
import type { Reporter } from "../reporter.ts";
import { dropHookRoles, endHooks } from "../switch/before-switch-hook.ts";
import { keepVariables, restoreServices } from "./restore-services.ts";

export interface AbortContext {
  readonly railway: Railway;
  readonly world: ResolvedDatabases;
  /** The session that holds the exclusion lock on the target. */
  readonly target: pg.Client;
  /** The session that holds the exclusion lock on the source's server, in its maintenance database. */
  readonly source: pg.Client;
  readonly owner: JournalOwner;
  readonly reporter: Reporter;
  readonly deploymentTimeoutMs: number;
  /** How long a reader of the source is waited for that keeps the open fence from being taken down. */
  readonly fencePatienceMs?: number;
}

/**
 * Puts everything back to the source: intent first, then, if nothing can have written to the copy, writers in again,
 * then the services that had been switched, then the copy is dropped. The journal can only go from `aborting` to
 * `aborted`, so the target's fence can never open for this migration. Every step may run twice.
 *
 * @param gate the verdict that made it turn back, if that was the gate's
 * @throws CutoverError `TARGET_FENCE_BROKEN`, `SOURCE_BEHIND_COPY` before anything is opened; `ABORT_INCOMPLETE` with
 *   what is left
 */
export async function putBack(
  context: AbortContext,
  record: RecordIn<"loading" | "switching" | "aborting">,
  reason: string,
  gate?: RecordIn<"aborting">["gate"],
): Promise<void> {
  const aborting = await recordIntent(context, record, reason, gate);
  context.reporter.step("Abort: putting everything back to the source");
  await assertTargetFenced(context, aborting);
  await assertNotBehind(context.source, aborting.fence?.sourcePosition);
  await endRunSessions(context.source, context.world.source.connection.database);
  await endRunSessions(context.target, context.world.target.connection.database);
  await openSource(context);
  const sourceOpenedAt = new Date().toISOString();
  const services = await restoreServices(context, aborting);
  await takeSourceFenceDown(context);
  await keepVariables(context, aborting);
  await dropTheCopy(context, aborting);
  const restored = { sourceOpenedAt, services, copyDroppedAt: new Date().toISOString() };
  await transition(
    context.target,
    context.owner,
    "aborting",
    { ...aborting, state: "aborted", restored },
    "everything is back on the source",
  );
  context.reporter.detail("everything is back on the source");
}

async function recordIntent(
  { target, owner }: AbortContext,
  record: RecordIn<"loading" | "switching" | "aborting">,
  reason: string,
  gate: RecordIn<"aborting">["gate"],
): Promise<RecordIn<"aborting">> {
  // Written again when it stands already: a run that was taken over from stops here.
  const fence = record.state === "loading" ? null : record.fence;
  const aborting =
    record.state === "aborting"
      ? record
      : {
          state: "aborting" as const,
          context: record.context,
          load: record.load,
          fence,
          reason,
          ...(gate === undefined ? {} : { gate }),
        };
  const isRepeated = record.state === "aborting" && record.reason === reason;
  await transition(target, owner, record.state, aborting, isRepeated ? "goes on putting back" : reason);
  return aborting;
}

/**
 * Services may run on the copy by now. Were its fence broken, it could hold acknowledged writes, and opening the source
 * would make a second writer: then nothing is opened, and a human decides.
 */
async function assertTargetFenced({ target }: AbortContext, record: RecordIn<"aborting">): Promise<void> {
  if (record.fence === null) return;
  const { unfenced, eventTriggers } = await readFence(target, record.context.schemas);
  const copied = await listTables(target, record.context.schemas);
  if (copied.length === 0 || (unfenced.length === 0 && eventTriggers)) return;
  throw new CutoverError({
    code: "TARGET_FENCE_BROKEN",
    message: `The target's fence is not whole (${unfenced.map(({ schema, name }) => `${schema}.${name}`).join(", ") || "its event triggers are gone"}), so the copy may hold writes. Nothing was put back and nothing was opened on the source.`,
    remedy:
      "Find out what was written to the copy. When nothing was: drop the event triggers pgvector_cutover_ddl and pgvector_cutover_drop and then its tables by hand, and run `npm run abort -- --yes` again.",
  });
}

/** Seal and fence away: after this, writers work on the source as before. */
async function openSource({ world, source, owner, reporter }: AbortContext): Promise<void> {
  const { connection } = world.source;
  // Through the session that holds the exclusion lock: an orphan that lost it cannot open anything.
  const wasSealed = await isSealed(source, connection.database);
  if (wasSealed) await setSeal(source, connection.database, false);
  try {
    await withConnection(connection, { purpose: "abort" }, (client) => openSourceFence(client, owner.id));
  } catch (error) {
    // Not ours to open: another migration's seal goes back on.
    if (wasSealed) await setSeal(source, connection.database, true);
    throw error;
  }
  reporter.detail("the source accepts writes again");
}

/**
 * After the services. What a long reader of the source, such as a backup, holds up is left there: it lets everything
 * pass, and the next fence takes it over.
 */
async function takeSourceFenceDown({ world, reporter, fencePatienceMs }: AbortContext): Promise<void> {
  const patience = { withinMs: fencePatienceMs ?? defaultFencePatienceMs };
  await withConnection(world.source.connection, { purpose: "abort" }, async (client) => {
    const left = await removeFence(client, patience);
    if (left.length === 0 && (await dropSourceSchema(client, patience))) return;
    reporter.detail(
      `a long transaction on the source holds what is left of the fence there (${nameSome(left) || "the schema pgvector_cutover"}); it lets everything pass, and \`drop schema pgvector_cutover cascade\` removes it`,
    );
  });
}

const defaultFencePatienceMs = 30_000;

function nameSome(tables: readonly FencedTable[]): string {
  const names = tables.slice(0, 10).map(({ schema, name }) => `${schema}.${name}`);
  return `${names.join(", ")}${tables.length > names.length ? ", …" : ""}`;
}

/** Dropped only when it is proven to be ours: fenced since it was hashed and equal to those hashes, or never fenced. */
async function dropTheCopy(
  { world, target, reporter }: AbortContext,
  record: RecordIn<"aborting">,
): Promise<void> {
  const { schemas } = record.context;
  const { createdSchemas, expectedRelations, expectedObjects, hookStarted = false } = record.load;
  if (record.fence !== null) await assertUnwritten({ world, target, reporter }, record, record.fence);
  await endHooks(target);
  await inTransaction(target, async () => {
    await target.query("set local lock_timeout = '30s'");
    await target.query("drop event trigger if exists pgvector_cutover_ddl");
    await target.query("drop event trigger if exists pgvector_cutover_drop");
    await dropCopy(target, {
      schemas,
      createdSchemas,
      expected: hookStarted ? null : { relations: expectedRelations, objects: expectedObjects },
      mayHoldUnfencedRows: record.fence !== null || hookStarted,
    });
    await target.query(`
      drop function if exists pgvector_cutover.refuse_write();
      drop function if exists pgvector_cutover.refuse_ddl();
    `);
  });
  await dropHookRoles(target);
  reporter.detail("the copy is dropped from the target");
}

async function assertUnwritten(
  { world, target, reporter }: Pick<AbortContext, "world" | "target" | "reporter">,
  record: RecordIn<"aborting">,
  fence: FenceRecord,
): Promise<void> {
  const { connection } = world.target;
  const onProgress = throttled<HashingProgress>(reporter, (copy) => describeGateProgress({ target: copy }));
  const changed = (await findChangedTables(target, connection, record.context.schemas, fence, { onProgress }))
    .filter(({ isLost }) => !isLost)
    .map(({ name }) => name);
  if (changed.length === 0) return;
  throw new CutoverError({
    code: "COPY_WAS_WRITTEN",
    message: `The copy on the target is not as it was fenced (${changed.slice(0, 10).join(", ")}). It is kept. The source accepts writes and the services run on it.`,
    remedy:
      "Find who wrote there; then drop the event triggers pgvector_cutover_ddl and pgvector_cutover_drop and the copy's tables by hand, and run `npm run abort -- --yes` again.",
  });
}

/** What is left of the way back; everybody can write on the source again. */
export function incomplete(what: string): CutoverError {
  return new CutoverError({
    code: "ABORT_INCOMPLETE",
    message: `The abort is not complete: ${what}. The source accepts writes; the target stays fenced.`,
    remedy: "Run `npm run abort -- --yes` (or `pulumi up`) again; it goes on where it stopped.",
  });
}
