import { type ConnectionTarget, withConnection } from "../components/postgres/connection.ts";
import { ensureData } from "./data/build.ts";
import type { DataSize } from "./data/sizes.ts";
import { schemasOf } from "./data/statements.ts";
import { type LimitMeasurement, limitOf, type PreparedLimit, prepareLimit } from "./limit.ts";
import type { SlowLink } from "./link-proxy.ts";
import { measure } from "./measure.ts";
import { type Comparison, type LimitResult, summarize, type ToolResult, type ToolRun } from "./result.ts";
import { type BenchServers, resetTarget } from "./servers.ts";
import { rotated, spreadOf } from "./statistics.ts";
import type { CopyJob, Tool } from "./tools/tool.ts";
import { type Inventory, missingFrom, takeInventory } from "./verify.ts";

export interface CompareOptions {
  readonly servers: BenchServers;
  readonly size: DataSize;
  readonly tools: readonly Tool[];
  /** Between the client and both servers; `null` is loopback. */
  readonly link: SlowLink | null;
  readonly withLimit: boolean;
  readonly repetitions: number;
  readonly signal: AbortSignal;
  log(line: string): void;
}

/**
 * Lets every tool copy the same data so many times, one after the other and in changing order, each into a target as it
 * was before the first. A tool that failed once, or whose copy was not whole, is not tried again.
 *
 * @throws whatever `signal` was aborted with
 */
export async function compareTools(options: CompareOptions): Promise<Comparison> {
  const { servers, size, tools, link, repetitions, signal, log } = options;
  const database = await ensureData(servers.source, size, log);
  const source = servers.source.connection(database);
  const schemas = schemasOf(size.tables);
  const inventory = await takeInventory(source, schemas);
  const bytes = await sizeOf(source, schemas);
  const limit = options.withLimit ? await prepareLimit(servers, source, size.tables, signal) : null;
  try {
    const ends =
      link === null
        ? { source, target: servers.target.connection() }
        : link.behind(source, servers.target.connection());
    const job: CopyJob = { ...ends, schemas };
    const subjects = [
      ...tools.map((tool) => new ToolSubject(tool, job, inventory)),
      ...(limit === null ? [] : [new LimitSubject(limit)]),
    ];
    for (let repetition = 0; repetition < repetitions; repetition++) {
      for (const subject of rotated(subjects, repetition)) {
        if (subject.isOver) continue;
        signal.throwIfAborted();
        await resetTarget(servers);
        log(`${size.title}, ${repetition + 1} of ${repetitions}: ${await subject.run(servers, signal)}`);
      }
    }
    return {
      size: size.name,
      title: size.title,
      line: link === null ? "loopback" : "slow",
      ...bytes,
      tables: size.tables.length,
      tools: subjects.flatMap((subject) => (subject instanceof ToolSubject ? [subject.result()] : [])),
      limit: subjects.find((subject) => subject instanceof LimitSubject)?.result() ?? null,
    };
  } finally {
    await limit?.remove();
  }
}

/** One tool and what it has done so far. */
class ToolSubject {
  readonly #tool: Tool;
  readonly #job: CopyJob;
  readonly #inventory: Inventory;
  readonly #runs: ToolRun[] = [];
  #failed: string | null = null;

  constructor(tool: Tool, job: CopyJob, inventory: Inventory) {
    this.#tool = tool;
    this.#job = job;
    this.#inventory = inventory;
  }

  get isOver(): boolean {
    return this.#failed !== null;
  }

  /** One copy, checked afterwards. Returns what came of it, for the log. */
  async run(servers: BenchServers, signal: AbortSignal): Promise<string> {
    const { name, phases } = this.#tool;
    const outcome = await measure(this.#tool.command(this.#job), signal);
    if (outcome.ok) {
      const copy = await takeInventory(servers.target.connection(), this.#job.schemas);
      const missing = missingFrom(this.#inventory, copy);
      if (missing.length > 0) this.#failed = `its copy is not whole: ${missing.join(", ")}`;
      else {
        const { measurement, output } = outcome;
        this.#runs.push({ measurement, phasesMs: phases?.(output) ?? {} });
        return `${name} ${(measurement.wallMs / 1_000).toFixed(2)} s`;
      }
    } else this.#failed = outcome.reason;
    return `${name} failed: ${this.#failed}`;
  }

  result(): ToolResult {
    const { name, title } = this.#tool;
    if (this.#failed !== null) return { name, title, failed: this.#failed };
    return summarize(name, title, this.#runs);
  }
}

class LimitSubject {
  readonly isOver = false;
  readonly #limit: PreparedLimit;
  readonly #runs: LimitMeasurement[] = [];

  constructor(limit: PreparedLimit) {
    this.#limit = limit;
  }

  async run(_servers: BenchServers, signal: AbortSignal): Promise<string> {
    const measured = await this.#limit.measure(signal);
    this.#runs.push(measured);
    return `limit ${(limitOf(measured) / 1_000).toFixed(2)} s`;
  }

  result(): LimitResult {
    const runs = this.#runs;
    return {
      runs,
      readMs: spreadOf(runs.map(({ readMs }) => readMs)),
      writeMs: spreadOf(runs.map(({ writeMs }) => writeMs)),
      indexesMs: spreadOf(runs.map(({ indexesMs }) => indexesMs)),
      totalMs: spreadOf(runs.map(limitOf)),
    };
  }
}

async function sizeOf(
  source: ConnectionTarget,
  schemas: readonly string[],
): Promise<{ dataBytes: number; indexBytes: number }> {
  return withConnection(source, { purpose: "observe", readOnly: true }, async (client) => {
    const { rows } = await client.query<{ dataBytes: number; indexBytes: number }>(
      `SELECT sum(pg_table_size(c.oid))::float8 AS "dataBytes", sum(pg_indexes_size(c.oid))::float8 AS "indexBytes"
         FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
        WHERE relkind = 'r' AND nspname = ANY($1::text[])`,
      [schemas],
    );
    return rows[0] as { dataBytes: number; indexBytes: number };
  });
}
