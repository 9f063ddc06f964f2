import { createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import type pg from "pg";
import copyStreams from "pg-copy-streams";
import {
  type ConnectionTarget,
  connect,
  cutConnection,
  endConnection,
} from "../components/postgres/connection.ts";
import { quoteLiteral, quoteQualified } from "../components/postgres/identifiers.ts";
import type { GeneratedTable } from "./data/columns.ts";
import { definitions, indexes } from "./data/statements.ts";
import { eachOf } from "./each-of.ts";
import type { BenchServers } from "./servers.ts";

/** How fast these servers are with no client between them. */
export interface LimitMeasurement {
  /** The source reads every row and throws it away. */
  readonly readMs: number;
  /** The target takes every row, from files in its memory, into tables without an index. */
  readonly writeMs: number;
  /** The target builds every index. */
  readonly indexesMs: number;
}

/** No copy can be faster: reading and writing at once, the longer one counts, and then the indexes. Pure. */
export function limitOf({ readMs, writeMs, indexesMs }: LimitMeasurement): number {
  return Math.max(readMs, writeMs) + indexesMs;
}

/** A part of a table that one session reads or writes. */
interface Chunk {
  readonly table: GeneratedTable;
  readonly bytes: number;
  readonly select: string;
  readonly file: string;
}

/** What can be prepared once for all repetitions. */
export interface PreparedLimit {
  measure(signal: AbortSignal): Promise<LimitMeasurement>;
  remove(): Promise<void>;
}

/** Writes all rows to files that the target can read. */
export async function prepareLimit(
  { target, exchange }: BenchServers,
  source: ConnectionTarget,
  tables: readonly GeneratedTable[],
  signal: AbortSignal,
): Promise<PreparedLimit> {
  const chunks = await withSessions(source, signal, async (sessions) => {
    const planned = await planChunks(sessions[0], tables, exchange.folder);
    await eachOf(sessions, planned, async ({ select, file }, client) => {
      const rows = client.query(copyStreams.to(`COPY (${select}) TO STDOUT (FORMAT binary)`));
      await pipeline(rows, createWriteStream(file, { mode: 0o644 }));
    });
    return planned;
  });
  const largestFirst = chunks.toSorted((a, b) => b.bytes - a.bytes);
  const indexStatements = tables.toSorted((a, b) => b.rows - a.rows).flatMap(indexes);
  return {
    async measure(stop) {
      const readMs = await withSessions(source, stop, (sessions) =>
        timed(() =>
          eachOf(sessions, largestFirst, ({ select }, client) =>
            client.query(`COPY (${select}) TO '/dev/null' (FORMAT binary)`),
          ),
        ),
      );
      return withSessions(target.connection(), stop, async (sessions) => {
        await sessions[0].query(definitions(tables).join(";\n"));
        for (const client of sessions) await client.query("SET default_toast_compression = lz4");
        const writeMs = await timed(() =>
          eachOf(sessions, largestFirst, ({ table, file }, client) =>
            client.query(
              `COPY ${quoteQualified(table.schema, table.name)} FROM ${quoteLiteral(exchange.pathInside(file))} (FORMAT binary)`,
            ),
          ),
        );
        const indexesMs = await timed(() =>
          eachOf(sessions, indexStatements, (statement, client) => client.query(statement)),
        );
        return { readMs, writeMs, indexesMs };
      });
    },
    remove: async () => void (await Promise.all(chunks.map(({ file }) => rm(file, { force: true })))),
  };
}

/** Tables, and of large ones parts, so that all cores have work to the end. */
async function planChunks(
  client: pg.Client,
  tables: readonly GeneratedTable[],
  folder: string,
): Promise<Chunk[]> {
  const sized: Array<{ table: GeneratedTable; bytes: number; pages: number }> = [];
  for (const table of tables) {
    const { rows } = await client.query<{ bytes: number; pages: number }>(
      `SELECT pg_table_size($1::text::regclass)::float8 AS bytes,
              (pg_relation_size($1::text::regclass) / current_setting('block_size')::int)::int AS pages`,
      [quoteQualified(table.schema, table.name)],
    );
    sized.push({ table, ...(rows[0] as { bytes: number; pages: number }) });
  }
  const total = sized.reduce((sum, { bytes }) => sum + bytes, 0);
  return sized.flatMap(({ table, bytes, pages }, number) => {
    const parts = Math.max(1, Math.min(pages, Math.ceil((bytes / total) * 4 * os.availableParallelism())));
    return Array.from({ length: parts }, (_, part) => {
      const [from, to] = [part, part + 1].map((edge) => Math.floor((pages * edge) / parts)) as [
        number,
        number,
      ];
      const end = part === parts - 1 ? "" : ` AND ctid < '(${to},0)'`;
      return {
        table,
        bytes: bytes / parts,
        select: `SELECT * FROM ${quoteQualified(table.schema, table.name)} WHERE ctid >= '(${from},0)'${end}`,
        file: path.join(folder, `${number}-${part}`),
      };
    });
  });
}

/** A session for each core. */
async function withSessions<Result>(
  target: ConnectionTarget,
  signal: AbortSignal,
  use: (sessions: [pg.Client, ...pg.Client[]]) => Promise<Result>,
): Promise<Result> {
  signal.throwIfAborted();
  const sessions = await Promise.all(
    Array.from({ length: os.availableParallelism() }, () => connect(target, { purpose: "limit" })),
  );
  const cut = () => sessions.forEach(cutConnection);
  signal.addEventListener("abort", cut);
  try {
    return await use(sessions as [pg.Client, ...pg.Client[]]);
  } finally {
    signal.removeEventListener("abort", cut);
    await Promise.all(sessions.map(endConnection));
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}
