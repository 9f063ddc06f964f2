import type { ClientBase } from "pg";
import { publicationQueries, unscopedQueries } from "../../../postgres/catalogue/attached-queries.ts";
import { readObjects } from "../../../postgres/catalogue/catalogue.ts";
import type { Finding } from "../../finding.ts";
import { findingsOf } from "../definitions.ts";

/** What belongs to moved objects and to no schema, by the names that the gate gives it. */
export interface UnscopedObjects {
  /** Casts, transforms and security labels. */
  readonly attached: readonly string[];
  /** Publications of all tables or of whole moved schemas, whether any table is there or not. */
  readonly publications: readonly string[];
}

/** Named as the gate names them, so that one acceptance holds for both. */
export const leftBehindDefinitions = {
  CATALOGUE_MISSING: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Remove it on the source, or accept that it is lost and make it again on the target after the cutover: the gate then accepts it, too.",
  },
  CATALOGUE_EXTRA: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Limit the publication on the target to the tables that it is for, or accept it: the gate then accepts it, too.",
  },
} as const;

const found = findingsOf(leftBehindDefinitions);

export async function readUnscopedObjects(
  client: ClientBase,
  schemas: readonly string[],
): Promise<UnscopedObjects> {
  const [attached, reaching, { rows }] = await Promise.all([
    Promise.all(unscopedQueries.map((query) => readObjects(client, [query], schemas))),
    Promise.all(publicationQueries.map((query) => readObjects(client, [query], schemas))),
    client.query<{ key: string }>(publicationsQuery, [schemas]),
  ]);
  const publications = new Set([...reaching.flat(), ...rows].map(({ key }) => key));
  return { attached: attached.flat().map(({ key }) => key), publications: [...publications].toSorted() };
}

export function checkSourceLeftBehind({ attached }: UnscopedObjects): Finding[] {
  return attached.map((object) =>
    found(
      "CATALOGUE_MISSING",
      object,
      "It belongs to a moved object and to no schema, so a copy of schemas does not carry it.",
    ),
  );
}

export function checkTargetPublications({ publications }: UnscopedObjects): Finding[] {
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
