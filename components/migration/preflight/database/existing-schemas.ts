import type { ClientBase } from "pg";
import type { Catalogue } from "../../../postgres/catalogue/catalogue.ts";
import { displayName } from "../../../postgres/catalogue/catalogue.ts";
import { diffCatalogues } from "../../../postgres/catalogue/diff-catalogues.ts";
import { aclLines, comment } from "../../../postgres/catalogue/fragments.ts";
import type { Finding } from "../../finding.ts";
import { findingsOf } from "../definitions.ts";

const remedy =
  "Make it the same on the target (GRANT, REVOKE, ALTER SCHEMA … OWNER, COMMENT ON SCHEMA), or accept it: the gate then accepts it, too.";

/** Named as the gate names them, so that one acceptance holds for both. */
export const existingSchemaDefinitions = {
  CATALOGUE_CHANGED: { severity: "blocker", acceptable: true, remedy },
  PRIVILEGES_WIDENED: { severity: "blocker", acceptable: true, remedy },
} as const;

const found = findingsOf(existingSchemaDefinitions);

/** Owner, privileges and comment of the schemas themselves, as the gate will compare them. */
export async function readSchemaProperties(
  client: ClientBase,
  schemas: readonly string[],
): Promise<Catalogue["objects"]> {
  const { rows } = await client.query<{ name: string; aspects: Record<string, string> }>(propertiesQuery, [
    schemas,
  ]);
  return new Map(
    rows.map(({ name, aspects }) => {
      const key = `schema ${displayName([name])}`;
      return [key, { key, parent: null, aspects }];
    }),
  );
}

/**
 * Compares those schemas that the target has already, such as `public`. The load leaves them as they are, so that any
 * difference would turn the gate red in the middle of the cutover.
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
          ? "The schema exists on the target and grants somebody there what the source does not."
          : `The schema exists on the target with another ${aspects.join(" and other ")} than on the source.`,
      ),
    ];
  });
}

const propertiesQuery = `
  SELECT n.nspname::text AS name,
         json_strip_nulls(json_build_object(
           'owner', pg_get_userbyid(n.nspowner),
           'acl', ${aclLines("n.nspacl", "n", "n.nspowner")},
           'comment', ${comment("pg_namespace", "n.oid")})) AS aspects
    FROM pg_namespace n
   WHERE n.nspname = ANY ($1::text[])
   ORDER BY 1`;
