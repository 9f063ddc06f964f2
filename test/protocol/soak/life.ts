import { setTimeout as delay } from "node:timers/promises";
import { type MigrationInputs, migrationInputsSchema } from "../../../components/migration/inputs.ts";
import { type JournalEntry, readJournal } from "../../../components/migration/journal/journal.ts";
import { withConnection } from "../../../components/postgres/connection.ts";
import { inputsFor } from "../../dynamic/quiet-world.ts";
import { patienceMs } from "../../patience.ts";
import type { Intercept } from "../../world/railway/api-server.ts";
import { healthcareServiceNames } from "../../world/railway/healthcare-world.ts";
import type { World } from "../../world/world.ts";
import { type CrashRow, EffectReader, type Side } from "../crash-table.ts";
import type { Arena } from "./arena.ts";
import { type CommandEnd, endOf, type RunningCommand, startAbort, startUp } from "./commands.ts";
import type { Fault, Stage } from "./faults.ts";
import type { LifePlan, PlannedCommand } from "./plan.ts";
import { checkAborted, checkFinished, checkOutput, type Outcome, protectedBefore } from "./promises.ts";
import { Random } from "./random.ts";
import { plannedDeploymentFault, strike } from "./strike.ts";

/** A fault that struck, and where. */
export interface Hit {
  readonly fault: Fault;
  /** Between the fence and the promotion: nobody can write. */
  readonly isPaused: boolean;
}

export interface LifeReport {
  readonly plan: LifePlan;
  readonly hits: readonly Hit[];
  /** Broken promises; empty when all is well. */
  readonly violations: readonly string[];
  /** Rows of the crash table that its commands came to. */
  readonly rows: ReadonlySet<CrashRow>;
  /** How each command ended: `ok` or an error's code. */
  readonly ends: readonly string[];
  readonly outcome: Outcome | undefined;
  readonly output: string;
}

/** Commands end in seconds here; whatever takes this long is stuck. */
const commandLimitMs = 150_000;

