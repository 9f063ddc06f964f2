import type pg from "pg";
import type { ConnectionTarget } from "./connection.ts";
import { type CopyStatements, planCopies, type TableName } from "./copy-format.ts";
import { copyTable } from "./copy-table.ts";
import type { SchemaDump } from "./dump.ts";
import { quoteQualified } from "./identifiers.ts";
import { addForeignKeys, buildIndex, listDeferrableKeys, validate } from "./load-constraints.ts";
import { applyEntries, entryLabel, type LoadSteps, planSteps } from "./load-entries.ts";
import { loadCancelled, loadFailed } from "./load-errors.ts";
import { listPopulatedViews, populateMaterializedViews } from "./load-materialized-views.ts";
import { shareAmong } from "./load-pool.ts";
import { type LoadPhase, type LoadProgress, ProgressMeter } from "./load-progress.ts";
import { loadSearchPath } from "./load-search-path.ts";
import { commitSynchronously, LoadSessions } from "./load-sessions.ts";
import { listSchemas, listTables } from "./relations.ts";
import { readSequences, type SequenceState, setSequences } from "./sequences.ts";

export type { LoadPhase, LoadProgress } from "./load-progress.ts";

/** An ordinary table, or a partition that holds rows. */
export interface TableToCopy extends TableName {
  /** On the source's disk: decides the order, largest first. */
  readonly sizeBytes: number;
  readonly estimatedRows: number;
}

export interface LoadOptions {
  readonly source: ConnectionTarget;
  readonly target: ConnectionTarget;
  /** Exported on the source; its session stays open for the whole load. */
  readonly snapshot: string;
  /** Taken under the same snapshot. */
  readonly dump: SchemaDump;
  readonly tables: readonly TableToCopy[];
  readonly schemas: readonly string[];
  /** Shown by every writing session, so that the fence around the unfinished copy lets it pass. */
  readonly loaderToken?: string;
  /** Ends each transaction that makes tables: nobody ever sees one without what this does to it. */
  readonly withDefinitions?: string;
  /** Tables and indexes worked on at once: as many sessions on the target, and as many on the source. */
  readonly workers: number;
  onProgress(progress: LoadProgress): void;
  readonly signal: AbortSignal;
}

export interface LoadReport {
  readonly tables: ReadonlyArray<TableName & { readonly rows: number; readonly format: "binary" | "text" }>;
  readonly rows: number;
  /** Bytes that went over the wire as rows. */
  readonly bytes: number;
  /** Where the sequences were put. */
  readonly sequences: readonly SequenceState[];
  readonly materializedViews: number;
  readonly durationsMs: Readonly<Record<LoadPhase, number>>;
}

/**
 * Makes the copy on the target: definitions, rows, indexes and constraints, sequences, materialised views, statistics.
 * Rows only pass through memory. When it returns, everything is durable on the target. Sequences are read as they
 * stand then, not as of the snapshot. Large objects belong to no schema and stay behind. A load that fails leaves a
 * part of the copy, for `dropCopy`.
 *
 * @throws CutoverError `COPY_FAILED`, `LOAD_FAILED`, `LOAD_CANCELLED`, `SNAPSHOT_LOST`, those of `connect`
 */
export async function loadCopy(options: LoadOptions): Promise<LoadReport> {
  const sessions = new LoadSessions(options);
  const cut = () => sessions.cut();
  options.signal.addEventListener("abort", cut);
  try {
    if (options.signal.aborted) throw loadCancelled(options.signal);
    return await load(options, sessions);
  } catch (error) {
    sessions.cut();
    throw options.signal.aborted ? loadCancelled(options.signal) : error;
  } finally {
    options.signal.removeEventListener("abort", cut);
    await sessions.close();
  }
}

interface Work {
  readonly options: LoadOptions;
  readonly sessions: LoadSessions;
  readonly meter: ProgressMeter;
  /** The first one also does all that is done one after the other. */
  readonly writers: readonly [pg.Client, ...pg.Client[]];
  readonly steps: LoadSteps;
}

async function load(options: LoadOptions, sessions: LoadSessions): Promise<LoadReport> {
  const { schemas } = options;
  let bytes = 0;
  const meter = new ProgressMeter(options.tables, (progress) => {
    bytes = progress.bytes;
    options.onProgress(progress);
  });
  const durationsMs: Record<LoadPhase, number> = {
    definitions: 0,
    rows: 0,
    indexes: 0,
    constraints: 0,
    finish: 0,
  };
  const timed = async <Result>(phase: LoadPhase, run: () => Promise<Result>): Promise<Result> => {
    const start = performance.now();
    meter.enter(phase);
    const result = await run();
    durationsMs[phase] = Math.round(performance.now() - start);
    return result;
  };

  const work = await timed("definitions", () => startWork(options, sessions, meter));
  const [writer] = work.writers;
  const tables = await timed("rows", () => copyRows(work));
  await timed("indexes", () => buildIndexes(work));
  await timed("constraints", () => addConstraints(work));
  const finished = await timed("finish", async () => {
    const populated = await sessions.read((reader) => listPopulatedViews(reader, schemas));
    await populateMaterializedViews(writer, populated, schemas);
    await analyzeViews(writer, schemas);
    const sequences = await sessions.read((reader) => readSequences(reader, schemas));
    await setSequences(writer, sequences);
    await commitSynchronously(writer);
    return { materializedViews: populated.length, sequences };
  });
  return { tables, rows: tables.reduce((sum, { rows }) => sum + rows, 0), bytes, ...finished, durationsMs };
}

