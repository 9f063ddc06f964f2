import type pg from "pg";
import { openStore } from "../../backup/store.ts";
import { findArchiveClient } from "../../postgres/archive/client.ts";
import {
  type DatabaseContents,
  readContents,
  userSchemas,
} from "../../postgres/archive/database-contents.ts";
import { copyDatabase, dropDatabase, scratchDatabases } from "../../postgres/archive/scratch-database.ts";
import { type ConnectionTarget, withConnection } from "../../postgres/connection.ts";
import { dropSourceSchema, openSourceFence, readFence, removeFence } from "../../postgres/fence/fence.ts";
import { loadSearchPath } from "../../postgres/load/search-path.ts";
import { isRunning } from "../../railway/deployments.ts";
import type { EnvironmentScope, Railway } from "../../railway/railway.ts";
import { readPrimary } from "../decide/primary.ts";
import { resolveDatabases } from "../decide/resolve.ts";
import { type ExclusiveAccess, exclusively, exclusivelyOnTarget } from "../exclusion/exclusive-run.ts";
import { readJournal } from "../journal/journal.ts";
import type { RecordIn } from "../journal/record.ts";
import { ensureVolumeBackup } from "../prepare/volume-backup.ts";
import type { FinalBackupEvidence, RetirementRecord } from "./evidence.ts";
import type { RetirementFacts, VolumeFacts } from "./facts.ts";
import { backupName, makeFinalBackup } from "./final-backup.ts";
import { type FinishedEntry, finishedOrRefused, noteRetirement } from "./finished-entry.ts";
import { observeRetirement } from "./observe.ts";
import { canBeCopied, contentReasons, isForKeys, proofStands, reasonsAgainstStopping } from "./reasons.ts";
import { refused } from "./refused.ts";
import type { RetirementRun } from "./run.ts";
import { readCronJobs } from "./server-facts.ts";

/**
 * Takes the old database's deployment down after proving that nothing needs it, that it is as it was at the fence, and that
 * a backup of it outlives its volume: made, read back and restored once. The volume stays, so this can be undone by
 * deploying the service again. What was proven stands in the journal. Safe to repeat: a run that was interrupted is taken
 * up where it left off.
 *
 * @throws CutoverError `RETIREMENT_REFUSED` with every reason at once; those of the final backup
 */
export async function stopLegacy(run: RetirementRun): Promise<RetirementRecord> {
  const { railway, inputs, serviceId, reporter } = run;
  reporter.step(`Stop ${inputs.source}: prove that nothing needs it`);
  const primary = await readPrimary(railway, inputs);
  const entry = finishedOrRefused("stop", primary.entry);
  const facts = await observeRetirement(run, primary, entry.record);
  const reasons = reasonsAgainstStopping(facts, inputs.removal.finalBackup);
  // Into another database than the one that was migrated nobody looks.
  const isMigrated = serviceId === entry.record.context.source.serviceId;
  if ((facts.server === null || !isMigrated) && reasons.length > 0) throw refused("stop", reasons);
  const isProven = reasons.length === 0 && proofStands(facts) && isAsConfigured(run, entry, facts);
  if (!isProven) {
    const databases = await resolveDatabases(railway, { ...inputs, source: serviceId });
    await exclusively(run, databases, (alone) => prove(run, alone, entry, facts, reasons));
  }
  // Without the source: the lock on its server goes with the server.
  return exclusivelyOnTarget(run, { ...primary, services: [] }, (alone) =>
    stopDeployments(run, alone, primary.scope),
  );
}

/** Looks into a copy of the old database, which stays sealed itself; makes both backups; writes down what was proven. */
async function prove(
  run: RetirementRun,
  alone: ExclusiveAccess,
  entry: FinishedEntry,
  facts: RetirementFacts,
  reasons: readonly string[],
): Promise<void> {
  const { inputs, reporter } = run;
  const { exclusion, world } = alone;
  const { connection } = world.source;
  const maintenance = exclusion.source;
  await dropScratch(maintenance);
  try {
    if (reasons.length > 0) throw refused("stop", [...reasons, ...(await reasonsInside())]);
    const store = openStoreOf(run, entry);
    const client =
      store === undefined ? undefined : await findArchiveClient((facts.server as { major: number }).major);
    const volume = facts.volume as VolumeFacts;
    const volumeBackup = await backUpVolume(run, alone.railway, world.scope, volume, entry.record);
    const seen = await lookInside(maintenance, connection, entry, inputs);
    if (seen.reasons.length > 0) throw refused("stop", seen.reasons);
    reporter.detail(`${entry.record.fence.tables.length} tables are as they were hashed at the fence`);
    const finalBackup: FinalBackupEvidence =
      store === undefined || client === undefined
        ? ownBackup(run)
        : await makeFinalBackup({
            ...store,
            client,
            copy: seen.copy,
            original: connection.database,
            contents: seen.contents,
            searchPath: seen.searchPath,
            maintenance,
            workers: inputs.copy.workers,
            signal: exclusion.signal,
            reporter,
          });
    await noteRetirement(exclusion, {
      provenAt: new Date().toISOString(),
      deploymentId: facts.deployments[0]?.id ?? null,
      environmentId: world.scope.environmentId,
      tables: entry.record.fence.tables.length,
      environments: [...(facts.environments ?? [world.scope.environmentName])],
      volumeBackup: { id: volumeBackup, volumeId: volume.id },
      finalBackup,
      stoppedAt: null,
      removalBegunAt: null,
      removedAt: null,
    });
  } finally {
    if (!exclusion.signal.aborted) await dropScratch(maintenance);
  }

  /** So that one refusal names all: as far as it can be copied, its content is looked at all the same. */
  async function reasonsInside(): Promise<readonly string[]> {
    if (!canBeCopied(facts)) return [];
    return (await lookInside(maintenance, connection, entry, inputs)).reasons;
  }
}

