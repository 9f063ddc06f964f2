import {
  type AbortDecision,
  decide,
  type Observation,
  type UpDecision,
} from "../../components/migration/decide/decide.ts";
import type { JournalEntry } from "../../components/migration/journal/journal.ts";
import type { MigrationRecord, MigrationState } from "../../components/migration/journal/record.ts";
import { abortingRecord, loadingRecord, switchingRecord } from "../migration/records.ts";

/**
 * The world of docs/protocol.md with everything left out that no promise depends on: two databases that hold writes,
 * Railway's services, the journal, and the runs that work on them. What they do to it is in model-runs.ts.
 */
export type Side = "source" | "target";

export interface ModelService {
  readonly name: string;
  readonly startsReadOnly: boolean;
  variable: Side;
  /** Oldest first. Each was given what the variable named when it was asked for. */
  readonly deployments: ModelDeployment[];
}

export interface ModelDeployment {
  readonly id: number;
  readonly given: Side;
  status: "under way" | "running" | "failed" | "removed";
}

export interface ModelEntry {
  readonly id: string;
  epoch: number;
  state: MigrationState;
  fence: ModelFence | null;
}

export interface ModelFence {
  readonly epoch: number;
  /** The pause is over its limit. */
  isOver: boolean;
  /** What the copy held when it was fenced: its hash. */
  readonly rows: ReadonlySet<number>;
  readonly services: Map<string, ServiceNote>;
}

export interface ServiceNote {
  readonly previous: Side;
  readonly begun: boolean;
  readonly deploymentId: number | null;
  readonly proven: boolean;
}

/**
 * What sessions hold: the exclusion on either server (the control sessions), the locks on the source's tables, the
 * sessions that copy, and one more inside of either database.
 */
export const holdNames = ["source", "target", "tables", "copy", "inSource", "inTarget"] as const;

export type Hold = (typeof holdNames)[number];

const nothing: Record<Hold, boolean> = {
  source: false,
  target: false,
  tables: false,
  copy: false,
  inSource: false,
  inTarget: false,
};

/** A process, or what is left of one: its sessions hold locks for as long as the servers believe in them. */
export interface ModelRun {
  readonly number: number;
  readonly holds: Record<Hold, boolean>;
  /** `undefined` while it is at work: "done", "killed", or the code of the error that it ended with. */
  outcome: string | undefined;
}

/** Ways in which the protocol, or the model of it, can be broken on purpose. */
export type Flaw =
  | "locks released before the fence"
  | "snapshot before the locks"
  | "fence through another session"
  | "fence of the copy left open"
  | "yielding not noticed"
  | "epoch not compared"
  | "witness not looked at"
  | "no look behind the seal"
  | "journal written through another session"
  | "promotion without a look at the journal"
  | "abort after the promotion"
  | "abort that opens whatever became of the copy"
  | "copy dropped unseen"
  | "services left behind"
  | "journal not asked"
  | "doors left open to orphans"
  | "copy fenced after its definitions";

export class ModelWorld {
  #last = 0;
  readonly source = {
    rows: new Set<number>(),
    /** `harmless`: its functions let everybody pass. */
    fence: "none" as "none" | "closed" | "harmless",
    witness: null as { migrationId: string; epoch: number } | null,
    /** Of a closed fence: whether it lets writers pass once the pause is over its limit, whether it is, and whether it has. */
    yields: false,
    isTimeOver: false,
    hasPassed: false,
    sealed: false,
  };
  readonly target = {
    /** How often each row is there; `null` without a copy. */
    copy: null as Map<number, number> | null,
    /** `loading`: it lets only the loader of one migration pass. */
    fence: "none" as "none" | "loading" | "closed",
    loader: null as string | null,
    open: false,
  };
  readonly services: ModelService[] = [
    { name: "canary", startsReadOnly: true },
    { name: "api", startsReadOnly: true },
    { name: "late", startsReadOnly: false },
  ].map((service) => ({
    ...service,
    variable: "source",
    deployments: [{ id: this.#number(), given: "source", status: "running" }],
  }));
  readonly journal: ModelEntry[] = [];
  readonly runs: ModelRun[] = [];
  /** Whether Pulumi's state holds the migration. */
  recorded = false;
  commandsRun = 0;
  commandNoted = false;
  /** Services that a run touched after it had lost its sessions: nothing can stop it there. */
  readonly strayed = new Set<string>();
  readonly acknowledged = new Set<number>();
  readonly violations = new Set<string>();
  readonly flaws: ReadonlySet<Flaw>;
  /** What the configuration says of a failed switch. */
  readonly holds: boolean;

  constructor(options: { readonly flaws?: Iterable<Flaw>; readonly holds?: boolean } = {}) {
    this.flaws = new Set(options.flaws ?? []);
    this.holds = options.holds ?? false;
    this.write();
  }

  violate(what: string): void {
    this.violations.add(what);
  }

  #number(): number {
    this.#last += 1;
    return this.#last;
  }

  newest(): ModelEntry | undefined {
    return this.journal.find(({ state }) => state !== "aborted") ?? this.journal.at(-1);
  }

  primary(): Side {
    const state = this.newest()?.state;
    return state === "promoted" || state === "finished" ? "target" : "source";
  }

  newRun(): ModelRun {
    const run: ModelRun = {
      number: this.#number(),
      holds: { ...nothing },
      outcome: undefined,
    };
    this.runs.push(run);
    return run;
  }

  /** Whether a write that arrives now is acknowledged. One that waits for a lock is not. */
  accepts(side: Side): boolean {
    return this.isOpen(side) && !(side === "source" && this.runs.some(({ holds }) => holds.tables));
  }

  /** The same without the locks, which end by themselves. */
  isOpen(side: Side): boolean {
    if (side === "source") {
      const { sealed, fence, isTimeOver } = this.source;
      return !sealed && (fence !== "closed" || isTimeOver);
    }
    const { copy, fence, open } = this.target;
    return copy !== null && (fence === "none" || open);
  }

  /**
   * Everybody tries to write where his deployment points, and a job to the old address, whatever happens. Returns who
   * acknowledged a write.
   */
  write(): ReadonlySet<Side> {
    const pointed = this.services.flatMap(({ deployments }) =>
      deployments.filter(({ status }) => status === "running").map(({ given }) => given),
    );
    const sides = new Set<Side>(["source", ...pointed]);
    for (const side of sides) {
      if (!this.accepts(side)) sides.delete(side);
      else this.#acknowledge(side);
    }
    return sides;
  }

  #acknowledge(side: Side): void {
    const row = this.#number();
    this.acknowledged.add(row);
    if (side === "target") this.target.copy?.set(row, 1);
    else {
      this.source.rows.add(row);
      if (this.source.fence === "closed") this.source.hasPassed = true;
    }
  }

