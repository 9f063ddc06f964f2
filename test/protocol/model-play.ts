import { abort, up } from "./model-runs.ts";
import { endHolds, Failure, type Fate, type Steps } from "./model-steps.ts";
import { type Hold, type ModelRun, ModelWorld, type Side, serving } from "./model-world.ts";

export type Command = "up" | "abort";

/** What may happen between two steps. Indices are taken modulo what there is; without anything to happen to, nothing does. */
export type Happening =
  | { readonly kind: "run"; readonly command: Command }
  | { readonly kind: "steps"; readonly run: number; readonly count: number }
  | { readonly kind: "step fails"; readonly run: number; readonly fate: Exclude<Fate, "done"> }
  /** The process ends, and its machine closes its connections. */
  | { readonly kind: "killed"; readonly run: number }
  /** The machine is gone: the servers believe in its sessions until they notice. */
  | { readonly kind: "machine lost"; readonly run: number }
  | { readonly kind: "servers notice" }
  /** The process lives on without the session: an orphan as soon as another run starts. */
  | { readonly kind: "session lost"; readonly run: number; readonly session: Hold }
  | { readonly kind: "server restarted"; readonly side: Side }
  | { readonly kind: "deployment goes on"; readonly service: number }
  | { readonly kind: "deployment fails"; readonly service: number }
  | { readonly kind: "pushed"; readonly service: number }
  | { readonly kind: "Pulumi's state lost" }
  /** On every clock: the source's fence lets writers pass, unless it was made lasting. */
  | { readonly kind: "pause limit over" }
  /** Somebody's hand, behind the fence and while no run is at work. */
  | { readonly kind: "copy's fence taken down" | "copy's fence put back" | "copy's fence opened by its row" };

interface Process {
  readonly run: ModelRun;
  readonly program: Steps;
  /** The label of the step that comes next. */
  next: string;
}

/** Plays what happens in a world, and looks for broken promises after every step. */
export class Play {
  readonly world: ModelWorld;
  /** The labels of the steps that were taken, in order. */
  readonly taken: string[] = [];
  #processes: Process[] = [];
  #checked: unknown[] = [];
  /** Whether somebody's hand was in it. */
  tampered = false;

  constructor(options?: ConstructorParameters<typeof ModelWorld>[0]) {
    this.world = new ModelWorld(options);
  }

  happen(happening: Happening): void {
    switch (happening.kind) {
      case "run":
        this.#start(happening.command);
        break;
      case "steps":
        for (let count = 0; count < happening.count; count++)
          this.#advance(this.#pick(happening.run), "done");
        break;
      case "step fails":
        this.#advance(this.#pick(happening.run), happening.fate);
        break;
      case "killed":
        this.#end(this.#pick(happening.run), "killed");
        break;
      case "machine lost": {
        const process = this.#pick(happening.run);
        this.#processes = this.#processes.filter((other) => other !== process);
        break;
      }
      case "servers notice":
        for (const run of this.world.runs)
          if (!this.#processes.some((process) => process.run === run)) endHolds(run);
        break;
      case "session lost": {
        const process = this.#pick(happening.run);
        if (process !== undefined) process.run.holds[happening.session] = false;
        break;
      }
      case "server restarted":
        for (const { holds } of this.world.runs) {
          Object.assign(
            holds,
            happening.side === "source"
              ? { source: false, tables: false, copy: false, inSource: false }
              : { target: false, copy: false, inTarget: false },
          );
        }
        break;
      case "deployment goes on":
        this.world.progress(this.#service(happening.service));
        break;
      case "deployment fails": {
        const coming = this.#service(happening.service).deployments.find(
          ({ status }) => status === "under way",
        );
        if (coming !== undefined) coming.status = "failed";
        break;
      }
      case "pushed":
        this.world.deploy(this.#service(happening.service));
        break;
      case "Pulumi's state lost":
        this.world.recorded = false;
        break;
      case "pause limit over": {
        const { source } = this.world;
        const entry = this.world.newest();
        if (entry?.fence != null) entry.fence.isOver = true;
        if (source.fence === "closed" && source.yields) source.isTimeOver = true;
        break;
      }
      case "copy's fence taken down":
      case "copy's fence put back":
      case "copy's fence opened by its row":
        this.#tamper(happening.kind);
        break;
      default:
        happening satisfies never;
    }
    this.#check();
  }

  /** Ends everything that is under way, then runs one command to its end without any fault. Returns how it ended. */
  recover(command: Command): string {
    for (const process of [...this.#processes]) this.#end(process, "killed");
    for (const run of this.world.runs) endHolds(run);
    for (const service of this.world.services)
      for (let time = 0; time < 20; time++) this.world.progress(service);
    return this.finish(command);
  }

  /** Runs one command to its end beside whatever is under way. */
  finish(command: Command): string {
    const process = this.#start(command);
    for (let count = 0; process.run.outcome === undefined; count++) {
      if (count > 500) throw new Error(`the ${command} does not end: it is at ${process.next}`);
      this.#advance(process, "done");
    }
    return process.run.outcome;
  }

  /** The label of the step that a process takes next. */
  next(index: number): string | undefined {
    return this.#pick(index)?.next;
  }

  #tamper(
    kind: "copy's fence taken down" | "copy's fence put back" | "copy's fence opened by its row",
  ): void {
    const { target } = this.world;
    const entry = this.world.newest();
    const isFenced = entry?.fence != null && (entry.state === "switching" || entry.state === "aborting");
    if (!isFenced || target.copy === null || this.#processes.length > 0) return;
    this.tampered = true;
    if (kind === "copy's fence opened by its row") target.open = true;
    else target.fence = kind === "copy's fence put back" ? "closed" : "none";
  }

  #start(command: Command): Process {
    const run = this.world.newRun();
    const program = command === "up" ? up(this.world, run) : abort(this.world, run);
    const process: Process = { run, program, next: "" };
    this.#processes.push(process);
    this.#take(process, () => program.next("done"));
    return process;
  }

  #advance(process: Process | undefined, fate: Fate): void {
    if (process === undefined || process.run.outcome !== undefined) return;
    this.taken.push(process.next);
    const wereBoth = this.#areBothOpen();
    this.#take(process, () => process.program.next(fate));
    if (this.#areBothOpen() && !wereBoth)
      this.world.violate(`two databases are open since "${this.taken.at(-1)}"`);
    this.#check();
  }

  #areBothOpen(): boolean {
    return this.world.isOpen("source") && this.world.isOpen("target");
  }

  #take(process: Process, resume: () => IteratorResult<string, void>): void {
    try {
      const { done, value } = resume();
      if (done === true) this.#end(process, "done");
      else process.next = value;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      this.#end(process, error.code);
    }
  }

  #end(process: Process | undefined, outcome: string): void {
    if (process === undefined) return;
    process.run.outcome = outcome;
    endHolds(process.run);
    this.#processes = this.#processes.filter((other) => other !== process);
  }

