import type pg from "pg";
import { allOf } from "../all-of.ts";
import { CutoverError } from "../errors.ts";
import {
  type Catalogue,
  catalogueHash,
  displayName,
  readCatalogue,
} from "../postgres/catalogue/catalogue.ts";
import { diffCatalogues } from "../postgres/catalogue/diff-catalogues.ts";
import { type ConnectionTarget, connect, withConnection } from "../postgres/connection.ts";
import type { TableDigest } from "../postgres/content-hash.ts";
import type { TableName } from "../postgres/copy-format.ts";
import type { ProtectedFingerprint } from "../postgres/fingerprint.ts";
import { hashTables, TableHashing } from "../postgres/hash-tables.ts";
import { inTurn } from "../postgres/in-turn.ts";
import { beginExportingSnapshot, readOnlyTransaction } from "../postgres/read-only-transaction.ts";
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
  /** Of the source's tables under that snapshot, where it has begun already: what is hashed does not depend on the copy. */
  readonly sourceHashing?: TableHashing | undefined;
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
  readonly signal?: AbortSignal | undefined;
}

/**
 * Compares everything the schemas hold and declare on both sides, and the protected schemas with how they were before.
 * Reads only, on sessions of its own.
 *
 * @throws CutoverError those of `connect`; a failing query as the server gave it. A difference is never thrown.
 */
export async function runGate(options: GateOptions): Promise<GateReport> {
  const { accept, expectedSequences, protectedBefore } = options;
  const [compared, guarded] = await allOf([compareSides(options), guardProtected(options)]);
  const { source, target, contents } = compared;
  const catalogue = diffCatalogues(source.catalogue, target.catalogue);
  const isMissing = (table: string) =>
    catalogue.some(({ code, object }) => code === "CATALOGUE_MISSING" && object === `table ${table}`);
  const copies = new Map(contents.target.map((digest) => [nameOf(digest), digest]));
  const tables = contents.source.map((digest) => compareTable(digest, copies.get(nameOf(digest))));
  const found: FoundDifference[] = [
    ...catalogue,
    ...tables.flatMap((table) => contentDifference(table, isMissing)),
    ...compareSequences(source.sequences, target.sequences, expectedSequences),
    ...guarded.found,
  ];
  return assembleReport({
    found,
    accept,
    writtenByOthers: guarded.writtenByOthers,
    tables,
    compared: {
      tables: tables.length,
      catalogueObjects: source.catalogue.objects.size,
      sequences: source.sequences.length,
      protectedObjects: Object.keys(protectedBefore.structure).length,
    },
    sourceCatalogue: catalogueHash(source.catalogue),
  });
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

const session = { purpose: "gate", readOnly: true } as const;
const pipelined = { ...session, pipeline: true };

interface Side {
  readonly catalogue: Catalogue;
  readonly tables: readonly MovedTable[];
  readonly sequences: readonly SequenceState[];
}

interface ComparedSides {
  readonly source: Side;
  readonly target: Side;
  /** By the source's column list on both sides, so that equal hashes mean equal rows. */
  readonly contents: { readonly source: readonly TableDigest[]; readonly target: readonly TableDigest[] };
}

async function compareSides(options: GateOptions): Promise<ComparedSides> {
  const { schemas, snapshot } = options;
  return withConnection(options.target, pipelined, async (targetSession) => {
    const [source, target] = await allOf([
      withConnection(options.source, pipelined, async (sourceSession) => {
        await sourceSession.query(readOnlyTransaction(snapshot));
        return readSide(sourceSession, schemas);
      }),
      holdSide(targetSession, schemas),
    ]);
    const contents = await hashBoth(options, source, target);
    return { source, target, contents };
  });
}

function guardProtected(options: GateOptions): ReturnType<typeof checkProtected> {
  return withConnection(options.target, pipelined, (client) => checkProtected(client, options));
}

async function readSide(client: pg.Client, schemas: readonly string[]): Promise<Side> {
  const [tables, catalogue, sequences] = await inTurn(client, [
    () => listTables(client, schemas),
    () => readCatalogue(client, schemas),
    () => readSequences(client, schemas),
  ]);
  return { catalogue, tables: tables.filter(({ kind }) => kind === "table"), sequences };
}

/** The target's side, in a transaction that stays open: its snapshot is what all of the target's rows are read under. */
async function holdSide(client: pg.Client, schemas: readonly string[]): Promise<Side & { snapshot: string }> {
  const snapshot = await beginExportingSnapshot(client);
  // It does nothing while others hash.
  await client.query("SET LOCAL idle_in_transaction_session_timeout = 0");
  return { ...(await readSide(client, schemas)), snapshot };
}

async function hashBoth(
  { source, target, snapshot, sourceHashing, workers, signal }: GateOptions,
  sourceSide: Side,
  targetSide: Side & { snapshot: string },
): Promise<ComparedSides["contents"]> {
  const hashing =
    sourceHashing ??
    new TableHashing({
      connect: () => connect(source, session),
      tables: sourceSide.tables,
      snapshot,
      signal,
    });
  const [fromSource, fromTarget] = await allOf([
    hashing.finish(workers),
    hashTables({
      connect: () => connect(target, session),
      tables: declaredAs(sourceSide.tables, targetSide.tables),
      snapshot: targetSide.snapshot,
      workers,
      signal,
      // What cannot be hashed as the source declares it has no digest.
      onMismatch: () => {},
    }),
  ]);
  assertComplete(fromSource, sourceSide.tables);
  return { source: fromSource, target: fromTarget };
}

/** The tables as the source declares them, in the size that they have on the target. */
function declaredAs(tables: readonly MovedTable[], onTarget: readonly MovedTable[]): MovedTable[] {
  const sizes = new Map(onTarget.map((table) => [nameOf(table), table]));
  return tables.map((table) => {
    const { sizeBytes = 0, heapBlocks = 0 } = sizes.get(nameOf(table)) ?? {};
    return { ...table, sizeBytes, heapBlocks };
  });
}

/** Rows that were hashed before the gate began are those of the same tables, or the verdict would be about others. */
function assertComplete(digests: readonly TableDigest[], tables: readonly MovedTable[]): void {
  const names = (list: readonly TableName[]) => JSON.stringify(list.map(nameOf).toSorted());
  if (names(digests) !== names(tables)) throw new Error("other tables were hashed than the snapshot shows");
}

type ComparedTable = GateReport["tables"][number];

function compareTable(digest: TableDigest, copy: TableDigest | undefined): ComparedTable {
  return {
    ...digest,
    targetRows: copy?.rows ?? null,
    equal: copy !== undefined && copy.rows === digest.rows && copy.hash === digest.hash,
  };
}

function contentDifference(table: ComparedTable, isMissing: (table: string) => boolean): FoundDifference[] {
  const name = nameOf(table);
  if (table.equal || (table.targetRows === null && isMissing(name))) return [];
  const aspect = table.targetRows === null ? "columns" : table.targetRows === table.rows ? "values" : "rows";
  return [{ code: "CONTENT_DIFFERS", object: `table ${name}`, aspect }];
}

function nameOf({ schema, name }: TableName): string {
  return displayName([schema, name]);
}