async function startWork(options: LoadOptions, sessions: LoadSessions, meter: ProgressMeter): Promise<Work> {
  const { schemas } = options;
  const first = await sessions.openTarget("pg_catalog");
  const searchPath = await sessions.read((reader) => loadSearchPath(reader, first, schemas));
  const steps = planSteps(options.dump.entries, await listSchemas(first, schemas));
  await first.query("SELECT pg_catalog.set_config('search_path', $1, false)", [searchPath]);
  await applyEntries(first, steps.definitions, options.withDefinitions);
  const others = await Promise.all(
    Array.from({ length: options.workers - 1 }, () => sessions.openTarget(searchPath)),
  );
  return { options, sessions, meter, writers: [first, ...others], steps };
}

async function copyRows({ options, sessions, meter, writers }: Work): Promise<LoadReport["tables"]> {
  const planFor = await sessions.read((reader) => planCopies(reader, options.schemas));
  const largestFirst = options.tables.toSorted((first, second) => second.sizeBytes - first.sizeBytes);
  const pairs = await Promise.all(
    writers.slice(0, Math.max(1, largestFirst.length)).map(async (target) => ({
      target,
      source: await sessions.openSource(),
    })),
  );
  const copied: Array<TableName & { rows: number; format: CopyStatements["format"] }> = [];
  await shareAmong(
    pairs,
    largestFirst,
    async ({ schema, name, sizeBytes }, { source, target }) => {
      const label = `${schema}.${name}`;
      const plan = planFor({ schema, name });
      await meter.during(label, async () => {
        const rows = await copyTable(source, target, label, plan, (bytes) => meter.addBytes(bytes));
        copied.push({ schema, name, rows, format: plan.format });
        meter.tableDone(rows, sizeBytes);
      });
    },
    () => sessions.cut(),
    ({ source }) => sessions.release(source),
  );
  return copied.toSorted((first, second) => compareNames(first, second));
}

async function buildIndexes(work: Work): Promise<void> {
  const { steps, writers, options } = work;
  await inParallel(work, steps.keys, entryLabel, buildIndex);
  await applyEntries(writers[0], steps.postponed, options.withDefinitions);
  await inParallel(work, steps.indexes, entryLabel, buildIndex);
  await applyEntries(writers[0], steps.attachments);
}

/** Foreign keys are checked with the statistics at hand; privileges and triggers come last of all. */
async function addConstraints(work: Work): Promise<void> {
  const { steps, writers, sessions, options } = work;
  const [writer] = writers;
  await applyEntries(writer, steps.statistics);
  const tables = await listTables(writer, options.schemas);
  // A partitioned table is analysed with all of its partitions.
  const roots = tables.filter(({ isPartition }) => !isPartition);
  await inParallel(work, roots, ({ schema, name }) => `statistics of ${schema}.${name}`, analyze);
  const deferrable = await sessions.read((reader) => listDeferrableKeys(reader, options.schemas));
  const unchecked = await addForeignKeys(writer, steps.foreignKeys, deferrable);
  await inParallel(
    work,
    unchecked,
    ({ schema, table, name }) => `FK CONSTRAINT ${schema}.${table} ${name}`,
    validate,
  );
  await applyEntries(writer, steps.rest);
}

function inParallel<Item>(
  { writers, meter, sessions }: Work,
  items: readonly Item[],
  label: (item: Item) => string,
  task: (client: pg.Client, item: Item) => Promise<void>,
): Promise<void> {
  return shareAmong(
    writers,
    items,
    (item, client) => meter.during(label(item), () => task(client, item)),
    () => sessions.cut(),
  );
}

async function analyze(client: pg.Client, { schema, name }: TableName): Promise<void> {
  try {
    await client.query(`ANALYZE ${quoteQualified(schema, name)}`);
  } catch (error) {
    throw loadFailed(`Analysing ${schema}.${name}`, error);
  }
}

async function analyzeViews(client: pg.Client, schemas: readonly string[]): Promise<void> {
  const { rows } = await client.query<TableName>(populatedViewsQuery, [schemas]);
  for (const view of rows) await analyze(client, view);
}

function compareNames(first: TableName, second: TableName): number {
  const [left, right] = [
    quoteQualified(first.schema, first.name),
    quoteQualified(second.schema, second.name),
  ];
  return left < right ? -1 : Number(left > right);
}

const populatedViewsQuery = `
  SELECT n.nspname::text AS schema, c.relname::text AS name
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind = 'm' AND c.relispopulated AND n.nspname = ANY($1::text[])
   ORDER BY 1, 2`;
