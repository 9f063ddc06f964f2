import type pg from "pg";
import { readCatalogueMark } from "../../postgres/catalogue/catalogue-mark.ts";
import { withConnection } from "../../postgres/connection.ts";
import { dumpSchema, type SchemaDump } from "../../postgres/dump.ts";
import { beginExportingSnapshot } from "../../postgres/read-only-transaction.ts";
import type { ExclusiveRun } from "../exclusion/exclusive-run.ts";

/** The source's schema as it was read before writes were paused. */
export interface EarlySchema {
  readonly dump: SchemaDump;
  /** Of the catalogue that it was read from. */
  readonly mark: string;
  /** The higher one of both servers' major versions. */
  readonly minimumMajor: number;
}

/**
 * Reads the schema while everybody may still write: it takes many round trips, and nobody has to wait for them.
 *
 * @throws CutoverError those of `dumpSchema`
 */
export function readSchemaEarly(run: ExclusiveRun, minimumMajor: number): Promise<EarlySchema> {
  return withConnection(run.world.source.connection, { purpose: "dump", readOnly: true }, async (client) => {
    const snapshot = await beginExportingSnapshot(client);
    const mark = await readCatalogueMark(client);
    return { mark, minimumMajor, dump: await dump(run, minimumMajor, snapshot) };
  });
}

/**
 * The schema as of the snapshot that rows are copied from: the early one, unless anything was defined since.
 *
 * @param snapshotSession the session that holds the snapshot
 * @throws CutoverError those of `dumpSchema`
 */
export async function schemaToCopy(
  run: ExclusiveRun,
  early: EarlySchema,
  { snapshot, snapshotSession }: { readonly snapshot: string; readonly snapshotSession: pg.Client },
): Promise<SchemaDump> {
  if ((await readCatalogueMark(snapshotSession)) === early.mark) return early.dump;
  return dump(run, early.minimumMajor, snapshot);
}

function dump({ world, inputs, exclusion }: ExclusiveRun, minimumMajor: number, snapshot: string) {
  return dumpSchema({
    source: world.source.connection,
    schemas: inputs.schemas,
    snapshot,
    minimumMajor,
    timeoutMs: dumpTimeoutMs,
    signal: exclusion.signal,
  });
}

const dumpTimeoutMs = 5 * 60_000;
