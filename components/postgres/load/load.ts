import type pg from "pg";
import { allUnlessOneFails } from "../../all-of.ts";
import type { ConnectionTarget } from "../connection.ts";
import type { SchemaDump } from "../dump.ts";
import { quoteQualified } from "../identifiers.ts";
import { listSchemas, listTables } from "../relations.ts";
import { readSequences, type SequenceState, setSequences } from "../sequences.ts";
import { addForeignKeys, buildIndex, validate } from "./constraints.ts";
import type { CopyFormat, TableName } from "./copy-format.ts";
import { applyEntries, entryLabel, type LoadSteps, planSteps } from "./entries.ts";
import { loadCancelled } from "./errors.ts";
import { populateMaterializedViews } from "./materialized-views.ts";
import { nameNotNull } from "./not-null-names.ts";
import { type LoadPhase, type LoadProgress, ProgressMeter } from "./progress.ts";
import { runTasks } from "./schedule.ts";
import { loadSearchPath } from "./search-path.ts";
import { commitSynchronously, freeSessions, LoadSessions, shareSessions, Writer } from "./sessions.ts";
import { readSourcePlan, type SourcePlan } from "./source-plan.ts";
import {
  analyzeTable,
  copyTasks,
  type DividedWork,
  divideWork,
  type LoadThresholds,
  normalThresholds,
  type TableToCopy,
} from "./tables.ts";

export type { LoadPhase, LoadProgress } from "./progress.ts";

export interface LoadOptions {
  readonly source: ConnectionTarget;
  readonly target: ConnectionTarget;
  /** Exported on the source; its session stays open for the whole load. */
  readonly snapshot: string;
  /** Taken under the same snapshot. Where it is still to come, the load gets ready meanwhile, and defines nothing. */
  readonly dump: SchemaDump | Promise<SchemaDump>;
  readonly tables: readonly TableToCopy[];
  readonly schemas: readonly string[];
  /** Shown by every writing session, so that the fence around the unfinished copy lets it pass. */
  readonly loaderToken?: string;
  /** Ends each transaction that makes tables: nobody ever sees one without what this does to it. */
  readonly withDefinitions?: string;
  /** Tables and indexes worked on at once: as many sessions on the target, and as many on the source. */
  readonly workers: number;
  /** Default: those that are worth it. */
  readonly thresholds?: LoadThresholds;
  onProgress(progress: LoadProgress): void;
  /** Called when one of the sessions that read the source's rows has ended, because no more are left to begin with. */
  onReaderEnded?(): void;
  readonly signal: AbortSignal;
}

export interface LoadReport {
  readonly tables: ReadonlyArray<
    TableName & { readonly rows: number; readonly format: CopyFormat["format"] }
  >;
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
  readonly plan: SourcePlan;
  readonly steps: LoadSteps;
  /** The first one also does all that is done one after the other. */
  readonly writers: readonly [Writer, ...Writer[]];
  /** Sessions that read rows at once, */
  readonly readers: number;
  /** and those that are idle. */
  readonly sources: pg.Client[];
  readonly thresholds: LoadThresholds;
}

async function load(options: LoadOptions, sessions: LoadSessions): Promise<LoadReport> {
  const { schemas } = options;
  let bytes = 0;
  const meter = new ProgressMeter(options.tables, (progress) => {
    bytes = progress.bytes;
    options.onProgress(progress);
  });
  meter.enter("definitions");
  const work = await startWork(options, sessions, meter);
  const copied = await copyTables(work);
  const { tables } = copied;
  meter.enter("indexes");
  await buildRest(work, copied.late);
  meter.enter("constraints");
  const [, sequences] = await allUnlessOneFails(
    [addConstraints(work, copied), sessions.read((reader) => readSequences(reader, schemas))],
    () => sessions.cut(),
  );
  meter.enter("finish");
  const { populatedViews } = work.plan;
  const writer = work.writers[0].client;
  await populateMaterializedViews(writer, populatedViews, schemas);
  await analyzeViews(writer, schemas);
  await setSequences(writer, sequences);
  await commitSynchronously(writer);
  return {
    tables,
    rows: tables.reduce((sum, { rows }) => sum + rows, 0),
    bytes,
    sequences,
    materializedViews: populatedViews.length,
    durationsMs: meter.durationsMs(),
  };
}

