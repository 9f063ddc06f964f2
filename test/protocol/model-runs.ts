import type { MigrationState } from "../../components/migration/record.ts";
import type {
  ModelEntry,
  ModelFence,
  ModelRun,
  ModelService,
  ModelWorld,
  ServiceNote,
  Side,
} from "./model-world.ts";

/**
 * What runs do, step by step, as the crash table of docs/protocol.md has it. Each label begins with its row there.
 * Between two steps anything may happen; one step is what a server or Railway does at once.
 */
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

function* step<Result>(label: string, apply: () => Result): Steps<Result> {
  const fate = yield label;
  if (fate === "fails") throw new Failure("STEP_FAILED");
  const result = apply();
  if (fate === "answer lost") throw new Failure("ANSWER_LOST");
  return result;
}

/** `pulumi up`: the migration, then the services' own resources, then the command. */
export function* up(world: ModelWorld, run: ModelRun): Steps {
  if (!world.recorded) {
    const asked = !world.flaws.has("journal not asked");
    if (!(asked && world.newest()?.state === "finished")) yield* cutover(world, run);
    release(run);
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
  yield* exclude(world, run);
  const entry = world.newest();
  const decision = world.decide("abort", entry);
  if (decision.action === "refuse") throw new Failure(decision.code);
  if (decision.action === "nothing" || entry === undefined) return;
  yield* putBack(world, run, yield* takeOver(world, run, entry));
}

function* cutover(world: ModelWorld, run: ModelRun): Steps {
  yield* exclude(world, run);
  const entry = world.newest();
  const decision = world.decide("up", entry);
  if (decision.action === "refuse") throw new Failure(decision.code);
  if (decision.action === "start" || entry === undefined) return yield* attempt(world, run);
  if (decision.action === "nothing") return;
  const owner = yield* takeOver(world, run, entry);
  switch (decision.action) {
    case "put-back":
      yield* putBack(world, run, owner);
      return yield* attempt(world, run);
    case "go-on":
      return yield* forwardOrBack(world, run, owner, function* () {
        yield* settleBehindFence(world, run);
        yield* switchOver(world, run, owner);
      });
    case "finish":
      return yield* finish(world, run, owner);
    default:
      return decision satisfies never;
  }
}

function* exclude(world: ModelWorld, run: ModelRun): Steps {
  for (const side of ["source", "target"] as const)
    yield* step(`1 exclusion on the ${side}`, () => {
      if (world.runs.some((other) => other !== run && other.holds[side]))
        throw new Failure("ANOTHER_RUN_ACTIVE");
      run.holds[side] = true;
    });
  yield* step("1 sessions of orphans ended", () => endSessions(world, run));
}

function endSessions(world: ModelWorld, run: ModelRun): void {
  for (const other of world.runs)
    if (other !== run) Object.assign(other.holds, { tables: false, copy: false });
}

function* attempt(world: ModelWorld, run: ModelRun): Steps {
  yield* step("2 preflight", () => {
    if (world.target.copy !== null && !world.flaws.has("journal not asked"))
      throw new Failure("PREFLIGHT_BLOCKED");
  });
  yield* step("3 journal created", () => onSession(run, "target"));
  let snapshot = new Set(world.source.rows);
  yield* step("4 tables locked", () => {
    if (world.runs.some(({ holds }) => holds.tables)) throw new Failure("LOCKS_NOT_GRANTED");
    run.holds.tables = true;
  });
  yield* step("5 snapshot", () => {
    if (!world.flaws.has("snapshot before the locks")) snapshot = new Set(world.source.rows);
    run.holds.copy = true;
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
}

/** Any failure before the promotion puts everything back within the run. */
function* forwardOrBack(world: ModelWorld, run: ModelRun, owner: Owner, forward: () => Steps): Steps {
  try {
    yield* forward();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    run.holds.tables = false;
    onSession(run, "target");
    const entry = world.newest();
    if (entry?.id !== owner.id || entry.epoch !== owner.epoch) throw error;
    if (entry.state !== "loading" && entry.state !== "switching" && entry.state !== "aborting") throw error;
    yield* putBack(world, run, owner);
    throw new Failure("CUTOVER_ABORTED");
  }
}

function* copyAndVerify(
  world: ModelWorld,
  run: ModelRun,
  { id }: Owner,
  snapshot: ReadonlySet<number>,
): Steps {
  const { target } = world;
  const fencesLate = world.flaws.has("copy fenced after its definitions");
  if (!fencesLate) yield* step("6 fence with the loader's token", () => fenceCopy(world, run, id));
  yield* step("6 definitions", () => {
    onSession(run, "copy");
    if (target.copy !== null) throw new Failure("LOAD_FAILED");
    target.copy = new Map();
    if (fencesLate) target.fence = "none";
  });
  if (fencesLate) yield* step("6 fence with the loader's token", () => fenceCopy(world, run, id));
  const rows = [...snapshot];
  for (const part of [rows.slice(0, rows.length / 2), rows.slice(rows.length / 2)])
    yield* step("6 rows", () => {
      onSession(run, "copy");
      if (target.copy === null || (target.fence !== "none" && target.loader !== id))
        throw new Failure("LOAD_FAILED");
      for (const row of part) target.copy.set(row, (target.copy.get(row) ?? 0) + 1);
    });
  yield* step("6 locks still held", () => assertLocks(run));
  yield* step("7 hook noted", () => transition(world, run, { id, epoch: 1 }, "loading", () => {}));
  if (!world.flaws.has("fence of the copy left open"))
    yield* step("8 fence without a token", () => fenceCopy(world, run, null));
  else yield* step("8 fence without a token", () => Object.assign(target, { fence: "none" }));
  yield* step("8 gate", () => {
    const { copy } = target;
    const isEqual = copy?.size === snapshot.size && [...snapshot].every((row) => copy.get(row) === 1);
    if (!isEqual) throw new Failure("GATE_RED");
  });
  yield* step("8 locks still held", () => assertLocks(run));
}

function fenceCopy(world: ModelWorld, run: ModelRun, loader: string | null): void {
  if (!world.flaws.has("copy fenced through a session of its own")) onSession(run, "target");
  Object.assign(world.target, { open: false, fence: loader === null ? "closed" : "loading", loader });
}

function assertLocks(run: ModelRun): void {
  if (!run.holds.tables) throw new Failure("LOCKS_LOST");
}

function* closeFences(world: ModelWorld, run: ModelRun, owner: Owner): Steps {
  yield* step("9 row switching", () => {
    const fence: ModelFence = {
      epoch: owner.epoch,
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
  if (world.flaws.has("locks released before the fence"))
    yield* step("10 locks released", () => {
      run.holds.tables = false;
    });
  yield* step("10 fence committed", () => {
    const needsLocks = !["locks released before the fence", "fence through another session"].some((flaw) =>
      world.flaws.has(flaw as "fence through another session"),
    );
    if (needsLocks) assertLocks(run);
    run.holds.tables = false;
    world.source.fence = "closed";
    world.source.witness = { migrationId: owner.id, epoch: owner.epoch };
  });
  yield* settleBehindFence(world, run);
}

function* settleBehindFence(world: ModelWorld, run: ModelRun): Steps {
  yield* step("11 seal lifted", () => {
    onSession(run, "source");
    world.source.sealed = false;
  });
  yield* step("11 sequences read", () => onSession(run, "target"));
}

function* switchOver(world: ModelWorld, run: ModelRun, owner: Owner): Steps {
  for (const service of world.services.filter(({ startsReadOnly }) => startsReadOnly))
    yield* moveService(world, run, owner, service, "switching", 12);
  yield* step("15 sealed", () => {
    onSession(run, "source");
    world.source.sealed = true;
  });
  yield* step("16 checks behind the seal", () => {
    onSession(run, "source");
    onSession(run, "target");
    if (world.flaws.has("no look behind the seal")) return;
    const { fence, witness, sealed } = world.source;
    if (fence !== "closed" || witness?.migrationId !== owner.id) throw new Failure("SOURCE_FENCE_BROKEN");
    if (!sealed) throw new Failure("SOURCE_NOT_SEALED");
    if (world.target.fence !== "closed" && !world.flaws.has("fence of the copy left open"))
      throw new Failure("TARGET_FENCE_BROKEN");
  });
  yield* step("17 promoted", () => {
    const entry = world.journal.find(({ id }) => id === owner.id);
    if (!world.flaws.has("promotion through another session")) onSession(run, "target");
    if (world.flaws.has("promotion without a look at the journal") && entry !== undefined)
      entry.state = "promoted";
    else
      transition(world, run, owner, "switching", (row) => {
        row.state = "promoted";
      });
    world.target.open = true;
  });
  yield* finish(world, run, yield* takeOver(world, run, { ...owner }));
}

function* finish(world: ModelWorld, run: ModelRun, owner: Owner): Steps {
  for (const service of world.services.filter(({ startsReadOnly }) => !startsReadOnly))
    yield* moveService(world, run, owner, service, "promoted", 18);
  yield* step("19 target's fence down", () => {
    onSession(run, "target");
    world.target.fence = "none";
  });
  yield* step("20 row finished", () =>
    transition(world, run, owner, "promoted", (entry) => {
      entry.state = "finished";
    }),
  );
}

function* moveService(
  world: ModelWorld,
  run: ModelRun,
  owner: Owner,
  service: ModelService,
  state: "switching" | "promoted",
  row: 12 | 18,
): Steps {
  const rows =
    row === 12 ? { begin: "12", deploy: "13", prove: "14" } : { begin: "18", deploy: "18", prove: "18" };
  const read = () => world.newest()?.fence?.services.get(service.name) as ServiceNote;
  const save = (change: Partial<ServiceNote>) =>
    transition(world, run, owner, state, (entry) => {
      entry.fence?.services.set(service.name, { ...read(), ...change });
    });
  if (read().proven) return;
  yield* step(`${rows.begin} service noted as begun`, () => save({ begun: true }));
  yield* step(`${rows.begin} variable set`, () => {
    onRailway(world, run, service);
    service.variable = "target";
  });
  const id = yield* step(`${rows.deploy} deployment asked for`, () => {
    onRailway(world, run, service);
    return adopt(service, "target") ?? world.deploy(service);
  });
  yield* step(`${rows.deploy} deployment noted`, () => save({ deploymentId: id }));
  yield* waitFor(world, service, id, `${rows.prove} waited for`);
  yield* step(`${rows.prove} proven`, () => save({ proven: true }));
}

function* waitFor(world: ModelWorld, service: ModelService, id: number, label: string): Steps {
  for (;;) {
    const isAlone = yield* step(label, () => {
      world.progress(service);
      const own = service.deployments.find((deployment) => deployment.id === id);
      if (own?.status === "failed" || own?.status === "removed") throw new Failure("DEPLOYMENT_FAILED");
      const running = service.deployments.filter(({ status }) => status === "running");
      return own?.status === "running" && running.length === 1;
    });
    if (isAlone) return;
  }
}

function* settled(world: ModelWorld, service: ModelService, label: string): Steps {
  while (serving(service)?.status !== "running" || running(service).length > 1)
    yield* step(label, () => world.progress(service));
}

function running({ deployments }: ModelService) {
  return deployments.filter(({ status }) => status === "running");
}

/** The newest deployment that runs or is under way. */
export function serving({ deployments }: ModelService) {
  return deployments.findLast(({ status }) => status === "running" || status === "under way");
}

function adopt(service: ModelService, side: Side): number | undefined {
  const newest = serving(service);
  return newest?.given === side ? newest.id : undefined;
}

function* putBack(world: ModelWorld, run: ModelRun, owner: Owner): Steps {
  const { source, target } = world;
  const fence = yield* step("a row aborting", () => {
    const entry = world.journal.find(({ id }) => id === owner.id);
    transition(world, run, owner, entry?.state ?? "aborting", (row) => {
      row.state = "aborting";
    });
    return entry?.fence ?? null;
  });
  yield* step("b target's fence checked", () => {
    onSession(run, "target");
    if (world.flaws.has("abort that opens whatever became of the copy")) return;
    if (fence !== null && target.copy !== null && target.fence === "none")
      throw new Failure("TARGET_FENCE_BROKEN");
  });
  yield* step("c sessions of runs ended", () => {
    onSession(run, "source");
    onSession(run, "target");
    endSessions(world, run);
  });
  yield* step("d seal lifted", () => {
    onSession(run, "source");
    source.sealed = false;
  });
  // One transaction, but its look at the witness holds nobody up.
  yield* step("e witness looked at", () => {
    if (source.witness !== null && source.witness.migrationId !== owner.id) throw new Failure("JOURNAL_LOST");
  });
  yield* step("e source opened", () => {
    if (source.fence === "closed") source.fence = "harmless";
    source.witness = null;
  });
  if (!world.flaws.has("services left behind"))
    for (const service of world.services) {
      const note = fence?.services.get(service.name);
      if (note?.begun) yield* restore(world, run, service, note);
    }
  yield* step("g triggers dropped", () => {
    source.fence = "none";
  });
  yield* step("g schema dropped", () => {
    if (source.witness !== null) throw new Failure("ABORT_INCOMPLETE");
  });
  yield* step("h copy dropped", () => {
    onSession(run, "target");
    const hashed = fence?.rows ?? new Set(target.copy?.keys());
    const isUnwritten =
      target.copy === null ||
      (target.copy.size === hashed.size && [...hashed].every((row) => target.copy?.has(row)));
    if (!isUnwritten && !world.flaws.has("copy dropped unseen")) throw new Failure("COPY_WAS_WRITTEN");
    Object.assign(target, { copy: null, fence: "none", loader: null });
  });
  yield* step("i row aborted", () =>
    transition(world, run, owner, "aborting", (entry) => {
      entry.state = "aborted";
    }),
  );
}

function* restore(world: ModelWorld, run: ModelRun, service: ModelService, { previous }: ServiceNote): Steps {
  yield* step("f variable set back", () => {
    onRailway(world, run, service);
    service.variable = previous;
  });
  const id = yield* step("f deployment asked for", () => {
    onRailway(world, run, service);
    return adopt(service, previous) ?? world.deploy(service);
  });
  yield* waitFor(world, service, id, "f waited for");
}

interface Owner {
  readonly id: string;
  readonly epoch: number;
}

function* takeOver(world: ModelWorld, run: ModelRun, { id, epoch }: Owner): Steps<Owner> {
  return yield* step("0 taken over", () => {
    onSession(run, "target");
    const entry = world.journal.find((row) => row.id === id);
    if (entry?.epoch !== epoch) throw new Failure("JOURNAL_LOST");
    entry.epoch += 1;
    return { id, epoch: entry.epoch };
  });
}

/** A compare-and-set through the session that holds the exclusion on the target. */
function transition(
  world: ModelWorld,
  run: ModelRun,
  owner: Owner,
  from: MigrationState,
  change: (entry: ModelEntry) => void,
): void {
  if (!world.flaws.has("promotion through another session")) onSession(run, "target");
  const entry = world.journal.find(({ id }) => id === owner.id);
  if (entry?.epoch !== owner.epoch || entry.state !== from) throw new Failure("JOURNAL_LOST");
  change(entry);
  if (!steps[from].includes(entry.state)) world.violate(`the journal went from ${from} to ${entry.state}`);
}

const steps: Record<MigrationState, readonly MigrationState[]> = {
  loading: ["loading", "switching", "aborting"],
  switching: ["switching", "promoted", "aborting"],
  promoted: ["promoted", "finished"],
  finished: [],
  aborting: ["aborting", "aborted"],
  aborted: [],
};

/** A statement through a session that cannot be opened again by a run that others took over from. */
function onSession(run: ModelRun, session: keyof ModelRun["holds"]): void {
  if (!run.holds[session]) throw new Failure("CONNECTION_LOST");
}

/** Railway is asked without a session: it obeys a run that lost everything else, too. */
function onRailway(world: ModelWorld, run: ModelRun, service: ModelService): void {
  if (!run.holds.source || !run.holds.target) world.strayed.add(service.name);
}

export function release(run: ModelRun): void {
  Object.assign(run.holds, { source: false, target: false, tables: false, copy: false });
}