  deploy(service: ModelService): number {
    const id = this.#number();
    service.deployments.push({ id, given: service.variable, status: "under way" });
    return id;
  }

  /** Time passes on Railway: a deployment comes up beside the one that runs, then the old one goes. */
  progress({ deployments }: ModelService): void {
    const running = deployments.filter(({ status }) => status === "running");
    const coming = deployments.find(({ status }) => status === "under way");
    if (running.length > 1) for (const old of running.slice(0, -1)) old.status = "removed";
    else if (coming !== undefined) coming.status = "running";
  }

  decide(command: "up", entry: ModelEntry | undefined): UpDecision;
  decide(command: "abort", entry: ModelEntry | undefined): AbortDecision;
  decide(command: "up" | "abort", entry: ModelEntry | undefined): UpDecision | AbortDecision {
    const journal = entry === undefined ? undefined : toJournalEntry(entry);
    const go = (action: "go-on" | "put-back" | "start") => ({ action, why: "", warning: null }) as UpDecision;
    if (this.flaws.has("witness not looked at") && command === "up" && entry?.state === "switching")
      return go("go-on");
    if (this.flaws.has("abort after the promotion") && command === "abort" && entry?.state === "promoted")
      return go("put-back") as AbortDecision;
    if (this.flaws.has("journal not asked") && command === "up" && entry?.state === "finished")
      return go("start");
    if (
      this.flaws.has("abort that opens whatever became of the copy") &&
      (entry?.state === "switching" || entry?.state === "aborting")
    )
      return go("put-back") as AbortDecision;
    return command === "up"
      ? decide("up", journal, this.observe())
      : decide("abort", journal, this.observe());
  }

  /** Whether the source's fence lets writers pass, or has let one pass. */
  hasYielded(): boolean {
    return (this.source.isTimeOver || this.source.hasPassed) && !this.flaws.has("yielding not noticed");
  }

  observe(): Observation {
    const { sealed, fence } = this.source;
    const isOver = this.newest()?.fence?.isOver === true && !this.holds;
    const witness =
      this.source.witness === null
        ? null
        : { ...this.source.witness, yielded: this.hasYielded(), yieldsAt: null };
    return {
      sameDatabases: true,
      sameSchemas: true,
      againstGoingOn: isOver ? "the write pause is over its limit" : null,
      source: {
        sealed,
        witness: sealed ? null : witness,
        fenceUnbroken: sealed ? null : fence === "closed" && !this.hasYielded(),
        position: { systemIdentifier: "1", timeline: 1, walPosition: "0" },
      },
      target: {
        hasCopy: this.target.copy !== null,
        fenceUnbroken: this.target.fence !== "none",
        fenceOpen: this.target.open,
      },
    };
  }
}

/** The newest deployment that runs or is under way. */
export function serving({ deployments }: ModelService): ModelDeployment | undefined {
  return deployments.findLast(({ status }) => status === "running" || status === "under way");
}

function toJournalEntry({ id, epoch, state, fence }: ModelEntry): JournalEntry {
  const recorded = fence === null ? null : { ...switchingRecord().fence, epoch: fence.epoch };
  return { id, epoch, updatedAt: "2025-01-01T00:00:00.000Z", record: recordOf(state, recorded) };
}

function recordOf(
  state: MigrationState,
  fence: ReturnType<typeof switchingRecord>["fence"] | null,
): MigrationRecord {
  switch (state) {
    case "loading":
      return loadingRecord();
    case "aborting":
    case "aborted":
      return { ...abortingRecord(fence), state };
    case "switching":
      return { ...switchingRecord(), fence: fence ?? switchingRecord().fence };
    case "promoted":
    case "finished":
      return {
        ...switchingRecord(),
        fence: fence ?? switchingRecord().fence,
        state,
        promotion: { promotedAt: "2025-01-01T00:01:00.000Z", writePauseMs: 1 },
      };
    default:
      return state satisfies never;
  }
}
