export const loadPhases = ["definitions", "rows", "indexes", "constraints", "finish"] as const;
export type LoadPhase = (typeof loadPhases)[number];

/** Where a load stands. */
export interface LoadProgress {
  readonly phase: LoadPhase;
  readonly tablesDone: number;
  readonly tablesTotal: number;
  /** Rows of the tables that are done, as counted. */
  readonly rows: number;
  /** From the statistics of the source: a guess. */
  readonly estimatedRows: number;
  /** Bytes that went over the wire. */
  readonly bytes: number;
  /** Size of the tables that are done, on the source's disk; out of `sizeBytesTotal`. */
  readonly sizeBytes: number;
  readonly sizeBytesTotal: number;
  /** What is being worked on right now, sorted: tables, indexes, constraints. */
  readonly inFlight: readonly string[];
}

/** Keeps the counts of one load and tells the listener about each change that a reader would want to see. */
export class ProgressMeter {
  readonly #listener: (progress: LoadProgress) => void;
  /** How many sessions are at work on each: a table may come in pieces. */
  readonly #inFlight = new Map<string, number>();
  #state: Omit<LoadProgress, "inFlight">;
  #unreportedBytes = 0;
  #since = performance.now();
  readonly #durationsMs = { definitions: 0, rows: 0, indexes: 0, constraints: 0, finish: 0 };

  constructor(
    tables: ReadonlyArray<{ readonly sizeBytes: number; readonly estimatedRows: number }>,
    listener: (progress: LoadProgress) => void,
  ) {
    this.#listener = listener;
    this.#state = {
      phase: "definitions",
      tablesDone: 0,
      tablesTotal: tables.length,
      rows: 0,
      estimatedRows: tables.reduce((sum, { estimatedRows }) => sum + Math.max(0, estimatedRows), 0),
      bytes: 0,
      sizeBytes: 0,
      sizeBytesTotal: tables.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    };
  }

  enter(phase: LoadPhase): void {
    this.#countTime();
    this.#update({ phase });
  }

  /** How long each phase has taken so far. */
  durationsMs(): Record<LoadPhase, number> {
    this.#countTime();
    return { ...this.#durationsMs };
  }

  #countTime(): void {
    const now = performance.now();
    this.#durationsMs[this.#state.phase] += Math.round(now - this.#since);
    this.#since = now;
  }

  addBytes(bytes: number): void {
    this.#state = { ...this.#state, bytes: this.#state.bytes + bytes };
    this.#unreportedBytes += bytes;
    if (this.#unreportedBytes >= reportedBytes) this.#update({});
  }

  tableDone(rows: number, sizeBytes: number): void {
    const { tablesDone, rows: rowsBefore, sizeBytes: sizeBefore } = this.#state;
    this.#update({ tablesDone: tablesDone + 1, rows: rowsBefore + rows, sizeBytes: sizeBefore + sizeBytes });
  }

  /** Names what is worked on while `work` runs. */
  async during(label: string, work: () => Promise<void>): Promise<void> {
    this.#count(label, 1);
    this.#update({});
    try {
      await work();
    } finally {
      this.#count(label, -1);
    }
  }

  #count(label: string, change: number): void {
    const sessions = (this.#inFlight.get(label) ?? 0) + change;
    if (sessions === 0) this.#inFlight.delete(label);
    else this.#inFlight.set(label, sessions);
  }

  #update(change: Partial<LoadProgress>): void {
    this.#unreportedBytes = 0;
    this.#state = { ...this.#state, ...change };
    this.#listener({ ...this.#state, inFlight: [...this.#inFlight.keys()].toSorted() });
  }
}

/** A table in flight is reported once in so many bytes. */
const reportedBytes = 1024 * 1024;
