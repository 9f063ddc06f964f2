import type pg from "pg";
import { sqlState } from "../../errors.ts";
import { compareText } from "../../text-order.ts";
import { cutConnection, endConnection } from "../connection.ts";
import { quoteQualified } from "../identifiers.ts";
import { blockRanges } from "../load/copy-format.ts";
import { readOnlyTransaction } from "../read-only-transaction.ts";
import type { MovedTable } from "../relations.ts";
import {
  addSums,
  type HashedPart,
  hashQuery,
  type PartRow,
  type PartSums,
  partSums,
  type TableDigest,
  tableDigest,
} from "./content-hash.ts";

export interface HashingOptions {
  /** Opens one more session; each worker takes one and closes it. */
  readonly connect: () => Promise<pg.Client>;
  readonly tables: readonly MovedTable[];
  /**
   * An exported snapshot to read under. Without one each table is read as of its own start, and therefore in one piece.
   */
  readonly snapshot?: string | undefined;
  /** Ends the work at once, and cuts its sessions. */
  readonly signal?: AbortSignal | undefined;
  readonly onTable?: ((digest: TableDigest) => void) | undefined;
  /**
   * Called for a table that cannot be hashed as declared (SQLSTATE class 42: it or a column is missing or of another
   * type), which is then left out. Without it that is a failure like any other.
   */
  readonly onMismatch?: ((table: MovedTable) => void) | undefined;
  /** Default: those that are worth it. */
  readonly thresholds?: HashingThresholds;
}

/** Where hashing stands. */
export interface HashingProgress {
  readonly tablesDone: number;
  readonly tablesTotal: number;
  /** Of what is done, on the server's disk; out of `sizeBytesTotal`. */
  readonly sizeBytes: number;
  readonly sizeBytesTotal: number;
  /** Tables that are read right now, the largest pieces first. */
  readonly inFlight: readonly string[];
}

/** From which size on, in bytes on the server's disk, tables are not hashed by one statement each. */
export interface HashingThresholds {
  /** Size of a piece of a table that several sessions share. */
  readonly piece: number;
  /** Tables below it are hashed many to a statement, */
  readonly small: number;
  /** so many bytes of them at most, */
  readonly batch: number;
  /** and so many tables. */
  readonly batchTables: number;
}

const normalThresholds: HashingThresholds = {
  piece: 64 * 1024 * 1024,
  small: 1024 * 1024,
  batch: 8 * 1024 * 1024,
  batchTables: 50,
};

/**
 * Hashes many tables and returns their digests sorted by schema and name. The first failure stops the workers and is
 * thrown as the server gave it.
 *
 * @param options.workers sessions to hash with
 */
export async function hashTables(
  options: HashingOptions & {
    readonly workers: number;
    readonly onProgress?: ((progress: HashingProgress) => void) | undefined;
  },
): Promise<TableDigest[]> {
  return new TableHashing(options).finish(options.workers, options.onProgress);
}

/** One statement's work. */
export interface HashTask {
  readonly parts: ReadonlyArray<HashedPart & { readonly table: MovedTable }>;
  /** On the server's disk: decides the order, largest first. */
  readonly bytes: number;
}

/** Hashes tables on sessions that may come one after the other, for as long as something is left to begin. */
export class TableHashing {
  readonly #options: HashingOptions;
  readonly #stopped = new AbortController();
  readonly #queue: HashTask[];
  readonly #open = new Map<string, { left: number; sums: PartSums }>();
  readonly #digests: TableDigest[] = [];
  readonly #workers: Array<Promise<void>> = [];
  readonly #total: Pick<HashingProgress, "tablesTotal" | "sizeBytesTotal">;
  readonly #inFlight = new Set<HashTask>();
  #doneBytes = 0;
  #onProgress: ((progress: HashingProgress) => void) | undefined;
  #working = 0;

