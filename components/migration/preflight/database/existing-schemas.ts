import type { ClientBase } from "pg";
import { type Catalogue, readObjects } from "../../../postgres/catalogue/catalogue.ts";
import { databaseQueries } from "../../../postgres/catalogue/database-queries.ts";
import { diffCatalogues } from "../../../postgres/catalogue/diff-catalogues.ts";
import { ownSchemaQueries } from "../../../postgres/catalogue/schema-queries.ts";
import type { Finding } from "../../finding.ts";
import { findingsOf } from "../definitions.ts";

const remedy =
  "Make it the same on the target (GRANT, REVOKE, ALTER DEFAULT PRIVILEGES, ALTER SCHEMA … OWNER, COMMENT ON SCHEMA), or accept it: the gate then accepts it, too.";

/** Named as the gate names them, so that one acceptance holds for both. */
export const existingSchemaDefinitions = {
  CATALOGUE_CHANGED: { severity: "blocker", acceptable: true, remedy },
  PRIVILEGES_WIDENED: { severity: "blocker", acceptable: true, remedy },
} as const;

const found = findingsOf(existingSchemaDefinitions);

/** The schemas themselves and their default privileges, and what the database grants, as the gate will compare them. */
export async function readSchemaProperties(
  client: ClientBase,
  schemas: readonly string[],
): Promise<Catalogue["objects"]> {
  const objects = await Promise.all(
    [...ownSchemaQueries, ...databaseQueries].map((query) => readObjects(client, [query], schemas)),
  );
  return new Map(objects.flat().map((object) => [object.key, object]));
}

/**
 * Compares what the load leaves as it is on the target: the database's privileges, and those schemas that exist there,
 * such as `public`. Any difference would turn the gate red in the middle of the cutover. Default privileges that only
 * the target has work on everything that the load creates.
 */
export function compareExistingSchemas(source: Catalogue, target: Catalogue): Finding[] {
  const shared = new Map([...source.objects].filter(([key]) => target.objects.has(key)));
  const differences = diffCatalogues({ ...source, objects: shared }, target);
  const byFinding = Map.groupBy(
    differences.filter(({ code }) => code in existingSchemaDefinitions),
    ({ code, object }) => `${code} ${object}`,
  );
  return [...byFinding.values()].flatMap(([first, ...others]): Finding[] => {
    if (first === undefined) return [];
    const aspects = [first, ...others].map(({ aspect }) => (aspect === "acl" ? "privileges" : aspect));
    return [
      found(
        first.code as keyof typeof existingSchemaDefinitions,
        first.object,
        first.code === "PRIVILEGES_WIDENED"
          ? "On the target, where the load leaves it as it is, it grants somebody what the source does not."
          : `Not the same on the target, where the load leaves it as it is: ${aspects.join(", ")}.`,
      ),
    ];
  });
}
