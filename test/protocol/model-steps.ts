import type { MigrationState } from "../../components/migration/journal/record.ts";
import type { Hold, ModelEntry, ModelRun, ModelWorld, Side } from "./model-world.ts";

/** Between two steps anything may happen; one step is what a server or Railway does at once. */
export type Steps<Result = void> = Generator<string, Result, Fate>;

/** What becomes of the next step: done, not done, or done although the answer got lost. */
export type Fate = "done" | "fails" | "answer lost";

/** A run that ends in an error, by its code. Anything else that is thrown is a mistake of the model. */
export class Failure extends Error {
  readonly code: string;
  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

export function* step<Result>(label: string, apply: () => Result): Steps<Result> {
  const fate = yield label;
  if (fate === "fails") throw new Failure("STEP_FAILED");
  const result = apply();
  if (fate === "answer lost") throw new Failure("ANSWER_LOST");
  return result;
}

/** Who may write to the journal. */
export interface Owner {
  readonly id: string;
  readonly epoch: number;
}

/** A statement through a session that was opened before. */
export function onSession(run: ModelRun, session: Hold): void {
  if (!run.holds[session]) throw new Failure("CONNECTION_LOST");
}

/** A run that is not the only one any more opens nothing: each new session asks for its run's own lock first. */
export function openSession(world: ModelWorld, run: ModelRun, side: Side, session: Hold): void {
  if (!world.flaws.has("doors left open to orphans")) onSession(run, side);
  run.holds[session] = true;
}

/** The sessions of a process that ended. */
export function endHolds(run: ModelRun): void {
  for (const hold of Object.keys(run.holds)) run.holds[hold as Hold] = false;
}

export function assertLocks(run: ModelRun): void {
  if (!run.holds.tables) throw new Failure("LOCKS_LOST");
}

export function* takeOver(world: ModelWorld, run: ModelRun, { id, epoch }: Owner): Steps<Owner> {
  return yield* step("t taken over", () => {
    onSession(run, "target");
    const entry = world.journal.find((row) => row.id === id);
    if (entry?.epoch !== epoch) throw new Failure("JOURNAL_LOST");
    entry.epoch += 1;
    return { id, epoch: entry.epoch };
  });
}

/** A compare-and-set through the session that holds the exclusion on the target. */
export function transition(
  world: ModelWorld,
  run: ModelRun,
  owner: Owner,
  from: MigrationState,
  change: (entry: ModelEntry) => void,
): void {
  if (!world.flaws.has("journal written through another session")) onSession(run, "target");
  const entry = world.journal.find(({ id }) => id === owner.id);
  const isOwn = entry?.epoch === owner.epoch || world.flaws.has("epoch not compared");
  if (entry === undefined || !isOwn || entry.state !== from) throw new Failure("JOURNAL_LOST");
  change(entry);
  if (!successors[from].includes(entry.state))
    world.violate(`the journal went from ${from} to ${entry.state}`);
}

const successors: Record<MigrationState, readonly MigrationState[]> = {
  loading: ["loading", "switching", "aborting"],
  switching: ["switching", "promoted", "aborting"],
  promoted: ["promoted", "finished"],
  finished: [],
  aborting: ["aborting", "aborted"],
  aborted: [],
};