  constructor(options: HashingOptions) {
    this.#options = options;
    const { tables, snapshot, thresholds = normalThresholds } = options;
    this.#queue = planHashing(tables, thresholds, snapshot !== undefined);
    for (const { parts } of this.#queue) {
      for (const { table } of parts) {
        const name = qualified(table);
        this.#open.set(name, { left: (this.#open.get(name)?.left ?? 0) + 1, sums: noRows });
      }
    }
    this.#total = {
      tablesTotal: tables.length,
      sizeBytesTotal: this.#queue.reduce((sum, { bytes }) => sum + bytes, 0),
    };
  }

  /** Begins to hash on one more session, where anything is left to begin and the server has room for it. */
  addWorker(): void {
    this.#begin({ isNeeded: false });
  }

  #begin(session: { readonly isNeeded: boolean }): void {
    if (this.#queue.length === 0) return;
    this.#working++;
    const work = this.#work(session).finally(() => {
      this.#working--;
    });
    // `finish` tells.
    work.catch(() => {});
    this.#workers.push(work);
  }

  /**
   * Adds sessions up to the given number and waits until all is hashed. Safe to repeat.
   *
   * @param onProgress told now, and before and after each statement
   * @throws the first failure, as the server gave it; whatever the signal was aborted with
   */
  async finish(workers: number, onProgress?: (progress: HashingProgress) => void): Promise<TableDigest[]> {
    this.#onProgress = onProgress;
    this.#tell();
    // Again where a session for which there was no room leaves something to do.
    do {
      const wanted = Math.min(Math.max(1, workers), this.#queue.length);
      for (let missing = wanted - this.#working; missing > 0; missing--) this.#begin({ isNeeded: true });
      const ended = await Promise.allSettled(this.#workers);
      const failure = ended.find((result) => result.status === "rejected");
      if (failure !== undefined) throw failure.reason;
    } while (this.#queue.length > 0);
    return this.#digests.toSorted(
      (one, other) => compareText(one.schema, other.schema) || compareText(one.name, other.name),
    );
  }

  /** Ends what is under way, without a word about what becomes of it. Resolves when no session is left. */
  async stop(): Promise<void> {
    this.#stopped.abort(new Error("hashing was stopped"));
    await Promise.allSettled(this.#workers);
  }

  async #work({ isNeeded }: { readonly isNeeded: boolean }): Promise<void> {
    const { signal: given } = this.#options;
    const signal =
      given === undefined ? this.#stopped.signal : AbortSignal.any([given, this.#stopped.signal]);
    try {
      signal.throwIfAborted();
      const client = await this.#options.connect().catch((error) => {
        if (isNeeded || signal.aborted) throw error;
      });
      if (client === undefined) return;
      const cut = () => cutConnection(client);
      signal.addEventListener("abort", cut);
      try {
        for (let task = this.#queue.shift(); task !== undefined; task = this.#queue.shift()) {
          signal.throwIfAborted();
          this.#inFlight.add(task);
          this.#tell();
          await this.#hash(client, task).finally(() => this.#inFlight.delete(task));
          this.#doneBytes += task.bytes;
          this.#tell();
        }
      } finally {
        signal.removeEventListener("abort", cut);
        if (signal.aborted) cut();
        else await endConnection(client);
      }
    } catch (error) {
      this.#queue.length = 0;
      throw signal.aborted ? signal.reason : error;
    }
  }

  async #hash(client: pg.Client, task: HashTask): Promise<void> {
    const { snapshot, onMismatch } = this.#options;
    try {
      // Sent as one message: with a long way to the server it is the number of those that counts.
      const answers = (await client.query(
        `${readOnlyTransaction(snapshot)}; ${hashQuery(task.parts)}; COMMIT`,
      )) as unknown as ReadonlyArray<pg.QueryResult<PartRow>>;
      const sums = partSums(answers.at(-2)?.rows ?? []);
      for (const [index, { table }] of task.parts.entries()) this.#count(table, sums[index]);
    } catch (error) {
      if (onMismatch === undefined || !sqlState(error)?.startsWith("42")) throw error;
      await client.query("ROLLBACK");
      if (task.parts.length > 1)
        this.#queue.unshift(...task.parts.map((part) => ({ parts: [part], bytes: 0 })));
      else for (const { table } of task.parts) this.#leaveOut(table, onMismatch);
    }
  }

  #tell(): void {
    const { tablesTotal } = this.#total;
    const inFlight = [...this.#inFlight]
      .toSorted((one, other) => other.bytes - one.bytes)
      .flatMap(({ parts }) => parts.map(({ table: { schema, name } }) => `${schema}.${name}`));
    this.#onProgress?.({
      ...this.#total,
      tablesDone: tablesTotal - this.#open.size,
      sizeBytes: this.#doneBytes,
      inFlight: [...new Set(inFlight)],
    });
  }

  #count(table: MovedTable, sums: PartSums | undefined): void {
    const name = qualified(table);
    const counted = this.#open.get(name);
    if (counted === undefined) return;
    if (sums === undefined) throw new Error("the server has not answered for every table");
    counted.sums = addSums(counted.sums, sums);
    counted.left -= 1;
    if (counted.left > 0) return;
    this.#open.delete(name);
    const digest = tableDigest(table, counted.sums);
    this.#digests.push(digest);
    this.#options.onTable?.(digest);
  }

  /** Once, though other pieces of it may be under way. */
  #leaveOut(table: MovedTable, onMismatch: (table: MovedTable) => void): void {
    if (this.#open.delete(qualified(table))) onMismatch(table);
  }
}

/**
 * Divides tables into statements, the largest first: a large one into pieces that several sessions can share, small ones
 * together.
 *
 * @param inPieces whether the pieces of a table are read as of the same moment
 */
export function planHashing(
  tables: readonly MovedTable[],
  { piece, small, batch, batchTables }: HashingThresholds,
  inPieces: boolean,
): HashTask[] {
  const tasks: HashTask[] = [];
  let together: { parts: Array<HashTask["parts"][number]>; bytes: number } | undefined;
  for (const table of tables.toSorted((one, other) => other.sizeBytes - one.sizeBytes)) {
    const { sizeBytes, heapBlocks } = table;
    const pieces = inPieces ? Math.min(Math.floor(sizeBytes / piece), heapBlocks) : 1;
    if (pieces > 1) {
      for (const range of blockRanges(heapBlocks, pieces)) {
        tasks.push({ parts: [{ table, range }], bytes: sizeBytes / pieces });
      }
    } else if (sizeBytes >= small) {
      tasks.push({ parts: [{ table }], bytes: sizeBytes });
    } else {
      const isFull =
        together === undefined || together.parts.length >= batchTables || together.bytes + sizeBytes > batch;
      if (isFull) {
        together = { parts: [], bytes: 0 };
        tasks.push(together);
      }
      together?.parts.push({ table });
      if (together !== undefined) together.bytes += sizeBytes;
    }
  }
  return tasks.toSorted((one, other) => other.bytes - one.bytes);
}

const noRows: PartSums = { rows: 0n, first: 0n, second: 0n };

function qualified({ schema, name }: MovedTable): string {
  return quoteQualified(schema, name);
}
