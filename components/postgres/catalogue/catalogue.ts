import { createHash } from "node:crypto";
import type { ClientBase } from "pg";
import { inTurn } from "../in-turn.ts";
import { currentMajor } from "../relations.ts";
import { attachedQueries } from "./attached-queries.ts";
import { databaseQueries } from "./database-queries.ts";
import { relationQueries } from "./relation-queries.ts";
import { routineQueries } from "./routine-queries.ts";
import { schemaQueries } from "./schema-queries.ts";
import { tablePartQueries } from "./table-part-queries.ts";
import { typeQueries } from "./type-queries.ts";

/** Everything a set of schemas declares, by name: the same on two servers that were given the same DDL. */
export interface Catalogue {
  readonly major: number;
  /** Sorted by key. */
  readonly objects: ReadonlyMap<string, CatalogueObject>;
}

export interface CatalogueObject {
  /** Kind and qualified name: `column public.users.email`, `function public.ask(integer)`. */
  readonly key: string;
  /** `schema.name` of the relation this is a part of, or `null`. */
  readonly parent: string | null;
  /**
   * What can differ, by aspect: `definition`, `owner`, `acl`, `comment`, … Absent when the object has none. The
   * values can hold an application's constants, so they are compared and never shown.
   */
  readonly aspects: Readonly<Record<string, string>>;
}

/** All large objects of the database are one object: they have no names. */
export const largeObjectsKey = "large objects";

export interface CatalogueOptions {
  /** Also what belongs to the database and to no schema: large objects, privileges. Default: true. */
  readonly databaseWide?: boolean;
}

/**
 * Reads the catalogue of the schemas by set-based queries that take no lock on any table. Extension members and the
 * cutover's own fence triggers are left out. Needs a session of `connect`: with another search path definitions come
 * out unqualified.
 */
export async function readCatalogue(
  client: ClientBase,
  schemas: readonly string[],
  options: CatalogueOptions = {},
): Promise<Catalogue> {
  const databaseWide = options.databaseWide ?? true;
  const [, objects, largeObjects, major] = await inTurn(client, [
    () => assertSearchPath(client),
    () => readObjects(client, databaseWide ? [...queries, ...databaseQueries] : queries, schemas),
    async () => (databaseWide ? [await readLargeObjects(client)] : []),
    () => currentMajor(client),
  ]);
  const sorted = [...objects, ...largeObjects].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return { major, objects: new Map(sorted.map((object) => [object.key, object])) };
}

/** Reads some kinds of objects only, by the queries of this folder, under the same conditions as `readCatalogue`. */
export async function readObjects(
  client: ClientBase,
  chosen: readonly string[],
  schemas: readonly string[],
): Promise<CatalogueObject[]> {
  const objects = await inTurn(
    client,
    chosen.map((query) => async () => {
      const parameters = query.includes("$1") ? [schemas] : [];
      const { rows } = await client.query<CatalogueRow>(query, parameters);
      return rows.map(toObject);
    }),
  );
  return objects.flat();
}

/** One hash over a whole catalogue, to see whether anything changed on one server. */
export function catalogueHash(catalogue: Catalogue): string {
  const hash = createHash("sha256");
  for (const { key, aspects } of catalogue.objects.values()) {
    hash.update(`${JSON.stringify([key, Object.entries(aspects)])}\n`);
  }
  return hash.digest("hex");
}

async function assertSearchPath(client: ClientBase): Promise<void> {
  const { rows } = await client.query<{ searchPath: string }>(
    "SELECT current_setting('search_path') AS \"searchPath\"",
  );
  if (rows[0]?.searchPath !== "pg_catalog")
    throw new Error("reading a catalogue needs search_path = pg_catalog");
}

interface CatalogueRow {
  readonly kind: string;
  readonly path: readonly string[];
  /** Follows the name: a routine's argument types. */
  readonly suffix: string | null;
  readonly parent: readonly string[] | null;
  readonly aspects: Readonly<Record<string, unknown>>;
}

const queries = [
  ...schemaQueries,
  ...relationQueries,
  ...tablePartQueries,
  ...typeQueries,
  ...routineQueries,
  ...attachedQueries,
];

function toObject({ kind, path, suffix, parent, aspects }: CatalogueRow): CatalogueObject {
  const present = Object.entries(aspects)
    .filter(([, value]) => value !== null)
    .map(([aspect, value]) => [aspect, typeof value === "string" ? value : JSON.stringify(value)]);
  return {
    key: `${kind} ${displayName(path)}${suffix ?? ""}`,
    parent: parent === null ? null : displayName(parent),
    aspects: Object.fromEntries(present),
  };
}

/** A qualified name for people. Not `quote_ident`: what that takes for a keyword differs between major versions. */
export function displayName(path: readonly string[]): string {
  return path
    .map((part) => (/^[a-z_][a-z0-9_]*$/.test(part) ? part : `"${part.replaceAll('"', '""')}"`))
    .join(".");
}

/** By number, owner and privileges. What they hold is never moved, may be large, and is not read. */
async function readLargeObjects(client: ClientBase): Promise<CatalogueObject> {
  const { rows } = await client.query<{ count: string; privileges: string }>(
    `SELECT count(*)::text AS count,
            encode(sha256(convert_to(COALESCE(string_agg(
              concat_ws(' ', oid, pg_get_userbyid(lomowner), lomacl, obj_description(oid, 'pg_largeobject')), E'\\n' ORDER BY oid), ''), 'UTF8')), 'hex')
            AS privileges
       FROM pg_catalog.pg_largeobject_metadata`,
  );
  return { key: largeObjectsKey, parent: null, aspects: { ...rows[0] } };
}
