import type { EnvironmentScope, Railway, RailwayService } from "../../railway/railway.ts";
import { type DriftItem, drifted } from "./item.ts";

/**
 * Edits that somebody staged and did not deploy. Where Railway tells what they touch, those of services that have
 * nothing to do with the move are left out.
 *
 * @param resources service id → the resource that it is
 */
export async function readStagedEdits(
  railway: Railway,
  scope: EnvironmentScope,
  services: readonly RailwayService[],
  resources: ReadonlyMap<string, string>,
): Promise<DriftItem[]> {
  const { unmergedChangesCount } = await railway.environmentFacts(scope);
  if (unmergedChangesCount === 0) return [];
  const edit = await railway.stagedEdit(scope);
  const staged = (resource: string, object: string, is: string) =>
    drifted("STAGED_EDIT", { resource, object, was: "nothing staged", is });
  if (edit.services.size === 0 && edit.sharedVariables.length === 0) {
    return [
      staged(
        "migration",
        scope.environmentName,
        `${unmergedChangesCount} staged, Railway does not tell what`,
      ),
    ];
  }
  return [
    ...[...edit.services].flatMap(([id, variables]) => {
      const resource = resources.get(id);
      if (resource === undefined) return [];
      const name = services.find((one) => one.id === id)?.name ?? id;
      return [
        staged(
          resource,
          name,
          variables.length === 0 ? "staged settings" : `staged: ${variables.join(", ")}`,
        ),
      ];
    }),
    ...(edit.sharedVariables.length === 0
      ? []
      : [staged("migration", "shared variables", `staged: ${edit.sharedVariables.join(", ")}`)]),
  ];
}