async function startWork(options: LoadOptions, sessions: LoadSessions, meter: ProgressMeter): Promise<Work> {
  const { schemas, workers, thresholds = normalThresholds } = options;
  const [writer, reader] = await Promise.all([sessions.openTarget("pg_catalog"), sessions.openSource()]);
  const searchPath = await loadSearchPath(reader, writer, schemas);
  const [source, target] = await Promise.all([freeSessions(reader), freeSessions(writer)]);
  const { readers, writers } = shareSessions(workers, { source, target });
  const open = (count: number, session: () => Promise<pg.Client>) =>
    Promise.all(Array.from({ length: count }, session));
  const define = async () => {
    await writer.query("SELECT pg_catalog.set_config('search_path', $1, false)", [searchPath]);
    const existing = await listSchemas(writer, schemas);
    const steps = planSteps((await options.dump).entries, existing);
    // Not before there is something to read soon: their server ends those that are idle for long.
    const [sources] = await Promise.all([
      open(readers, () => sessions.openSource()),
      applyEntries(writer, steps.definitions, options.withDefinitions),
    ]);
    return { steps, sources };
  };
  const read = async () => {
    const plan = await readSourcePlan(reader, schemas, thresholds);
    await sessions.release(reader);
    return plan;
  };
  const [plan, others, { steps, sources }] = await Promise.all([
    read(),
    open(writers - 1, () => sessions.openTarget(searchPath)),
    define(),
  ]);
  await nameNotNull(writer, plan.sharedNotNullNames);
  const toWriter = (client: pg.Client) => new Writer(sessions, client, searchPath);
  return {
    ...{ options, sessions, meter, plan, steps, sources, readers, thresholds },
    writers: [toWriter(writer), ...others.map(toWriter)],
  };
}

interface CopiedTables {
  readonly tables: LoadReport["tables"];
  /** What had to wait for all rows. */
  readonly late: DividedWork["late"];
  readonly analyzed: ReadonlySet<string>;
}

/** Copies the rows; what belongs to one ordinary table is made as soon as its rows are there. */
async function copyTables({
  options,
  sessions,
  meter,
  writers,
  readers,
  sources: idle,
  plan,
  steps,
  thresholds,
}: Work): Promise<CopiedTables> {
  const divided = divideWork(options.tables, steps, plan);
  await applyEntries(writers[0].client, divided.statistics);
  meter.enter("rows");
  let left = 0;
  const copied: Array<LoadReport["tables"][number]> = [];
  const tasks = divided.tables.flatMap((work) => {
    const {
      table: { schema, name },
      format: { format },
    } = work;
    return copyTasks(work, {
      workers: readers,
      thresholds,
      meter,
      sources: {
        take: () => idle.pop() as pg.Client,
        giveBack: async (source) => {
          left -= 1;
          // The server would end one that is idle in its transaction, and its locks would be in the application's way.
          if (left >= readers) {
            idle.push(source);
            return;
          }
          await sessions.release(source);
          options.onReaderEnded?.();
        },
      },
      onCopied: (rows) => copied.push({ schema, name, rows, format }),
    });
  });
  left = tasks.length;
  await Promise.all(idle.splice(left).map((source) => sessions.release(source)));
  await runTasks(writers, tasks, { copiesAtOnce: readers, onFailure: () => sessions.cut() });
  return {
    tables: copied.toSorted((first, second) => compareNames(first, second)),
    late: divided.late,
    analyzed: new Set(
      divided.tables
        .filter(({ analyze }) => analyze)
        .map(({ table }) => quoteQualified(table.schema, table.name)),
    ),
  };
}

async function buildRest(work: Work, { keys, indexes }: DividedWork["late"]): Promise<void> {
  const { steps, writers, options } = work;
  await inParallel(work, keys, entryLabel, buildIndex);
  await applyEntries(writers[0].client, steps.postponed, options.withDefinitions);
  await inParallel(work, indexes, entryLabel, buildIndex);
  await applyEntries(writers[0].client, steps.attachments);
}

/** Foreign keys are checked with the statistics at hand; privileges and triggers come last of all. */
async function addConstraints(work: Work, { late, analyzed }: CopiedTables): Promise<void> {
  const { steps, writers, options, plan } = work;
  const writer = writers[0].client;
  await applyEntries(writer, late.statistics);
  const tables = await listTables(writer, options.schemas);
  // A partitioned table is analysed with all of its partitions.
  const roots = tables.filter(
    ({ isPartition, schema, name }) => !isPartition && !analyzed.has(quoteQualified(schema, name)),
  );
  await inParallel(work, roots, ({ schema, name }) => `statistics of ${schema}.${name}`, analyzeTable);
  const unchecked = await addForeignKeys(writer, steps.foreignKeys, plan.deferrableKeys);
  await inParallel(
    work,
    unchecked,
    ({ schema, table, name }) => `FK CONSTRAINT ${schema}.${table} ${name}`,
    validate,
  );
  await applyEntries(writer, steps.rest);
}

/** In the given order. */
function inParallel<Item>(
  { writers, meter, sessions }: Work,
  items: readonly Item[],
  label: (item: Item) => string,
  task: (client: pg.Client, item: Item) => Promise<void>,
): Promise<void> {
  const tasks = items.map((item, position) => ({
    kind: "build" as const,
    size: items.length - position,
    run: async ({ client }: Writer) => {
      await meter.during(label(item), () => task(client, item));
      return [];
    },
  }));
  return runTasks(writers, tasks, { copiesAtOnce: 1, onFailure: () => sessions.cut() });
}

async function analyzeViews(client: pg.Client, schemas: readonly string[]): Promise<void> {
  const { rows } = await client.query<TableName>(populatedViewsQuery, [schemas]);
  for (const view of rows) await analyzeTable(client, view);
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