/** Plays one life: a world, commands with their faults, and one command without any that must put things right. */
export async function playLife(arena: Arena, plan: LifePlan): Promise<LifeReport> {
  const life = await Life.begin(arena, plan);
  try {
    for (const planned of plan.commands) await life.suffer(planned);
    await life.putRight();
    return life.report();
  } catch (error) {
    life.violate(
      `the soak itself failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
    return life.report();
  } finally {
    await life.end();
  }
}

class Life {
  readonly #arena: Arena;
  readonly #plan: LifePlan;
  readonly #random: Random;
  readonly #hits: Hit[] = [];
  readonly #violations: string[] = [];
  readonly #ends: string[] = [];
  readonly #rows = new Set<CrashRow>();
  #output = "";
  #outcome: Outcome | undefined;
  #world!: World;
  #inputs!: MigrationInputs;
  #before!: Awaited<ReturnType<typeof protectedBefore>>;
  #intercept: Intercept | undefined;
  /** A service has another name on Railway than in the configuration. */
  #isRenamed = false;

  private constructor(arena: Arena, plan: LifePlan) {
    this.#arena = arena;
    this.#plan = plan;
    this.#random = new Random(plan.seed * 31 + plan.number);
  }

  static async begin(arena: Arena, plan: LifePlan): Promise<Life> {
    const life = new Life(arena, plan);
    life.#world = await arena.begin({
      intercept: (moment) => life.#intercept?.(moment) ?? Promise.resolve("go-on"),
    });
    life.#inputs = life.#configure();
    life.#before = await protectedBefore(life.#world);
    return life;
  }

  violate(what: string): void {
    this.#violations.push(what);
  }

  report(): LifeReport {
    return {
      plan: this.#plan,
      hits: this.#hits,
      violations: this.#violations,
      rows: this.#rows,
      ends: this.#ends,
      outcome: this.#outcome,
      output: this.#output,
    };
  }

  async end(): Promise<void> {
    for (const side of ["source", "target"] as const) this.#arena.proxies[side].intercept(undefined);
    await this.#arena.disk?.free();
    await this.#world.stop();
  }

  /** One command, and what befalls it. */
  async suffer({ command: kind, fault, next }: PlannedCommand): Promise<void> {
    const entry = await this.#journal();
    if (entry?.record.state === "finished") return;
    const inputs = this.#inputsUnder(fault);
    const service = this.#random.pick(healthcareServiceNames);
    const deploymentFault = plannedDeploymentFault(fault.kind);
    const deployments = this.#world.railway.deployments(service).length;
    if (deploymentFault !== undefined) this.#world.railway.failNext(service, deploymentFault);

    const command = await this.#start(kind, inputs);
    const others: Array<Promise<void>> = [];
    const aftermath: Array<Promise<unknown>> = [];
    const before: Array<() => Promise<unknown>> = [];
    const isPlanned = deploymentFault !== undefined || fault.kind === "pause-limit";
    const reader = readerFor(entry);
    const waiting = [...(isPlanned ? [] : [fault]), ...(next === undefined ? [] : [next])];
    this.#watch(reader, waiting, async (struck) => {
      this.#note(struck, reader.isPaused);
      return strike(struck.kind, {
        arena: this.#arena,
        world: this.#world,
        command,
        random: this.#random,
        aftermath,
        before,
        startAnother: (other) => {
          others.push(this.#runAnother(other, inputs));
        },
      });
    });
    const end = await this.#awaitEnd(kind, command);
    await Promise.all(others);
    await Promise.all(aftermath);
    this.#stopWatching();
    if (fault.kind === "pause-limit" && end.error.includes("WRITE_PAUSE_LIMIT")) this.#note(fault, true);
    if (deploymentFault !== undefined && this.#world.railway.deployments(service).length > deployments) {
      this.#note(fault, true);
    }
    if (
      fault.kind === "hold" &&
      end.error !== "" &&
      this.#hits.at(-1)?.fault === fault &&
      !end.error.includes("CUTOVER_HELD") &&
      // Of a service that is deployed late.
      !end.error.includes("UNFINISHED_AFTER_PROMOTION")
    ) {
      this.violate(`a switch that should be held ended otherwise: ${end.error}`);
    }
    this.#learn(reader);
    for (const step of before) await step();
    if (this.#hits.at(-1)?.fault === fault) await this.#afterKill(fault);
    // Railway's reads lag behind what was done by hand.
    await delay(200);
  }

  /** The one documented command. */
  async putRight(): Promise<void> {
    this.#world.railway.clearRequestFaults();
    await this.#world.railway.settle();
    const entry = await this.#journal();
    const isPromoted = entry?.record.state === "promoted" || entry?.record.state === "finished";
    const kind = this.#isRenamed && !isPromoted ? "abort" : isPromoted ? "up" : this.#plan.ending;
    if (this.#isRenamed && isPromoted) this.#renameBack();
    const reader = readerFor(entry);
    this.#watch(reader, [], () => Promise.resolve("go-on"));
    const end = await this.#awaitEnd(kind, await this.#start(kind, this.#inputs));
    this.#stopWatching();
    this.#learn(reader);
    const after = (await this.#journal())?.record.state ?? "none";
    const isBack = kind === "abort" ? end.ok : end.error.includes("CUTOVER_ABORTED");
    if (after === "finished" && end.ok) {
      this.#outcome = await checkFinished(this.#world, this.#before, (what) => this.violate(what));
      if (this.#plan.number % 3 === 0) await this.#upWithoutState();
    } else if ((after === "aborted" || after === "none") && isBack) {
      if (this.#isRenamed) this.#renameBack();
      this.#outcome = await checkAborted(this.#world, this.#before, (what) => this.violate(what));
    } else {
      this.violate(
        `one ${kind} did not put things right: the journal says ${after}, ${end.error || "no error"}`,
      );
    }
    checkOutput(
      this.#output,
      [...this.#arena.secrets, ...Object.values(this.#world.railway.tokens)],
      (what) => this.violate(what),
    );
  }

  #learn(reader: EffectReader): void {
    for (const row of reader.seen) this.#rows.add(row);
    for (const effect of new Set(reader.unknown)) {
      this.violate(`an effect that no row of the crash table has: ${effect}`);
    }
  }

  /** Pulumi's state is lost: the same resource is created once more. */
  async #upWithoutState(): Promise<void> {
    const mutations = this.#world.railway.mutations().length;
    const end = await this.#awaitEnd("up", await startUp(this.#world, this.#inputs));
    if (!end.ok) this.violate(`up with a lost state: ${end.error}`);
    if (this.#world.railway.mutations().length !== mutations)
      this.violate("up with a lost state changed Railway");
  }

  #configure(): MigrationInputs {
    const { migration } = inputsFor(this.#world, {
      limits: {
        writePauseMs: 120_000,
        lockTimeoutMs: 20_000,
        deploymentTimeoutMs: 30_000,
        healthyForMs: 600,
        soakDays: 0,
      },
      copy: { workers: 2 },
    });
    return migrationInputsSchema.parse({
      ...migration,
      hooks: { beforeSwitch: this.#plan.hasHook ? "true" : null },
      services: migration.services.map((service) =>
        this.#plan.hasLateService && service.name === "@healthcare/admin"
          ? { ...service, startsReadOnly: false }
          : service,
      ),
    });
  }

  #inputsUnder({ kind }: Fault): MigrationInputs {
    if (kind === "pause-limit")
      return { ...this.#inputs, limits: { ...this.#inputs.limits, writePauseMs: 2_500 } };
    if (kind === "kill-and-wait")
      return { ...this.#inputs, limits: { ...this.#inputs.limits, writePauseMs: 40_000 } };
    return kind === "hold" ? { ...this.#inputs, onFailure: "hold" } : this.#inputs;
  }

  #start(kind: "up" | "abort", inputs: MigrationInputs): Promise<RunningCommand> {
    return kind === "up" ? startUp(this.#world, inputs) : startAbort(this.#world, inputs);
  }

  async #awaitEnd(kind: string, command: RunningCommand): Promise<CommandEnd> {
    const end = await endOf(command, commandLimitMs);
    if (end === "never") {
      this.violate(`${kind} did not end within ${commandLimitMs / 1_000} s`);
      return { ok: false, error: "never ended", output: "", wasKilled: true };
    }
    const named = /\b[A-Z]+(?:_[A-Z]+)+(?=: )/.exec(end.error)?.[0];
    if (!end.ok && !end.wasKilled && named === undefined)
      this.violate(`${kind} ended with an error that has no code: ${end.error}`);
    const code = end.ok ? "ok" : (named ?? "killed");
    this.#ends.push(`${kind}: ${code}`);
    this.#output += `\n$ ${kind}\n${end.output}${end.error === "" ? "" : `\n! ${end.error}\n`}`;
    return end;
  }

  /** A second command while one is at work is refused, or takes over from one that is gone; it harms nothing. */
  async #runAnother(kind: "up" | "abort", inputs: MigrationInputs): Promise<void> {
    await this.#awaitEnd(kind, await this.#start(kind, inputs));
  }

  #note(fault: Fault, isPaused: boolean): void {
    this.#hits.push({ fault, isPaused });
  }

  /** Holds every effect of the command; at the one that the next waiting fault is for, it strikes. */
  #watch(
    reader: EffectReader,
    waiting: readonly Fault[],
    onHit: (fault: Fault) => Promise<"go-on" | "drop">,
  ): void {
    const left = [...waiting];
    let seen = 0;
    const meet = async (row: CrashRow | undefined, stage: Stage): Promise<"go-on" | "drop"> => {
      const fault = left[0];
      if (fault === undefined || row !== fault.row || stage !== fault.stage) return "go-on";
      seen += 1;
      if (seen < fault.occurrence) return "go-on";
      left.shift();
      seen = 0;
      return onHit(fault);
    };
    const rows = new Map<string, CrashRow | undefined>();
    for (const side of ["source", "target"] as const satisfies readonly Side[]) {
      this.#arena.proxies[side].intercept(async (statement) => {
        if (!statement.session.startsWith("pgvector_cutover:")) return "go-on";
        const key = `${side} ${statement.connection}`;
        if (statement.stage === "before") rows.set(key, reader.rowOfStatement(side, statement));
        return meet(rows.get(key), statement.stage);
      });
    }
    this.#intercept = async ({ kind, rootFields, stage }) => {
      if (kind !== "mutation") return "go-on";
      const row = stage === "before" ? reader.rowOfMutation(rootFields[0] ?? "") : reader.lastMutationRow;
      return meet(row, stage);
    };
  }

  #stopWatching(): void {
    for (const side of ["source", "target"] as const) this.#arena.proxies[side].intercept(undefined);
    this.#intercept = undefined;
  }

  async #afterKill({ kind, row }: Fault): Promise<void> {
    if (kind === "kill-and-rename") {
      this.#world.railway.renameService("@healthcare/api", "@healthcare/backend", {
        rewriteReferences: true,
      });
      this.#isRenamed = true;
    }
    if (kind === "kill-and-wait") await this.#expectWritersBack(row);
  }

  #renameBack(): void {
    this.#world.railway.renameService("@healthcare/backend", "@healthcare/api", { rewriteReferences: true });
    this.#isRenamed = false;
  }

  /** Nobody comes for longer than writes may be paused: the source lets its writers in again by itself. */
  async #expectWritersBack(row: CrashRow): Promise<void> {
    const giveUpAt = Date.now() + patienceMs;
    while (Date.now() < giveUpAt) {
      if (await this.#sourceAcceptsWrites()) return;
      await delay(300);
    }
    this.violate(`writers were kept out for good after a kill at row ${row}`);
  }

  /** Statement triggers fire for no row, too: it writes nothing, and is refused where a write would be. */
  async #sourceAcceptsWrites(): Promise<boolean> {
    return withConnection(this.#world.source.connection(), { purpose: "world" }, (client) =>
      client.query(`UPDATE public."AppWrite" SET id = id WHERE false`),
    ).then(
      () => true,
      () => false,
    );
  }

  async #journal(): Promise<JournalEntry | undefined> {
    return withConnection(
      this.#world.target.connection(),
      { purpose: "observe", readOnly: true },
      readJournal,
    );
  }
}

function readerFor(entry: JournalEntry | undefined): EffectReader {
  const record = entry?.record;
  if (record === undefined || record.state === "aborted") return new EffectReader({ state: "none" });
  const services = "fence" in record && record.fence !== null ? record.fence.services : {};
  return new EffectReader({ state: record.state, services });
}
