import type pg from "pg";
import { allOf, allUnlessOneFails } from "../../all-of.ts";
import { CutoverError } from "../../errors.ts";
import {
  type DeclaredObject,
  displayName,
  hashCatalogue,
  visitCatalogue,
} from "../../postgres/catalogue/catalogue.ts";
import {
  CatalogueComparison,
  type ComparedCatalogues,
} from "../../postgres/catalogue/catalogue-comparison.ts";
import {
  type ConnectionTarget,
  connect,
  endOnceOpen,
  withConnection,
  withConnections,
} from "../../postgres/connection.ts";
import type { TableDigest } from "../../postgres/content/content-hash.ts";
import { hashTables, TableHashing } from "../../postgres/content/hash-tables.ts";
import type { ProtectedFingerprint } from "../../postgres/fingerprint/fingerprint.ts";
import { inTurn } from "../../postgres/in-turn.ts";
import type { TableName } from "../../postgres/load/copy-format.ts";
import { beginExportingSnapshot, readOnlyTransaction } from "../../postgres/read-only-transaction.ts";
import { listTables, type MovedTable } from "../../postgres/relations.ts";
import { readSequences, type SequenceState } from "../../postgres/sequences.ts";
import type { Acceptance } from "../inputs.ts";
import type { GateProgress } from "../progress.ts";
import { brokenBodies, readUnresolvedBodies, type UnresolvedBody } from "./bodies.ts";
import type { FoundDifference } from "./difference.ts";
import { checkProtected } from "./protected.ts";
import { assembleReport, type GateReport } from "./report.ts";
import { compareSequences } from "./sequences.ts";
import { compareSurroundings, readSurroundings, type Surroundings } from "./surroundings.ts";

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
  /** Told how far the rows are hashed; by statements, large tables in pieces. */
  readonly onProgress?: ((progress: GateProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Compares everything the schemas hold and declare on both sides, and the protected schemas with how they were before.
 * Reads only, on sessions of its own.
 *
 * @throws CutoverError those of `connect`; a failing query as the server gave it. A difference is never thrown.
 */
export async function runGate(options: GateOptions): Promise<GateReport> {
  const { accept, expectedSequences, protectedBefore, sourceHashing } = options;
  const failed = new AbortController();
  const cutShort = (failure: unknown) => {
    failed.abort(failure);
    void sourceHashing?.stop();
  };
  const signal =
    options.signal === undefined ? failed.signal : AbortSignal.any([options.signal, failed.signal]);
  const [compared, guarded] = await allUnlessOneFails(
    [compareSides({ ...options, signal }, cutShort), guardProtected({ ...options, signal })],
    cutShort,
  );
  const { source, target, catalogues, contents } = compared;
  const missing = new Set(
    catalogues.differences.flatMap(({ code, object }) => (code === "CATALOGUE_MISSING" ? [object] : [])),
  );
  const copies = new Map(contents.target.map((digest) => [nameOf(digest), digest]));
  const tables = contents.source.map((digest) => compareTable(digest, copies.get(nameOf(digest))));
  const found: FoundDifference[] = [
    ...catalogues.differences,
    ...tables.flatMap((table) => contentDifference(table, missing)),
    ...brokenBodies(source.unresolvedBodies, target.unresolvedBodies, options.protectedSchemas),
    ...compareSequences(source.sequences, target.sequences, expectedSequences),
    ...compareSurroundings(source.surroundings, target.surroundings),
    ...guarded.found,
  ];
  return assembleReport({
    found,
    accept,
    writtenByOthers: guarded.writtenByOthers,
    tables,
    compared: {
      tables: tables.length,
      catalogueObjects: catalogues.objects,
      sequences: source.sequences.length,
      protectedObjects: Object.keys(protectedBefore.structure).length,
    },
    sourceCatalogue: catalogues.sourceHash,
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
  if ((await hashCatalogue(source, schemas)) === sourceCatalogue) return;
  throw new CutoverError({
    code: "SOURCE_CHANGED_BEFORE_FENCE",
    message: `Definitions or large objects of ${schemas.join(", ")} changed on the source while its tables were being copied.`,
    remedy: "Hold back schema migrations and maintenance jobs on the source, then run the cutover again.",
  });
}

const session = { purpose: "gate", readOnly: true } as const;
const pipelined = { ...session, pipeline: true };

interface Side {
  readonly major: number;
  readonly sequences: readonly SequenceState[];
  readonly unresolvedBodies: readonly UnresolvedBody[];
  readonly surroundings: Surroundings;
}

interface ComparedSides {
  readonly source: Side;
  readonly target: Side;
  readonly catalogues: ComparedCatalogues;
  /** By the source's column list on both sides, so that equal hashes mean equal rows. */
  readonly contents: Contents;
}

interface Contents {
  readonly source: readonly TableDigest[];
  readonly target: readonly TableDigest[];
}

async function compareSides(
  options: GateOptions,
  cutShort: (failure: unknown) => void,
): Promise<ComparedSides> {
  const { schemas, snapshot } = options;
  const comparison = new CatalogueComparison();
  const ahead = openAhead(options);
  try {
    return await withConnections([options.source, options.target], pipelined, async (sessions) => {
      const [onSource, onTarget] = sessions;
      // What follows is sent behind it without waiting, so that a long way to the servers is gone once.
      const begun = allOf([beginSource(onSource, schemas, snapshot), beginTarget(onTarget, schemas)]);
      const hashing = begun.then(([tables, copy]) =>
        hashBoth(options, { tables, copy, cutShort, onTarget: ahead.take }),
      );
      const [source, target, contents] = await allUnlessOneFails(
        [
          readSideAndEnd(onSource, schemas, (object) => comparison.add("source", object)),
          readSide(onTarget, schemas, (object) => comparison.add("target", object)),
          hashing,
        ],
        cutShort,
      );
      const catalogues = comparison.finish({ source: source.major, target: target.major });
      return { source, target, catalogues, contents };
    });
  } finally {
    await ahead.close();
  }
}

/** The target's sessions that hash, opened while both sides begin: a long way to the server costs writers time. */
function openAhead({ target, workers }: GateOptions): { take(): Promise<pg.Client>; close(): Promise<void> } {
  const open = () => connect(target, session);
  const ahead = Array.from({ length: workers }, open);
  // Whoever takes it is told of its failure.
  for (const each of ahead) each.catch(() => {});
  return {
    take: () => ahead.shift() ?? open(),
    close: async () => {
      await Promise.all(ahead.map(endOnceOpen));
    },
  };
}

function guardProtected(options: GateOptions): ReturnType<typeof checkProtected> {
  return withConnection(options.target, pipelined, (client) => checkProtected(client, options));
}

/** @returns the tables that hold rows */
async function beginSource(
  client: pg.Client,
  schemas: readonly string[],
  snapshot: string | undefined,
): Promise<MovedTable[]> {
  const [, tables] = await inTurn(client, [
    () => client.query(readOnlyTransaction(snapshot)),
    () => listTables(client, schemas),
  ]);
  return tables.filter(({ kind }) => kind === "table");
}

interface HeldCopy {
  readonly tables: readonly MovedTable[];
  /** What all of the copy's rows are read under, for as long as the transaction stays open. */
  readonly snapshot: string;
}

async function beginTarget(client: pg.Client, schemas: readonly string[]): Promise<HeldCopy> {
  const [snapshot, , tables] = await inTurn(client, [
    () => beginExportingSnapshot(client),
    // It does nothing while others hash.
    () => client.query("SET LOCAL idle_in_transaction_session_timeout = 0"),
    () => listTables(client, schemas),
  ]);
  return { tables, snapshot };
}

/** Ends the session's transaction, too, so that it holds nothing while others hash. */
async function readSideAndEnd(...[client, ...rest]: Parameters<typeof readSide>): Promise<Side> {
  const side = await readSide(client, ...rest);
  await client.query("COMMIT");
  return side;
}

async function readSide(
  client: pg.Client,
  schemas: readonly string[],
  visit: (object: DeclaredObject) => void,
): Promise<Side> {
  const [major, sequences, unresolvedBodies, surroundings] = await inTurn(client, [
    () => visitCatalogue(client, schemas, visit),
    () => readSequences(client, schemas),
    () => readUnresolvedBodies(client, schemas),
    () => readSurroundings(client),
  ]);
  return { major, sequences, unresolvedBodies, surroundings };
}

async function hashBoth(
  { source, snapshot, sourceHashing, workers, onProgress, signal }: GateOptions,
  {
    tables,
    copy,
    onTarget,
    cutShort,
  }: {
    readonly tables: readonly MovedTable[];
    readonly copy: HeldCopy;
    readonly onTarget: () => Promise<pg.Client>;
    readonly cutShort: (failure: unknown) => void;
  },
): Promise<Contents> {
  const hashing =
    sourceHashing ?? new TableHashing({ connect: () => connect(source, session), tables, snapshot, signal });
  let stand: GateProgress = {};
  const tell = (side: GateProgress) => {
    stand = { ...stand, ...side };
    onProgress?.(stand);
  };
  const [fromSource, fromTarget] = await allUnlessOneFails(
    [
      hashing.finish(workers, (progress) => tell({ source: progress })),
      hashTables({
        connect: onTarget,
        tables: declaredAs(tables, copy.tables),
        snapshot: copy.snapshot,
        workers,
        onProgress: (progress) => tell({ target: progress }),
        signal,
        // What cannot be hashed as the source declares it has no digest.
        onMismatch: () => {},
      }),
    ],
    cutShort,
  );
  assertComplete(fromSource, tables);
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

function contentDifference(table: ComparedTable, missing: ReadonlySet<string>): FoundDifference[] {
  const object = `table ${nameOf(table)}`;
  if (table.equal || (table.targetRows === null && missing.has(object))) return [];
  const aspect = table.targetRows === null ? "columns" : table.targetRows === table.rows ? "values" : "rows";
  return [{ code: "CONTENT_DIFFERS", object, aspect }];
}

function nameOf({ schema, name }: TableName): string {
  return displayName([schema, name]);
}
