import { isConnectionLoss } from "../../errors.ts";
import type { Railway } from "../../railway/railway.ts";
import type { ResolvedDatabases, ResolvedWorld } from "../decide/resolve.ts";
import type { MigrationInputs } from "../inputs.ts";
import type { PromotedRecord } from "../journal/record.ts";
import type { Announce } from "../prepare/announcement.ts";
import type { Reporter } from "../reporter.ts";
import { assertNoRotation } from "../rotation/unfinished.ts";
import { type Exclusion, excludeOtherRuns } from "./exclusion.ts";

/** What a command was given to work with. */
export interface CutoverRun {
  readonly railway: Railway;
  readonly inputs: MigrationInputs;
  readonly reporter: Reporter;
  /** Tells people; nobody is told without. */
  readonly announce?: Announce | undefined;
  /** Whether the engine that started this run is still there; an orphan lets go of the source's locks. */
  isEngineAlive(): Promise<boolean>;
  /** What drives the run, with its version, for the evidence; absent for a script. */
  describeEngine?(): Promise<string | null>;
}

/** A run once it knows the databases and is alone. Whatever it opens through `world` is cut when it is alone no more. */
export interface ExclusiveAccess extends CutoverRun {
  readonly world: ResolvedDatabases;
  readonly exclusion: Exclusion;
}

/** All that is needed after the promotion. */
export type FinishWorld = Pick<ResolvedWorld, "scope" | "target" | "services">;

export interface FinishingRun extends CutoverRun {
  readonly world: FinishWorld;
  readonly exclusion: Exclusion;
}

/** A run that knows the services, too. */
export interface ExclusiveRun extends ExclusiveAccess {
  readonly world: ResolvedWorld;
}

/** What a promoted migration leaves for the outside: its id and the journal's record of it. */
export interface PromotedMigration {
  readonly id: string;
  readonly record: PromotedRecord;
}

/**
 * Does `work` as the only run on these databases.
 *
 * @throws CutoverError `ANOTHER_RUN_ACTIVE`, `ROTATION_UNFINISHED`, and whatever `work` throws
 */
export async function exclusively<World extends ResolvedDatabases, Result>(
  run: CutoverRun,
  world: World,
  work: (run: CutoverRun & { readonly world: World; readonly exclusion: Exclusion }) => Promise<Result>,
): Promise<Result> {
  const exclusion = await excludeOtherRuns({
    source: world.source.connection,
    target: world.target.connection,
  });
  const source = { ...world.source, connection: exclusion.guarded(world.source.connection) };
  const target = { ...world.target, connection: exclusion.guarded(world.target.connection) };
  const railway = run.railway.guarded(() => exclusion.assertAlone());
  return releasing(exclusion, async () => {
    await assertNoRotation(exclusion.target);
    return work({ ...run, railway, world: { ...world, source, target }, exclusion });
  });
}

/** The same for what is left after the promotion: it has nothing to do with the source, which may be gone. */
export async function exclusivelyOnTarget<Result>(
  run: CutoverRun,
  world: FinishWorld,
  work: (run: FinishingRun) => Promise<Result>,
): Promise<Result> {
  const exclusion = await excludeOtherRuns({ target: world.target.connection });
  const target = { ...world.target, connection: exclusion.guarded(world.target.connection) };
  const railway = run.railway.guarded(() => exclusion.assertAlone());
  return releasing(exclusion, async () => {
    await assertNoRotation(exclusion.target);
    return work({ ...run, railway, world: { ...world, target }, exclusion });
  });
}

/** A session that was cut fails anyhow; why it was cut is what the operator must know. */
async function releasing<Result>(exclusion: Exclusion, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw isConnectionLoss(error) && exclusion.signal.aborted ? exclusion.signal.reason : error;
  } finally {
    await exclusion.release();
  }
}
