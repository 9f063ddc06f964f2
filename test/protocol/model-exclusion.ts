import { endHolds, Failure, type Steps, step } from "./model-steps.ts";
import type { ModelRun, ModelWorld, Side } from "./model-world.ts";

/** Takes the locks, and ends what other runs left open. */
export function* exclude(world: ModelWorld, run: ModelRun, sides: readonly Side[]): Steps {
  for (const side of sides)
    yield* step(`1 exclusion on the ${side}`, () => {
      if (world.runs.some((other) => other !== run && other.holds[side]))
        throw new Failure("ANOTHER_RUN_ACTIVE");
      run.holds[side] = true;
    });
  for (const side of sides)
    yield* step(`1 sessions of orphans on the ${side} ended`, () => endSessions(world, run, side));
}

/** All but the control sessions, which only their loss ends. */
export function endSessions(world: ModelWorld, run: ModelRun, side: Side): void {
  for (const other of world.runs) {
    if (other === run) continue;
    Object.assign(
      other.holds,
      side === "source" ? { tables: false, copy: false, inSource: false } : { copy: false, inTarget: false },
    );
  }
}

/** Repeats what may run twice, as long as it is the run's sessions that were lost and not its cause. */
export function* persistently<Result>(
  world: ModelWorld,
  run: ModelRun,
  sides: readonly Side[],
  work: () => Steps<Result>,
): Steps<Result> {
  for (let attempt = 1; ; attempt++) {
    if (sides.some((side) => !run.holds[side])) {
      endHolds(run);
      yield* exclude(world, run, sides);
    }
    try {
      return yield* work();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      const isLoss = error.code === "CONNECTION_LOST" || error.code === "ANSWER_LOST";
      if (!isLoss || attempt === 3) throw error;
      endHolds(run);
    }
  }
}
