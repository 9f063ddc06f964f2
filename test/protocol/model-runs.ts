import { copyAndVerify } from "./model-copy.ts";
import { exclude, persistently } from "./model-exclusion.ts";
import { moveServices, putBack, settled } from "./model-services.ts";
import {
  assertLocks,
  endHolds,
  Failure,
  type Owner,
  onSession,
  openSession,
  type Steps,
  step,
  takeOver,
  transition,
} from "./model-steps.ts";
import { type ModelFence, type ModelRun, type ModelWorld, serving } from "./model-world.ts";

/**
 * What runs do, step by step, as the crash table of docs/protocol.md has it, with the real decision. Each label begins
 * with its row there; 0 is what changes nothing.
 */

/** `pulumi up`: the migration, then the services' own resources, then the command. */
export function* up(world: ModelWorld, run: ModelRun): Steps {
  if (!world.recorded) {
    yield* migrate(world, run);
    endHolds(run);
    yield* step("20 recorded by Pulumi", () => {
      world.recorded = true;
    });
  }
  for (const service of world.services) {
    yield* step("21 service verified", () => {
      service.variable = "target";
      if (serving(service)?.given !== "target") world.deploy(service);
    });
    yield* settled(world, service, "21 service waited for");
  }
  if (world.commandNoted) return;
  yield* step("22 command run", () => {
    world.commandsRun += 1;
  });
  yield* step("22 command noted", () => {
    world.commandNoted = true;
  });
}

/** `npm run abort -- --yes`. */
export function* abort(world: ModelWorld, run: ModelRun): Steps {
  if (world.primary() === "target" && !world.flaws.has("abort after the promotion"))
    throw new Failure("ALREADY_PROMOTED");
  yield* exclude(world, run, ["source", "target"]);
  const entry = world.newest();
  const decision = world.decide("abort", entry);
  if (decision.action === "refuse") throw new Failure(decision.code);
  if (decision.action === "nothing" || entry === undefined) return;
  yield* putBackFrom(world, run, yield* takeOver(world, run, entry));
}

function* migrate(world: ModelWorld, run: ModelRun): Steps {
  const known = world.flaws.has("journal not asked") ? undefined : world.newest();
  if (known?.state === "finished") return;
  if (known?.state === "promoted") {
    yield* exclude(world, run, ["target"]);
    return yield* finishPromotion(world, run, known);
  }
  yield* exclude(world, run, ["source", "target"]);
  const entry = world.newest();
  const decision = world.decide("up", entry);
  if (decision.action === "refuse") throw new Failure(decision.code);
  if (decision.action === "start" || entry === undefined) return yield* attempt(world, run);
  switch (decision.action) {
    case "put-back":
      yield* putBackFrom(world, run, yield* takeOver(world, run, entry));
      return yield* attempt(world, run);
    case "go-on": {
      const owner = yield* takeOver(world, run, entry);
      yield* forwardOrBack(world, run, owner, function* () {
        yield* settleBehindFence(world, run);
        yield* switchOver(world, run, owner);
      });
      return yield* finishWithoutSource(world, run, owner);
    }
    case "finish":
    case "nothing":
      return yield* finishWithoutSource(world, run, entry);
    default:
      return decision satisfies never;
  }
}

function* attempt(world: ModelWorld, run: ModelRun): Steps {
  yield* step("2 preflight", () => {
    if (world.target.copy !== null && !world.flaws.has("journal not asked"))
      throw new Failure("PREFLIGHT_BLOCKED");
  });
  yield* step("3 journal created", () => onSession(run, "target"));
  let snapshot = new Set(world.source.rows);
  yield* step("4 tables locked", () => {
    openSession(world, run, "source", "tables");
    if (world.runs.some((other) => other !== run && other.holds.tables)) {
      run.holds.tables = false;
      throw new Failure("LOCKS_NOT_GRANTED");
    }
  });
  yield* step("5 snapshot", () => {
    openSession(world, run, "source", "copy");
    if (!world.flaws.has("snapshot before the locks")) snapshot = new Set(world.source.rows);
  });
  const owner = yield* step("5 row loading", () => {
    onSession(run, "target");
    if (world.journal.some(({ state }) => state !== "aborted")) throw new Failure("JOURNAL_LOST");
    const id = `m${world.journal.length + 1}`;
    world.journal.push({ id, epoch: 1, state: "loading", fence: null });
    return { id, epoch: 1 };
  });
  yield* forwardOrBack(world, run, owner, function* () {
    yield* copyAndVerify(world, run, owner, snapshot);
    yield* closeFences(world, run, owner);
    yield* switchOver(world, run, owner);
  });
  yield* finishWithoutSource(world, run, owner);
}

/** Any failure before the promotion puts everything back within the run, or leaves the switch as it stands. */
function* forwardOrBack(world: ModelWorld, run: ModelRun, owner: Owner, forward: () => Steps): Steps {
  try {
    yield* forward();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    Object.assign(run.holds, { tables: false, copy: false });
    const entry = yield* persistently(world, run, ["source", "target"], () =>
      step("0 journal read", () => {
        onSession(run, "target");
        return world.newest();
      }),
    );
    const isOwn = entry?.epoch === owner.epoch || world.flaws.has("epoch not compared");
    if (entry?.id !== owner.id || !isOwn || entry.state === "aborted") throw error;
    if (entry.state === "promoted" || entry.state === "finished") return;
    if (entry.state === "switching" && world.holds) throw new Failure("CUTOVER_HELD");
    yield* putBackFrom(world, run, owner);
    throw new Failure("CUTOVER_ABORTED");
  }
}

