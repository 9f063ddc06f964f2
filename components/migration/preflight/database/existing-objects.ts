import type { ClientBase } from "pg";
import { unscopedQueries } from "../../../postgres/catalogue/attached-queries.ts";
import { type Catalogue, readObjects } from "../../../postgres/catalogue/catalogue.ts";
import { databaseQueries } from "../../../postgres/catalogue/database-queries.ts";
import { type CatalogueDifference, diffCatalogues } from "../../../postgres/catalogue/diff-catalogues.ts";
import { ownSchemaQueries } from "../../../postgres/catalogue/schema-queries.ts";
import type { Finding } from "../../finding.ts";
import { nameDifference } from "../../gate/difference.ts";
import { findingsOf } from "../definitions.ts";

const remedy =
  "Make it the same on the target (GRANT, REVOKE, ALTER DEFAULT PRIVILEGES, ALTER … OWNER, COMMENT), or accept it: the gate then accepts it, too.";

/** Named as the gate names them, so that one acceptance holds for both. */
export const existingObjectDefinitions = {
  CATALOGUE_CHANGED: { severity: "blocker", acceptable: true, remedy },
  PRIVILEGES_WIDENED: { severity: "blocker", acceptable: true, remedy },
  CATALOGUE_MISSING: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Make it on the target beforehand if its types and functions are there, or remove it on the source; or accept that it is lost and make it again after the cutover: the gate then accepts it, too.",
  },
  CATALOGUE_EXTRA: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Remove it on the target, or limit a publication to the tables that it is for; or accept it: the gate then accepts it, too.",
  },
} as const;

const found = findingsOf(existingObjectDefinitions);

/**
 * What the load neither makes nor changes: schemas that exist and their default privileges, what the database grants,
 * and what belongs to no schema, such as casts and foreign servers. As the gate will compare it.
 */
export async function readExistingObjects(
  client: ClientBase,
  schemas: readonly string[],
): Promise<Catalogue["objects"]> {
  const queries = [...ownSchemaQueries, ...databaseQueries, ...unscopedQueries];
  const objects = await Promise.all(queries.map((query) => readObjects(client, [query], schemas)));
  return new Map(objects.flat().map((object) => [object.key, object]));
}

/**
 * Compares what the load leaves as it is on the target: any difference would turn the gate red in the middle of the
 * cutover. Default privileges that only the target has work on everything that the load creates.
 */
export function compareExistingObjects(source: Catalogue, target: Catalogue): Finding[] {
  const left = new Map(
    [...source.objects].filter(([key]) => target.objects.has(key) || !comesWithTheLoad.test(key)),
  );
  const differences = diffCatalogues({ ...source, objects: left }, target).filter(
    ({ code, object }) => code !== "CATALOGUE_EXTRA" || !comesWithTheLoad.test(object),
  );
  return differences.map((difference) =>
    found(difference.code, nameDifference(difference.object, difference.aspect), describe(difference)),
  );
}

const comesWithTheLoad = /^(?:schema|default privileges) /;

function describe({ code }: CatalogueDifference): string {
  switch (code) {
    case "CATALOGUE_MISSING":
      return "It belongs to no schema that is moved, so the copy does not carry it.";
    case "CATALOGUE_EXTRA":
      return "The target has it and the source has not: the applications' queries may mean something else there.";
    case "PRIVILEGES_WIDENED":
      return "On the target, where the load leaves it as it is, it grants somebody what the source does not.";
    case "CATALOGUE_CHANGED":
      return "It is not the same on the target, where the load leaves it as it is.";
  }
}
