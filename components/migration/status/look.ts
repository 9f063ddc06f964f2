import { describeError } from "../../errors.ts";
import { listScratch } from "../../postgres/archive/scratch-database.ts";
import { withConnection } from "../../postgres/connection.ts";
import type { EnvironmentScope, Railway } from "../../railway/railway.ts";
import { type ContextComparison, compareContext } from "../decide/context.ts";
import { looking, observeSource, observeTarget, schemasOf } from "../decide/observe.ts";
import { type ResolvedDatabase, resolveDatabase } from "../decide/resolve.ts";
import type { SourceObservation, TargetObservation } from "../decide/stand.ts";
import { maintenanceDatabase } from "../fence/maintenance.ts";
import type { MigrationInputs } from "../inputs.ts";
import { type JournalEntry, readEvents, readJournal } from "../journal/journal.ts";
import type { RotationEntry } from "../rotation/journal.ts";
import { readUnfinishedRotation } from "../rotation/unfinished.ts";
import { asWhoIsLetIn } from "../rotation/way-in.ts";
import { type ActiveRun, noRun, readActiveRun, readLocksSince, unknownRun } from "./activity.ts";

/** All that a status can be told from. Each part may be missing; `unseen` says why. */
export interface Look {
  readonly unseen: ReadonlyArray<{ what: "railway" | "source" | "target" | "services"; why: string }>;
  readonly isJournalRead: boolean;
  readonly entry: JournalEntry | undefined;
  /** One that is not finished. */
  readonly rotation: RotationEntry | undefined;
  readonly context: ContextComparison;
  readonly source: SourceObservation | null;
  readonly target: TargetObservation | null;
  /** Since when a run holds the locks on the source's tables; `null` where none does. */
  readonly locksSince: string | null;
  readonly run: ActiveRun;
  /** Databases that an interrupted stop of the old one left on its server. */
  readonly scratch: readonly string[];
  readonly history: ReadonlyArray<{ at: string; state: string; text: string }>;
  /** What the environment's services are called now, by id; `null` where that could not be asked. */
  readonly serviceNames: ReadonlyMap<string, string> | null;
}

/** Looks everywhere at once and takes what it gets: at night one of the sides may be down. Reads only. */
export async function look(railway: Railway, inputs: MigrationInputs): Promise<Look> {
  const unseen: Array<Look["unseen"][number]> = [];
  const tolerate = async <Result>(what: (typeof unseen)[number]["what"], see: () => Promise<Result>) => {
    try {
      return await see();
    } catch (error) {
      unseen.push({ what, why: describeError(error) });
      return null;
    }
  };
  const scope = await tolerate("railway", () => railway.resolveEnvironment(inputs));
  const [target, source, services] =
    scope === null
      ? [null, null, null]
      : await Promise.all([
          tolerate("target", () => lookAtTarget(railway, scope, inputs)),
          tolerate("source", () => lookAtSource(railway, scope, inputs)),
          tolerate("services", () => railway.listServices(scope)),
        ]);
  const ids = { source: source?.serviceId, target: target?.serviceId };
  return {
    unseen,
    isJournalRead: target !== null,
    entry: target?.entry,
    rotation: target?.rotation,
    context: compareContext(target?.entry, inputs, ids, new Date()),
    source: source?.observation ?? null,
    target: target?.observation ?? null,
    locksSince: source?.locksSince ?? null,
    scratch: source?.scratch ?? [],
    run: oneOf(target?.run, source?.run),
    history: target?.history ?? [],
    serviceNames: services === null ? null : new Map(services.map(({ id, name }) => [id, name])),
  };
}

async function lookAtTarget(railway: Railway, scope: EnvironmentScope, inputs: MigrationInputs) {
  const target = await resolveDatabase(railway, scope, inputs, "target");
  return asWhoIsLetIn(target.connection, (connection) => lookInside({ ...target, connection }, inputs));
}

async function lookInside(target: ResolvedDatabase, inputs: MigrationInputs) {
  const inside = await withConnection(
    target.connection,
    { ...looking, purpose: "status" },
    async (client) => {
      const entry = await readJournal(client);
      return {
        entry,
        history: entry === undefined ? [] : await readEvents(client, entry.id),
        rotation: await readUnfinishedRotation(client),
        run: await readActiveRun(client),
      };
    },
  );
  const observation = await observeTarget(target, schemasOf(inside.entry, inputs));
  return { ...inside, observation, serviceId: target.service.id };
}

async function lookAtSource(railway: Railway, scope: EnvironmentScope, inputs: MigrationInputs) {
  const source = await resolveDatabase(railway, scope, inputs, "source");
  const observation = await observeSource(source, inputs.schemas);
  const outside = await withConnection(
    source.connection,
    { ...looking, purpose: "status", database: maintenanceDatabase(source.connection) },
    async (client) => ({
      locksSince: await readLocksSince(client, source.connection.database),
      run: await readActiveRun(client),
      scratch: await listScratch(client),
    }),
  );
  return { ...outside, observation, serviceId: source.service.id };
}

/** A run holds its lock on both servers. One that shows on one side alone is just beginning, or an orphan. */
function oneOf(...runs: readonly (ActiveRun | undefined)[]): ActiveRun {
  const told = runs.filter((run) => run !== undefined);
  return told.find(({ isActive }) => isActive) ?? (told.length === 0 ? unknownRun : noRun);
}