function* putBackFrom(world: ModelWorld, run: ModelRun, owner: Owner): Steps {
  yield* persistently(world, run, ["source", "target"], function* () {
    const entry = yield* step("0 journal read", () => {
      onSession(run, "target");
      return world.newest();
    });
    if (entry?.id !== owner.id) throw new Failure("JOURNAL_LOST");
    if (entry.state === "aborted") return;
    const isPromoted = entry.state === "promoted" || entry.state === "finished";
    if (isPromoted && !world.flaws.has("abort after the promotion")) throw new Failure("JOURNAL_LOST");
    yield* putBack(world, run, owner);
  });
}

function* closeFences(world: ModelWorld, run: ModelRun, owner: Owner): Steps {
  yield* step("9 row switching", () => {
    const fence: ModelFence = {
      epoch: owner.epoch,
      isOver: false,
      rows: new Set(world.target.copy?.keys()),
      services: new Map(
        world.services.map(({ name, variable }) => [
          name,
          { previous: variable, begun: false, deploymentId: null, proven: false },
        ]),
      ),
    };
    transition(world, run, owner, "loading", (entry) => {
      entry.state = "switching";
      entry.fence = fence;
    });
  });
  const isApart = world.flaws.has("locks released before the fence");
  if (isApart)
    yield* step("10 locks released", () => {
      run.holds.tables = false;
    });
  yield* step("10 fence committed", () => {
    if (!isApart && !world.flaws.has("fence through another session")) assertLocks(run);
    run.holds.tables = false;
    Object.assign(world.source, {
      fence: "closed",
      witness: { migrationId: owner.id, epoch: owner.epoch },
      yields: !world.holds,
      isTimeOver: false,
      hasPassed: false,
    });
  });
  yield* settleBehindFence(world, run);
}

function* settleBehindFence(world: ModelWorld, run: ModelRun): Steps {
  yield* step("11 seal lifted", () => {
    onSession(run, "source");
    world.source.sealed = false;
  });
  yield* step("11 session opened", () => openSession(world, run, "source", "inSource"));
  yield* step("11 definitions and sequences read", () => {
    onSession(run, "inSource");
    onSession(run, "target");
    if (world.holds) perpetuate(world);
    else world.source.yields = true;
  });
}

function* switchOver(world: ModelWorld, run: ModelRun, owner: Owner): Steps {
  yield* moveServices(world, run, owner, "switching");
  yield* step("15 session opened", () => openSession(world, run, "source", "inSource"));
  yield* step("15 sealed", () => {
    onSession(run, "source");
    world.source.sealed = true;
  });
  if (!world.flaws.has("no look behind the seal"))
    yield* step("16 source's fence", () => {
      onSession(run, "inSource");
      const { fence, witness } = world.source;
      if (fence !== "closed" || world.hasYielded() || witness?.migrationId !== owner.id)
        throw new Failure("SOURCE_FENCE_BROKEN");
    });
  yield* step("16 source's fence made lasting", () => {
    onSession(run, "inSource");
    perpetuate(world);
  });
  yield* step("16 target's fence and seal", () => {
    onSession(run, "source");
    onSession(run, "target");
    if (world.target.fence !== "closed" && !world.flaws.has("fence of the copy left open"))
      throw new Failure("TARGET_FENCE_BROKEN");
    if (!world.source.sealed) throw new Failure("SOURCE_NOT_SEALED");
  });
  yield* step("17 promoted", () => {
    if (world.flaws.has("promotion without a look at the journal")) {
      const entry = world.journal.find(({ id }) => id === owner.id);
      if (!world.flaws.has("journal written through another session")) onSession(run, "target");
      if (entry !== undefined) entry.state = "promoted";
    } else
      transition(world, run, owner, "switching", (entry) => {
        entry.state = "promoted";
      });
    world.target.open = true;
  });
}

/** From inside a sealed database. */
function perpetuate({ source, flaws }: ModelWorld): void {
  const { hasPassed } = source;
  Object.assign(source, { yields: false, isTimeOver: false });
  if (hasPassed && !flaws.has("yielding not noticed") && !flaws.has("no look behind the seal"))
    throw new Failure("SOURCE_FENCE_BROKEN");
}

/** After the promotion the source is nobody's business. */
function* finishWithoutSource(world: ModelWorld, run: ModelRun, { id }: { id: string }): Steps {
  run.holds.source = false;
  yield* finishPromotion(world, run, { id });
}

function* finishPromotion(world: ModelWorld, run: ModelRun, { id }: { id: string }): Steps {
  yield* persistently(world, run, ["target"], function* () {
    const entry = yield* step("0 journal read", () => {
      onSession(run, "target");
      return world.newest();
    });
    if (entry?.id !== id) throw new Failure("JOURNAL_LOST");
    if (entry.state === "finished") return;
    if (entry.state !== "promoted") throw new Failure("JOURNAL_LOST");
    const owner = yield* takeOver(world, run, entry);
    yield* moveServices(world, run, owner, "promoted");
    yield* step("19 target's fence down", () => {
      onSession(run, "target");
      world.target.fence = "none";
    });
    yield* step("20 row finished", () =>
      transition(world, run, owner, "promoted", (row) => {
        row.state = "finished";
      }),
    );
  });
}
