import { createHash } from "node:crypto";
import type { ClientBase } from "pg";
import { compareText } from "../../text-order.ts";
import { eachRow } from "../each-row.ts";
import { inCommonWords } from "../identifiers.ts";
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

/** An object as a server declares it. Its aspects stay in the server's words, a third of their size, until they are asked for. */
export class DeclaredObject implements CatalogueObject {
  readonly key: string;
  readonly parent: string | null;
  /** The aspects as JSON. Equal ones mean equal aspects, unequal ones not always unequal aspects. */
  readonly declaration: string;

  constructor(key: string, parent: string | null, declaration: string) {
    this.key = key;
    this.parent = parent;
    this.declaration = declaration;
  }

  get aspects(): CatalogueObject["aspects"] {
    const values = Object.entries(JSON.parse(this.declaration) as Record<string, unknown>);
    return Object.fromEntries(
      values.map(([aspect, value]) => [aspect, typeof value === "string" ? value : JSON.stringify(value)]),
    );
  }
}

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
  const objects: DeclaredObject[] = [];
  const major = await visitCatalogue(client, schemas, (object) => objects.push(object), options);
  const sorted = objects.sort((a, b) => compareText(a.key, b.key));
  return { major, objects: new Map(sorted.map((object) => [object.key, object])) };
}

/**
 * Hands over each object of the catalogue once, in no order, as it is read: with thousands of tables a whole one is large.
 * Under the same conditions as `readCatalogue`.
 *
 * @returns the server's major version
 */
export async function visitCatalogue(
  client: ClientBase,
  schemas: readonly string[],
  visit: (object: DeclaredObject) => void,
  { databaseWide = true }: CatalogueOptions = {},
): Promise<number> {
  const [major] = await inTurn(client, [
    () => currentMajor(client),
    () => assertSearchPath(client),
    () => visitObjects(client, databaseWide ? [...queries, ...databaseQueries] : queries, schemas, visit),
    async () => (databaseWide ? visit(await readLargeObjects(client)) : undefined),
  ]);
  return major;
}

/** Reads some kinds of objects only, by the queries of this folder, under the same conditions as `readCatalogue`. */
export async function readObjects(
  client: ClientBase,
  chosen: readonly string[],
  schemas: readonly string[],
): Promise<CatalogueObject[]> {
  const objects: CatalogueObject[] = [];
  await visitObjects(client, chosen, schemas, (object) => objects.push(object));
  return objects;
}

async function visitObjects(
  client: ClientBase,
  chosen: readonly string[],
  schemas: readonly string[],
  visit: (object: DeclaredObject) => void,
): Promise<void> {
  await inTurn(
    client,
    chosen.map((query) => () => {
      const statement = { text: asDeclarations(query), values: query.includes("$1") ? [schemas] : [] };
      return eachRow<CatalogueRow>(client, statement, (row) => visit(toObject(row)));
    }),
  );
}

/**
 * One hash over all objects of a catalogue, in whatever order they come, to see whether anything changed on one server.
 */
export class CatalogueHash {
  #sum = 0n;

  add(object: DeclaredObject): void {
    this.#sum += hashOf(object);
  }

  digest(): string {
    return asDigest(this.#sum);
  }

  /** The digest as it would be had some of the objects not come. */
  without(objects: Iterable<DeclaredObject>): string {
    let sum = this.#sum;
    for (const object of objects) sum -= hashOf(object);
    return asDigest(sum);
  }
}

function hashOf({ key, declaration }: DeclaredObject): bigint {
  const hash = createHash("sha256")
    .update(JSON.stringify([key, declaration]))
    .digest("hex");
  return BigInt(`0x${hash}`);
}

function asDigest(sum: bigint): string {
  return BigInt.asUintN(256, sum).toString(16).padStart(64, "0");
}

/** The {@link CatalogueHash} of the schemas as they are now. */
export async function hashCatalogue(client: ClientBase, schemas: readonly string[]): Promise<string> {
  const hash = new CatalogueHash();
  await visitCatalogue(client, schemas, (object) => hash.add(object));
  return hash.digest();
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
  /** JSON. */
  readonly aspects: string;
}

/** The rows of a query of this folder with their aspects as text, absent ones left out. */
function asDeclarations(query: string): string {
  return `SELECT kind, path, suffix, parent, json_strip_nulls(aspects::json)::text AS aspects FROM (${query}) AS object`;
}

const queries = [
  ...schemaQueries,
  ...relationQueries,
  ...tablePartQueries,
  ...typeQueries,
  ...routineQueries,
  ...attachedQueries,
];

function toObject({ kind, path, suffix, parent, aspects }: CatalogueRow): DeclaredObject {
  return new DeclaredObject(
    `${kind} ${displayName(path)}${inCommonWords(suffix ?? "")}`,
    parent === null ? null : displayName(parent),
    aspects,
  );
}

/** A qualified name for people. Not `quote_ident`: what that takes for a keyword differs between major versions. */
export function displayName(path: readonly string[]): string {
  return path
    .map((part) => (/^[a-z_][a-z0-9_]*$/.test(part) ? part : `"${part.replaceAll('"', '""')}"`))
    .join(".");
}

/** By number, owner and privileges. What they hold is never moved, may be large, and is not read. */
async function readLargeObjects(client: ClientBase): Promise<DeclaredObject> {
  const { rows } = await client.query<{ count: string; privileges: string }>(
    `SELECT count(*)::text AS count,
            encode(sha256(convert_to(COALESCE(string_agg(
              concat_ws(' ', oid, pg_get_userbyid(lomowner), lomacl, obj_description(oid, 'pg_largeobject')), E'\\n' ORDER BY oid), ''), 'UTF8')), 'hex')
            AS privileges
       FROM pg_catalog.pg_largeobject_metadata`,
  );
  return new DeclaredObject(largeObjectsKey, null, JSON.stringify(rows[0]));
}
