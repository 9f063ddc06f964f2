import type pg from "pg";
import { type ConnectionTarget, connect } from "../../postgres/connection.ts";
import { type HashingProgress, hashTables } from "../../postgres/content/hash-tables.ts";
import { listTables } from "../../postgres/relations.ts";
import type { FenceRecord } from "../journal/record.ts";

/** A table of the copy that does not hold any more what it held when it was fenced. */
export interface ChangedTable {
  /** `schema.name`. */
  readonly name: string;
  /** Emptied by a crash of the server, as every unlogged table is: nobody wrote to it. */
  readonly isLost: boolean;
}

/**
 * Compares the copy with what it held at the fence.
 *
 * @param session reads the target's catalogue; the rows are hashed on sessions of their own
 * @param options.unloggedOnly only those that a crash empties
 */
export async function findChangedTables(
  session: pg.Client,
  target: ConnectionTarget,
  schemas: readonly string[],
  fence: FenceRecord,
  options: {
    readonly unloggedOnly?: boolean;
    readonly signal?: AbortSignal;
    readonly onProgress?: (progress: HashingProgress) => void;
  } = {},
): Promise<ChangedTable[]> {
  const unlogged = await unloggedTables(session, schemas);
  const tables = (await listTables(session, schemas)).filter(
    ({ kind, schema, name }) =>
      kind === "table" && (options.unloggedOnly !== true || unlogged.has(`${schema}.${name}`)),
  );
  if (tables.length === 0) return [];
  const hashed = await hashTables({
    connect: () => connect(target, { purpose: "abort-check", readOnly: true }),
    tables,
    workers: hashWorkers,
    onProgress: options.onProgress,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  const digests = new Map<string, (typeof hashed)[number]>(
    hashed.map((digest) => [`${digest.schema}.${digest.name}`, digest]),
  );
  return fence.tables.flatMap(({ schema, name, target: expected }) => {
    const label = `${schema}.${name}`;
    if (expected === null || (options.unloggedOnly === true && !unlogged.has(label))) return [];
    const found = digests.get(label);
    if (found?.rows === expected.rows && found.hash === expected.hash) return [];
    return [{ name: label, isLost: unlogged.has(label) && found?.rows === "0" }];
  });
}

const hashWorkers = 4;

async function unloggedTables(session: pg.Client, schemas: readonly string[]): Promise<ReadonlySet<string>> {
  const { rows } = await session.query(
    `select n.nspname || '.' || c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relpersistence = 'u' and c.relkind = 'r' and n.nspname = any($1)`,
    [schemas],
  );
  return new Set(rows.map(({ name }) => name));
}
