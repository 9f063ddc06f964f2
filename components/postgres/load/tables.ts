import type pg from "pg";
import { splitStatements } from "../dump/sql-tokens.ts";
import type { DumpEntry } from "../dump.ts";
import { quoteQualified } from "../identifiers.ts";
import { buildStep } from "./constraints.ts";
import { type BlockRange, blockRanges, type CopyFormat, type TableName } from "./copy-format.ts";
import { copyTable } from "./copy-table.ts";
import { applyEntries, entryLabel, type LoadSteps, routineTypes } from "./entries.ts";
import { loadFailed } from "./errors.ts";
import type { ProgressMeter } from "./progress.ts";
import type { LoadTask } from "./schedule.ts";
import type { Writer } from "./sessions.ts";
import type { SourcePlan, TablePart } from "./source-plan.ts";

/** An ordinary table, or a partition that holds rows. */
export interface TableToCopy extends TableName {
  /** On the source's disk: decides the order, largest first. */
  readonly sizeBytes: number;
  readonly estimatedRows: number;
}

/** One table with what is made on it as soon as its rows are there. */
export interface TableWork {
  readonly table: TableToCopy;
  readonly format: CopyFormat;
  readonly keys: readonly EarlyEntry[];
  readonly indexes: readonly DumpEntry[];
  /** Not where its statistics depend on other tables' rows. */
  readonly analyze: boolean;
}

/** What the load makes beside the definitions, by the rows it has to wait for. */
export interface DividedWork {
  readonly tables: readonly TableWork[];
  /** Before any row, so that the statistics of its table contain it. */
  readonly statistics: readonly DumpEntry[];
  /** After all rows: what belongs to partitioned tables and materialised views, or may read other tables. */
  readonly late: Pick<LoadSteps, "keys" | "indexes" | "statistics">;
}

/**
 * Divides the work on tables. A function that needs a key is made after the keys, and an index may use it: then all
 * indexes are late.
 */
export function divideWork(tables: readonly TableToCopy[], steps: LoadSteps, plan: SourcePlan): DividedWork {
  const mayNeedFunction = steps.postponed.some(({ type }) => routineTypes.has(type));
  const copied = new Set(tables.map(qualified));
  const early = (entry: DumpEntry) => {
    const part = plan.partOf(entry);
    return part !== undefined && copied.has(qualified(part.table)) ? part : undefined;
  };
  const earlyUnlessFunctions = (entry: DumpEntry) => (mayNeedFunction ? undefined : early(entry));
  const divide = (entries: readonly DumpEntry[], partOf: typeof early) => {
    const divided = entries.map((entry) => ({ entry, part: partOf(entry) }));
    return {
      early: divided.filter((one): one is EarlyEntry => one.part !== undefined),
      late: divided.filter(({ part }) => part === undefined).map(({ entry }) => entry),
    };
  };
  const keys = divide(steps.keys, early);
  const indexes = divide(steps.indexes, earlyUnlessFunctions);
  const statistics = divide(steps.statistics, earlyUnlessFunctions);
  const keysOf = Map.groupBy(keys.early, ({ part }) => qualified(part.table));
  const indexesOf = Map.groupBy(indexes.early, ({ part }) => qualified(part.table));
  return {
    tables: tables.map((table) => ({
      table,
      format: plan.formatOf(table),
      keys: keysOf.get(qualified(table)) ?? [],
      indexes: (indexesOf.get(qualified(table)) ?? []).map(({ entry }) => entry),
      analyze: !mayNeedFunction && plan.standsAlone(table),
    })),
    statistics: statistics.early.map(({ entry }) => entry),
    late: { keys: keys.late, indexes: indexes.late, statistics: statistics.late },
  };
}

interface EarlyEntry {
  readonly entry: DumpEntry;
  readonly part: TablePart;
}

/** From which size on, in bytes on the source's disk, a table is worth more than one statement a step. */
export interface LoadThresholds {
  /** Size of a piece of a table that is copied in pieces. */
  readonly piece: number;
  /** Its indexes are built side by side. */
  readonly sideBySide: number;
  /** Its rows are stored as visible to everybody at once; below, the new file costs more than it saves. */
  readonly frozen: number;
  /** Foreign keys between tables that are so large together are checked side by side. */
  readonly checkedApart: number;
}

export const normalThresholds: LoadThresholds = {
  piece: 64 * 1024 * 1024,
  sideBySide: 16 * 1024 * 1024,
  frozen: 1024 * 1024,
  checkedApart: 4 * 1024 * 1024,
};

export interface CopySources {
  /** Lends a session on the source. */
  take(): pg.Client;
  /** Takes it back, or ends it where no table is left to copy. */
  giveBack(client: pg.Client): Promise<void>;
}

/**
 * The tasks that copy one table, in several pieces where that pays; its keys, indexes and statistics follow from the
 * last of them.
 *
 * @param options.workers sessions that copy at once
 */
