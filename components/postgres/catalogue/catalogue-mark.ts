import { createHash } from "node:crypto";
import type { ClientBase } from "pg";
import { quoteIdentifier } from "../identifiers.ts";

/**
 * A mark of all that the database's own catalogue holds at this moment, whatever it is about: two equal marks of one
 * database mean that nothing was defined, altered, granted or dropped between them. Unequal ones may come from something
 * that does not matter, such as a temporary table. A role that is only renamed is not noticed. Cheap: no definition is put
 * into words.
 *
 * A row of the catalogue is never altered in place but for planner statistics and the ages that VACUUM notes, so a place
 * (`ctid`) and a maker (`xmin`) stand for its content (PostgreSQL manual, 5.6 System Columns).
 */
export async function readCatalogueMark(client: ClientBase): Promise<string> {
  const { rows: catalogues } = await client.query<{ name: string }>(readableCatalogues);
  // A large catalogue is read by several processes of the server, which answer in any order.
  const { rows } = await client.query<{ name: string; rows: string; sum: string }>(
    `${catalogues.map(({ name }) => markOf(name)).join("\nUNION ALL\n")}\nORDER BY name`,
  );
  const hash = createHash("sha256");
  for (const { name, rows: count, sum } of rows) hash.update(`${name} ${count} ${sum}\n`);
  return hash.digest("hex");
}

function markOf(name: string): string {
  return `SELECT '${name}' AS name, count(*)::text AS rows,
      coalesce(sum(hashtidextended(ctid, xmin::text::bigint)::numeric), 0)::text AS sum FROM pg_catalog.${quoteIdentifier(name)}`;
}

/**
 * Left out: statistics, which ANALYZE makes anew; the content of large objects; what only a superuser may read; and what
 * all databases of a server share, where anybody's new database or role would be seen.
 */
const readableCatalogues = `
  SELECT c.relname::text AS name FROM pg_catalog.pg_class c
   WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r' AND NOT c.relisshared
     AND c.relname NOT IN ('pg_statistic', 'pg_statistic_ext_data', 'pg_largeobject')
     AND has_table_privilege(c.oid, 'SELECT')
   ORDER BY 1`;
