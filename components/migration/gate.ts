import type pg from "pg";
import { CutoverError } from "../errors.ts";
import {
  type Catalogue,
  catalogueHash,
  displayName,
  readCatalogue,
} from "../postgres/catalogue/catalogue.ts";
import { diffCatalogues } from "../postgres/catalogue/diff-catalogues.ts";
import { type ConnectionTarget, connect, withConnection } from "../postgres/connection.ts";
import { hashTables, type TableDigest } from "../postgres/content-hash.ts";
import type { ProtectedFingerprint } from "../postgres/fingerprint.ts";
import { readOnlyTransaction } from "../postgres/read-only-transaction.ts";
import { listTables, type MovedTable } from "../postgres/relations.ts";
import { readSequences, type SequenceState } from "../postgres/sequences.ts";
import { checkProtected } from "./gate-protected.ts";
import { assembleReport, type FoundDifference, type GateReport } from "./gate-report.ts";
import { compareSequences } from "./gate-sequences.ts";
import type { Acceptance } from "./inputs.ts";

export interface GateOptions {
  readonly source: ConnectionTarget;
  /** Exported on the source; without it the source is read as it stands. */
  readonly snapshot?: string | undefined;
  readonly target: ConnectionTarget;
  readonly schemas: readonly string[];
  readonly protectedSchemas: readonly string[];
  readonly protectedBefore: ProtectedFingerprint;
  /**
   * Where the load put the sequences. Without it they must stand where the source's stand now, though a `nextval`
   * without a write passes every lock.
   */
  readonly expectedSequences?: readonly SequenceState[] | undefined;
  readonly accept: readonly Acceptance[];
  /** Sessions a side that hash tables. */
  readonly workers: number;
  /** Called after each table of either side. */
  readonly onProgress?: ((progress: { done: number; total: number }) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Compares everything the schemas hold and declare on both sides, and the protected schemas with how they were before.
 * Reads only, on sessions of its own.
 *
 * @throws CutoverError those of `connect`; a failing query as the server gave it. A difference is never thrown.
 */
export async function runGate(options: GateOptions): Promise<GateReport> {
  const { source, target, schemas, snapshot } = options;
  return withConnection(source, { purpose: "gate", readOnly: true }, (sourceSession) =>
    withConnection(target, { purpose: "gate", readOnly: true }, async (targetSession) => {
      const sourceSide = await readSide(sourceSession, schemas, snapshot);
      const targetSide = await readSide(targetSession, schemas);
      const contents = await hashBoth(options, sourceSide.tables);
      const catalogue = diffCatalogues(sourceSide.catalogue, targetSide.catalogue);
      const isMissing = (table: string) =>
        catalogue.some(({ code, object }) => code === "CATALOGUE_MISSING" && object === `table ${table}`);
      const tables = contents.source.map((digest) => compareTable(digest, contents.target));
      const guarded = await checkProtected(targetSession, options);
      const found: FoundDifference[] = [
        ...catalogue,
        ...tables.flatMap((table) => contentDifference(table, isMissing)),
        ...compareSequences(sourceSide.sequences, targetSide.sequences, options.expectedSequences),
        ...guarded.found,
      ];
      return assembleReport({
        found,
        accept: options.accept,
        writtenByOthers: guarded.writtenByOthers,
        tables,
        compared: {
          tables: tables.length,
          catalogueObjects: sourceSide.catalogue.objects.size,
          sequences: sourceSide.sequences.length,
          protectedObjects: Object.keys(options.protectedBefore.structure).length,
        },
        sourceCatalogue: catalogueHash(sourceSide.catalogue),
      });
    }),
  );
}

/**
 * What neither locks nor fences hold still: a table, a definition or a large object that came or changed after the
 * gate had read the source.
 *
 * @throws CutoverError `SOURCE_CHANGED_BEFORE_FENCE`
 */
export async function assertCatalogueUnchanged(
  source: pg.Client,
  schemas: readonly string[],
  { sourceCatalogue }: Pick<GateReport, "sourceCatalogue">,
): Promise<void> {
  if (catalogueHash(await readCatalogue(source, schemas)) === sourceCatalogue) return;
  throw new CutoverError({
    code: "SOURCE_CHANGED_BEFORE_FENCE",
    message: `Definitions or large objects of ${schemas.join(", ")} changed on the source while its tables were being copied.`,
    remedy: "Hold back schema migrations and maintenance jobs on the source, then run the cutover again.",
  });
}

interface Side {
  readonly catalogue: Catalogue;
  readonly tables: readonly MovedTable[];
  readonly sequences: readonly SequenceState[];
}

async function readSide(client: pg.Client, schemas: readonly string[], snapshot?: string): Promise<Side> {
  await client.query(readOnlyTransaction(snapshot));
  const tables = await listTables(client, schemas);
  const side = {
    catalogue: await readCatalogue(client, schemas),
    tables: tables.filter(({ kind }) => kind === "table"),
    sequences: await readSequences(client, schemas),
  };
  await client.query("COMMIT");
  return side;
}

/** Both sides are hashed by the source's column list, so that equal hashes mean equal rows. */
async function hashBoth(
  { source, target, snapshot, workers, onProgress, signal }: GateOptions,
  tables: readonly MovedTable[],
): Promise<{ source: TableDigest[]; target: TableDigest[] }> {
  const total = 2 * tables.length;
  let done = 0;
  const onTable = () => onProgress?.({ done: ++done, total });
  const common = { tables, workers, signal, onTable };
  const session = { purpose: "gate", readOnly: true };
  const sides = await Promise.allSettled([
    hashTables({ ...common, connect: () => connect(source, session), snapshot }),
    hashTables({ ...common, connect: () => connect(target, session), onMismatch: onTable }),
  ]);
  const [fromSource, fromTarget] = sides;
  if (fromSource.status === "rejected") throw fromSource.reason;
  if (fromTarget.status === "rejected") throw fromTarget.reason;
  return { source: fromSource.value, target: fromTarget.value };
}

type ComparedTable = GateReport["tables"][number];

function compareTable(digest: TableDigest, targets: readonly TableDigest[]): ComparedTable {
  const copy = targets.find(({ schema, name }) => schema === digest.schema && name === digest.name);
  return {
    ...digest,
    targetRows: copy?.rows ?? null,
    equal: copy !== undefined && copy.rows === digest.rows && copy.hash === digest.hash,
  };
}

function contentDifference(table: ComparedTable, isMissing: (table: string) => boolean): FoundDifference[] {
  const name = displayName([table.schema, table.name]);
  if (table.equal || (table.targetRows === null && isMissing(name))) return [];
  const aspect = table.targetRows === null ? "columns" : table.targetRows === table.rows ? "values" : "rows";
  return [{ code: "CONTENT_DIFFERS", object: `table ${name}`, aspect }];
}
