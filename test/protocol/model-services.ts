import { endSessions } from "./model-exclusion.ts";
import { Failure, type Owner, onSession, openSession, type Steps, step, transition } from "./model-steps.ts";
import {
  type ModelRun,
  type ModelService,
  type ModelWorld,
  type ServiceNote,
  type Side,
  serving,
} from "./model-world.ts";

/** Rows 12 to 14, or 18: those that start read-only before the promotion, the others after it. */
export function* moveServices(
  world: ModelWorld,
  run: ModelRun,
  owner: Owner,
  state: "switching" | "promoted",
): Steps {
  for (const service of world.services.filter(
    ({ startsReadOnly }) => startsReadOnly === (state === "switching"),
  ))
    yield* moveService(world, run, owner, service, state);
}

function* moveService(
  world: ModelWorld,
  run: ModelRun,
  owner: Owner,
  service: ModelService,
  state: "switching" | "promoted",
): Steps {
  const [begin, deploy, prove] = state === "switching" ? ["12", "13", "14"] : ["18", "18", "18"];
  const read = () => world.newest()?.fence?.services.get(service.name) as ServiceNote;
  const save = (change: Partial<ServiceNote>) =>
    transition(world, run, owner, state, (entry) => {
      entry.fence?.services.set(service.name, { ...read(), ...change });
    });
  if (read().proven) return;
  yield* step(`${begin} service noted as begun`, () => save({ begun: true }));
  yield* step(`${begin} variable set`, () => {
    onRailway(world, run, service);
    service.variable = "target";
  });
  const id = yield* step(`${deploy} deployment asked for`, () => {
    onRailway(world, run, service);
    return adopt(service, "target") ?? world.deploy(service);
  });
  yield* step(`${deploy} deployment noted`, () => save({ deploymentId: id }));
  yield* waitFor(world, service, id, `${prove} waited for`);
  yield* step(`${prove} proven`, () => save({ proven: true }));
}

/** Rows a to i. */
export function* putBack(world: ModelWorld, run: ModelRun, owner: Owner): Steps {
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
  for (const side of ["source", "target"] as const)
    yield* step(`c sessions of runs on the ${side} ended`, () => {
      onSession(run, side);
      endSessions(world, run, side);
    });
  yield* step("d seal lifted", () => {
    onSession(run, "source");
    source.sealed = false;
  });
  yield* step("e session opened", () => openSession(world, run, "source", "inSource"));
  // One transaction, but its look at the witness holds nobody up.
  yield* step("e witness looked at", () => {
    onSession(run, "inSource");
    if (source.witness !== null && source.witness.migrationId !== owner.id) throw new Failure("JOURNAL_LOST");
  });
  yield* step("e source opened", () => {
    onSession(run, "inSource");
    if (source.fence === "closed") source.fence = "harmless";
    Object.assign(source, { witness: null, yields: false, isTimeOver: false, hasPassed: false });
  });
  if (!world.flaws.has("services left behind"))
    for (const service of world.services) {
      const note = fence?.services.get(service.name);
      if (note?.begun) yield* restore(world, run, service, note);
    }
  yield* step("g session opened", () => openSession(world, run, "source", "inSource"));
  yield* step("g triggers dropped", () => {
    onSession(run, "inSource");
    source.fence = "none";
  });
  yield* step("g schema dropped", () => {
    onSession(run, "inSource");
    if (source.witness !== null) throw new Failure("ABORT_INCOMPLETE");
  });
  yield* step("h copy dropped", () => {
    onSession(run, "target");
    if (!isUnwritten(world, fence?.rows) && !world.flaws.has("copy dropped unseen"))
      throw new Failure("COPY_WAS_WRITTEN");
    Object.assign(target, { copy: null, fence: "none", loader: null });
  });
  yield* step("i row aborted", () =>
    transition(world, run, owner, "aborting", (entry) => {
      entry.state = "aborted";
    }),
  );
}

/** A copy that was never fenced has no hash. */
function isUnwritten({ target: { copy } }: ModelWorld, hashed: ReadonlySet<number> | undefined): boolean {
  if (copy === null || hashed === undefined) return true;
  return copy.size === hashed.size && [...hashed].every((row) => copy.has(row));
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

/** Railway is asked without a session: it obeys a run that lost everything else, too. */
function onRailway(world: ModelWorld, run: ModelRun, { name }: ModelService): void {
  if (!run.holds.target) world.strayed.add(name);
}

function* waitFor(world: ModelWorld, service: ModelService, id: number, label: string): Steps {
  for (;;) {
    const isAlone = yield* step(label, () => {
      world.progress(service);
      const own = service.deployments.find((deployment) => deployment.id === id);
      if (own?.status === "failed" || own?.status === "removed") throw new Failure("DEPLOYMENT_FAILED");
      return own?.status === "running" && running(service) === 1;
    });
    if (isAlone) return;
  }
}

/** Until the newest deployment is the only one. */
export function* settled(world: ModelWorld, service: ModelService, label: string): Steps {
  while (serving(service)?.status !== "running" || running(service) > 1)
    yield* step(label, () => world.progress(service));
}

function running({ deployments }: ModelService): number {
  return deployments.filter(({ status }) => status === "running").length;
}

function adopt(service: ModelService, side: Side): number | undefined {
  const newest = serving(service);
  return newest?.given === side ? newest.id : undefined;
}
