import type { ClientBase } from "pg";
import { publicationQueries } from "../../../postgres/catalogue/attached-queries.ts";
import { readObjects } from "../../../postgres/catalogue/catalogue.ts";
import type { Finding } from "../../finding.ts";
import { findingsOf } from "../definitions.ts";
import { existingObjectDefinitions } from "./existing-objects.ts";

const found = findingsOf(existingObjectDefinitions);

/** Publications of all tables or of moved schemas, whether any table is there or not, by the names that the gate gives them. */
export async function readPublications(client: ClientBase, schemas: readonly string[]): Promise<string[]> {
  const [reaching, { rows }] = await Promise.all([
    Promise.all(publicationQueries.map((query) => readObjects(client, [query], schemas))),
    client.query<{ key: string }>(publicationsQuery, [schemas]),
  ]);
  return [...new Set([...reaching.flat(), ...rows].map(({ key }) => key))].toSorted();
}

export function checkTargetPublications(publications: readonly string[]): Finding[] {
  return publications.map((object) =>
    found(
      "CATALOGUE_EXTRA",
      object,
      "This publication of the target takes in what is loaded: its rows would go elsewhere, and UPDATE and DELETE fail on tables without a replica identity.",
    ),
  );
}

// Before 15 a publication could not name a schema; the catalogue did not exist.
const publicationsQuery = `SELECT 'publication ' || p.pubname AS key FROM pg_publication p
      WHERE p.puballtables
         OR EXISTS (SELECT FROM pg_depend d JOIN pg_namespace n ON d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid
                     CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, 0) AS o
                    WHERE d.classid = to_regclass('pg_publication_namespace') AND n.nspname = ANY ($1::text[])
                      AND o.identity = quote_ident(n.nspname) || ' in publication ' || quote_ident(p.pubname))`;