interface InsideView {
  readonly reasons: readonly string[];
  /** The copy, as it is without the fence. */
  readonly copy: ConnectionTarget;
  readonly contents: DatabaseContents;
  readonly searchPath: string;
}

/**
 * Copies the sealed database on its server and looks into the copy. The fence is taken down there: what is restored from a
 * backup must be no database that refuses writes, and the fence refuses to refresh materialised views while restoring.
 */
async function lookInside(
  maintenance: pg.Client,
  source: ConnectionTarget,
  { id, record }: FinishedEntry,
  { schemas, copy: { workers } }: RetirementRun["inputs"],
): Promise<InsideView> {
  await copyDatabase(maintenance, source.database, scratchDatabases.copy);
  const copy = { ...source, database: scratchDatabases.copy };
  const inside = await withConnection(copy, { purpose: "unfence" }, async (client) => {
    const fence = await readFence(client, schemas);
    const cronJobs = await readCronJobs(client, source.database);
    if (fence.witness?.migrationId === id) {
      await openSourceFence(client, id);
      await removeFence(client);
      await dropSourceSchema(client);
    }
    const searchPath = await loadSearchPath(client, client, await userSchemas(client));
    return { fence, cronJobs, searchPath };
  });
  const signal = source.admission?.signal ?? new AbortController().signal;
  const contents = await readContents(copy, { workers, signal });
  const tables = contents.tables.filter(({ schema }) => schemas.includes(schema));
  return {
    reasons: contentReasons(record, id, { ...inside, tables }),
    copy,
    contents,
    searchPath: inside.searchPath,
  };
}

/** One that was made since the promotion holds the same: the database has been sealed since, and is proven unchanged. */
async function backUpVolume(
  { inputs, reporter }: RetirementRun,
  railway: Railway,
  scope: EnvironmentScope,
  volume: VolumeFacts,
  { promotion }: RecordIn<"finished">,
): Promise<string> {
  const name = `final-${inputs.source}`;
  const { backup } = await ensureVolumeBackup(railway, scope, {
    volumeInstanceId: volume.instanceId,
    name,
    counts: (one) => one.name === name && one.createdAt.getTime() > Date.parse(promotion.promotedAt),
    timeoutMs: inputs.backups.timeoutMs,
  });
  reporter.detail(`volume backup ${backup.id} made and listed`);
  return backup.id;
}

/** Whether the final backup that an interrupted run made is the one that the configuration wants; what is stopped has no other. */
function isAsConfigured(run: RetirementRun, entry: FinishedEntry, { server }: RetirementFacts): boolean {
  if (server === null) return true;
  const made = entry.record.retirement?.finalBackup;
  const place = openStoreOf(run, entry)?.store.place ?? ownBackup(run).place;
  return made?.place === place && isForKeys(made, run.inputs.removal.finalBackup);
}

function openStoreOf({ inputs, credentials }: RetirementRun, entry: FinishedEntry) {
  const destination = inputs.removal.finalBackup;
  if (destination === null || destination.to === "own") return undefined;
  return {
    to: destination.to,
    recipients: destination.recipients,
    store: openStore(destination, backupName(entry), credentials),
  };
}

function ownBackup({ inputs }: RetirementRun): FinalBackupEvidence {
  const stated = inputs.removal.finalBackup;
  if (stated?.to !== "own") throw new TypeError("the operator states no backup of their own");
  return { to: "own", place: stated.place, restoredAt: stated.restoredAt };
}

/** Does nothing where it is stopped already, and notes it in any case. */
async function stopDeployments(
  { inputs, serviceId, reporter }: RetirementRun,
  alone: Pick<ExclusiveAccess, "railway" | "exclusion">,
  scope: EnvironmentScope,
): Promise<RetirementRecord> {
  const { retirement } = finishedOrRefused("stop", await readJournal(alone.exclusion.target)).record;
  if (retirement === undefined) {
    throw refused("stop", ["the journal holds no proof of it any more: it was changed meanwhile"]);
  }
  const { activeDeployments } = await alone.railway.findService(scope, serviceId);
  for (const { id } of activeDeployments.filter(isRunning)) await alone.railway.stopDeployment(id);
  const record =
    retirement.stoppedAt === null ? { ...retirement, stoppedAt: new Date().toISOString() } : retirement;
  await noteRetirement(alone.exclusion, record);
  reporter.detail(`${inputs.source} is stopped; its volume is kept`);
  return record;
}

async function dropScratch(maintenance: pg.Client): Promise<void> {
  for (const name of Object.values(scratchDatabases)) await dropDatabase(maintenance, name);
}