  /**
   * After somebody's hand a write may be acknowledged by the wrong database: then nobody may lose it, and no step of
   * ours may make a second writer.
   */
  #check(): void {
    const { world } = this;
    const primary = world.primary();
    const written = world.write();
    if (!this.tampered) {
      if (written.size > 1) world.violate("both databases acknowledged a write at the same moment");
      if (written.has(primary === "source" ? "target" : "source"))
        world.violate("a write was acknowledged that is not in the active database");
    }
    // Nothing but these two can take a row away, and each is replaced as a whole.
    const places = [primary, world.target.copy, world.journal.length, this.tampered];
    if (places.every((place, index) => place === this.#checked[index])) return;
    this.#checked = places;
    const { source, target } = world;
    const isKept = (row: number) =>
      this.tampered
        ? source.rows.has(row) || target.copy?.has(row) === true
        : (primary === "source" ? source.rows : target.copy)?.has(row) === true;
    if (![...world.acknowledged].every(isKept)) world.violate("an acknowledged write is gone");
    if (primary === "target" && [...(target.copy?.values() ?? [])].some((count) => count !== 1))
      world.violate("a row is there twice");
    if (world.journal.filter(({ state }) => state === "promoted" || state === "finished").length > 1)
      world.violate("two migrations were promoted");
  }

  #pick(index: number): Process | undefined {
    return this.#processes[index % this.#processes.length];
  }

  #service(index: number) {
    return this.world.services[index % this.world.services.length] as (typeof this.world.services)[number];
  }
}

/** What is not as it should be once everything has moved. */
export function unfinished({ world }: Play): string[] {
  return [
    ...(world.newest()?.state === "finished" ? [] : [`the journal says ${world.newest()?.state}`]),
    ...(world.accepts("target") ? [] : ["the target does not accept writes"]),
    ...(world.accepts("source") ? ["the source accepts writes"] : []),
    ...servicesElsewhere(world, "target"),
    ...(world.recorded && world.commandNoted ? [] : ["Pulumi's state lacks something"]),
  ];
}

/** What is not as it was before the cutover once everything is put back. */
export function notBack({ world }: Play): string[] {
  const state = world.newest()?.state ?? "aborted";
  return [
    ...(state === "aborted" ? [] : [`the journal says ${state}`]),
    ...(world.accepts("source") ? [] : ["the source does not accept writes"]),
    ...(world.source.fence === "none" && world.source.witness === null
      ? []
      : ["something is left on the source"]),
    ...(world.target.copy === null ? [] : ["the copy is left on the target"]),
    ...servicesElsewhere(world, "source", world.strayed),
  ];
}

function servicesElsewhere(world: ModelWorld, side: Side, except: ReadonlySet<string> = new Set()): string[] {
  return world.services
    .filter(({ name }) => !except.has(name))
    .filter((service) => service.variable !== side || serving(service)?.given !== side)
    .map(({ name }) => `${name} is not on the ${side}`);
}
