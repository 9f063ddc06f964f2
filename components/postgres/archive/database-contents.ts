import type { ClientBase } from "pg";
import { type Catalogue, readCatalogue } from "../catalogue/catalogue.ts";
import { diffCatalogues } from "../catalogue/diff-catalogues.ts";
import { type ConnectionTarget, connect, withConnection } from "../connection.ts";
import { hashLargeObjects, type TableDigest } from "../content/content-hash.ts";
import { hashTables } from "../content/hash-tables.ts";
import { listTables } from "../relations.ts";
import { readSequences, type SequenceState } from "../sequences.ts";

/** All that one database holds, in a form that says nothing about any row. */
export interface DatabaseContents {
  readonly tables: readonly TableDigest[];
  readonly sequences: readonly SequenceState[];
  readonly largeObjects: { readonly count: string; readonly hash: string };
  readonly catalogue: Catalogue;
}

/** Reads every schema but the server's own. Nobody may write meanwhile. */
export async function readContents(
  database: ConnectionTarget,
  { workers, signal }: { readonly workers: number; readonly signal: AbortSignal },
): Promise<DatabaseContents> {
  return withConnection(database, { purpose: "contents", readOnly: true }, async (client) => {
    const schemas = await userSchemas(client);
    const tables = await listTables(client, schemas);
    return {
      tables: await hashTables({
        connect: () => connect(database, { purpose: "contents", readOnly: true }),
        tables: tables.filter(({ kind }) => kind === "table"),
        workers,
        signal,
      }),
      sequences: await readSequences(client, schemas),
      largeObjects: await hashLargeObjects(client),
      // What belongs to the database as a whole is no part of an archive that is restored into another one.
      catalogue: await readCatalogue(client, schemas, { databaseWide: false }),
    };
  });
}

/** Every schema but the server's own, sorted. */
export async function userSchemas(client: ClientBase): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    "select nspname::text as name from pg_namespace where nspname <> 'information_schema' and nspname !~ '^pg_' order by 1",
  );
  return rows.map(({ name }) => name);
}

/** What a restored database has otherwise than the one that was dumped, by name; empty when it is the same. Pure. */
export function differencesOf(dumped: DatabaseContents, restored: DatabaseContents): string[] {
  return [
    ...differing("table", dumped.tables, restored.tables),
    ...differing("sequence", dumped.sequences, restored.sequences),
    ...(JSON.stringify(dumped.largeObjects) === JSON.stringify(restored.largeObjects)
      ? []
      : ["large objects"]),
    ...diffCatalogues(dumped.catalogue, restored.catalogue).map(
      ({ object, aspect }) => `${object}${aspect === null ? "" : ` (${aspect})`}`,
    ),
  ];
}

interface Named {
  readonly schema: string;
  readonly name: string;
}

function differing(kind: string, dumped: readonly Named[], restored: readonly Named[]): string[] {
  const nameOf = ({ schema, name }: Named) => `${kind} ${schema}.${name}`;
  const [before, after] = [dumped, restored].map(
    (list) => new Map(list.map((one) => [nameOf(one), JSON.stringify(one)])),
  ) as [Map<string, string>, Map<string, string>];
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((name) => before.get(name) !== after.get(name))
    .toSorted();
}
