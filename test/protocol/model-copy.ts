import {
  assertLocks,
  Failure,
  type Owner,
  onSession,
  openSession,
  type Steps,
  step,
  transition,
} from "./model-steps.ts";
import type { ModelRun, ModelWorld } from "./model-world.ts";

/** Rows 6 to 8: the copy, behind its fence from its first table on. */
export function* copyAndVerify(
  world: ModelWorld,
  run: ModelRun,
  owner: Owner,
  snapshot: ReadonlySet<number>,
): Steps {
  const { target } = world;
  const isLate = world.flaws.has("copy fenced after its definitions");
  if (!isLate) yield* fenceCopy(world, run, 6, owner.id);
  yield* step("6 definitions", () => {
    onSession(run, "copy");
    if (target.copy !== null) throw new Failure("LOAD_FAILED");
    target.copy = new Map();
    if (isLate) target.fence = "none";
  });
  if (isLate) yield* fenceCopy(world, run, 6, owner.id);
  const rows = [...snapshot];
  for (const part of [rows.slice(0, rows.length / 2), rows.slice(rows.length / 2)])
    yield* step("6 rows", () => {
      onSession(run, "copy");
      if (target.copy === null || (target.fence !== "none" && target.loader !== owner.id))
        throw new Failure("LOAD_FAILED");
      for (const row of part) target.copy.set(row, (target.copy.get(row) ?? 0) + 1);
    });
  yield* step("6 locks still held", () => assertLocks(run));
  yield* step("7 hook noted", () => transition(world, run, owner, "loading", () => {}));
  yield* fenceCopy(world, run, 8, null);
  yield* step("8 gate", () => {
    const { copy } = target;
    const isEqual = copy?.size === snapshot.size && [...snapshot].every((row) => copy.get(row) === 1);
    if (!isEqual) throw new Failure("GATE_RED");
  });
  yield* step("8 locks still held", () => assertLocks(run));
}

function* fenceCopy(world: ModelWorld, run: ModelRun, row: 6 | 8, loader: string | null): Steps {
  yield* step(`${row} session opened`, () => openSession(world, run, "target", "inTarget"));
  yield* step(`${row} fence ${loader === null ? "without a token" : "with the loader's token"}`, () => {
    onSession(run, "inTarget");
    const closed = world.flaws.has("fence of the copy left open") ? "none" : "closed";
    Object.assign(world.target, { open: false, fence: loader === null ? closed : "loading", loader });
  });
}