export function copyTasks(
  work: TableWork,
  options: {
    readonly workers: number;
    readonly thresholds: LoadThresholds;
    readonly sources: CopySources;
    readonly meter: ProgressMeter;
    onCopied(rows: number): void;
  },
): Array<LoadTask<Writer>> {
  const { table, format } = work;
  const { sources, meter, onCopied, thresholds } = options;
  const ranges = splitTable(table, format.blocks, options.workers, thresholds.piece);
  const isFrozen = ranges.length === 1 && table.sizeBytes >= thresholds.frozen;
  const label = labelOf(table);
  let left = ranges.length;
  let rows = 0;
  return ranges.map((range) => ({
    kind: "copy" as const,
    size: table.sizeBytes,
    run: async (writer, letNext) => {
      const target = await writer.forNextTable();
      const source = sources.take();
      let givingBack: Promise<void> | undefined;
      // While the target takes the last rows in, its way back may be long, another session has use for the source's.
      const onRead = () => {
        givingBack = sources.giveBack(source).then(letNext);
      };
      await meter.during(label, async () => {
        const { write, writeFrozen } = format;
        const statements = { read: format.read(range), write, ...(isFrozen ? { writeFrozen } : {}) };
        const onBytes = (bytes: number) => meter.addBytes(bytes);
        const own = await copyTable(source, target, label, statements, { onBytes, onRead });
        rows += own;
      });
      await givingBack;
      left -= 1;
      if (left > 0) return [];
      meter.tableDone(rows, table.sizeBytes);
      onCopied(rows);
      return followUps(work, meter, thresholds.sideBySide);
    },
  }));
}

/** Brings the planner's statistics of one table up to date. @throws CutoverError `LOAD_FAILED` */
export async function analyzeTable(client: pg.Client, table: TableName): Promise<void> {
  try {
    await client.query(analyzeStatement(table));
  } catch (error) {
    throw loadFailed(`Analysing ${labelOf(table)}`, error);
  }
}

/**
 * Blocks of the heap by piece. A connection through a narrow window, and one session's compression of what it stores,
 * are slower than several; two readers at once are busy with one table each. `undefined`: the whole table.
 */
function splitTable(
  { sizeBytes }: TableToCopy,
  blocks: number,
  workers: number,
  pieceBytes: number,
): Array<BlockRange | undefined> {
  const pieces = workers < 3 ? 1 : Math.min(Math.floor(sizeBytes / pieceBytes), blocks, workers * 4);
  return pieces < 2 ? [undefined] : blockRanges(blocks, pieces);
}

function followUps(work: TableWork, meter: ProgressMeter, sideBySideBytes: number): Array<LoadTask<Writer>> {
  const { table, keys, indexes } = work;
  if (keys.length + indexes.length === 0 && !work.analyze) return [];
  const isShared = table.sizeBytes >= sideBySideBytes && keys.length + indexes.length > 1;
  return isShared ? sharedBuilds(work, meter) : [singleBuild(work, meter)];
}

/** Everything in one round trip. Nobody else is at work on the table, so that its locks are in nobody's way. */
function singleBuild({ table, keys, indexes, analyze }: TableWork, meter: ProgressMeter): LoadTask<Writer> {
  const entries = [...keys.map(({ entry }) => entry), ...indexes];
  return {
    kind: "build",
    size: table.sizeBytes,
    run: async ({ client }) => {
      await meter.during(`indexes of ${labelOf(table)}`, () =>
        entries.length === 0
          ? analyzeTable(client, table)
          : applyEntries(client, entries, analyze ? analyzeStatement(table) : ""),
      );
      return [];
    },
  };
}

/**
 * A task for each index, and a last one for what locks the table against the others: keys that take over their index,
 * what else is said about indexes, statistics.
 */
function sharedBuilds(work: TableWork, meter: ProgressMeter): Array<LoadTask<Writer>> {
  const { table, keys, indexes } = work;
  const builds = [...keys.map(keyInSteps), ...indexes.map(indexInSteps)];
  let left = builds.length;
  const last: LoadTask<Writer> = {
    kind: "build",
    size: table.sizeBytes,
    run: async ({ client }) => {
      for (const { entry, after } of builds) {
        await meter.during(entryLabel(entry), async () => {
          for (const statement of after) await buildStep(client, entry, statement);
        });
      }
      if (work.analyze) {
        await meter.during(`statistics of ${labelOf(table)}`, () => analyzeTable(client, table));
      }
      return [];
    },
  };
  return builds.map(({ entry, build }) => ({
    kind: "build" as const,
    size: table.sizeBytes,
    run: async ({ client }) => {
      await meter.during(entryLabel(entry), () => buildStep(client, entry, build));
      left -= 1;
      return left === 0 ? [last] : [];
    },
  }));
}

interface BuildInSteps {
  readonly entry: DumpEntry;
  readonly build: string;
  /** Once nothing else is built on the table. */
  readonly after: readonly string[];
}

function keyInSteps({ entry, part }: EarlyEntry): BuildInSteps {
  const [statement = "", ...after] = splitStatements(entry.sql);
  if (part.asIndex === null) return { entry, build: statement, after };
  return { entry, build: part.asIndex.build, after: [part.asIndex.adopt, ...after] };
}

function indexInSteps(entry: DumpEntry): BuildInSteps {
  const [build = "", ...after] = splitStatements(entry.sql);
  return { entry, build, after };
}

function analyzeStatement(table: TableName): string {
  return `ANALYZE ${qualified(table)}`;
}

function qualified({ schema, name }: TableName): string {
  return quoteQualified(schema, name);
}

function labelOf({ schema, name }: TableName): string {
  return `${schema}.${name}`;
}
