import type { ClientBase } from "pg";
import { quoteIdentifier } from "../identifiers.ts";
import { boundSetting } from "./application-settings.ts";

/**
 * The search path under which the application's functions are run while the copy is made: the one its sessions have
 * on the source (role and database settings, else the default), as far as it names moved schemas and schemas with
 * extensions, then the other moved schemas and those where both servers have extensions: IS DISTINCT FROM,
 * NULLIF and CASE find a type's operators by the path alone. Nothing else of the target can be found through it.
 */
export async function loadSearchPath(
  source: ClientBase,
  target: ClientBase,
  schemas: readonly string[],
): Promise<string> {
  const [{ rows: settings }, { rows: used }, { rows: extensions }] = await Promise.all([
    source.query<{ path: string; user: string }>(effectivePathQuery),
    source.query<{ schema: string }>(extensionSchemasQuery),
    target.query<{ schema: string }>(extensionSchemasQuery),
  ]);
  const { path = '"$user", public', user = "" } = settings[0] ?? {};
  const allowed = new Set([...schemas, ...extensions.map(({ schema }) => schema)]);
  const effective = splitPath(path).map((name) => (name === "$user" ? user : name));
  const shared = used
    .map(({ schema }) => schema)
    .filter((name) => name !== "pg_catalog" && allowed.has(name));
  const names = new Set([...effective.filter((name) => allowed.has(name)), ...schemas, ...shared]);
  return [...names, "pg_temp"].map(quoteIdentifier).join(", ");
}

/** Splits the text of a search path: names are separated by commas, folded to lower case unless quoted. */
export function splitPath(path: string): string[] {
  const names = path.matchAll(/"((?:[^"]|"")*)"|[^\s,"]+/g);
  return [...names].map(([bare, quoted]) => quoted?.replaceAll('""', '"') ?? bare.toLowerCase());
}

const effectivePathQuery = `
  SELECT bound.value AS path, current_user::text AS "user" FROM (${boundSetting("'search_path'")}) AS bound`;

const extensionSchemasQuery = `
  SELECT DISTINCT n.nspname::text AS schema
    FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace ORDER BY 1`;
