import type { RailwayService, VariableRecord } from "../../../railway/railway.ts";
import type { Finding } from "../../finding.ts";
import { findingsOf, listNames } from "../definitions.ts";
import type { NamedService } from "./services.ts";

export const undeployedVariableDefinitions = {
  UNDEPLOYED_VARIABLES: {
    severity: "blocker",
    acceptable: true,
    remedy: "Deploy the service with them first, or put them back; accept it if the cutover may deploy them.",
  },
} as const;

const found = findingsOf(undeployedVariableDefinitions);

/**
 * Variables that somebody changed without a deployment: the cutover's deployment of the service would be the first with
 * them. Those that the cutover sets itself are left out, because an interrupted one leaves them just so.
 */
export function checkUndeployedVariables(
  { inputs, service }: NamedService,
  records: readonly VariableRecord[],
): Finding[] {
  if (!service) return [];
  const own = new Set(inputs.variables);
  const changed = changedSinceDeployment(service, records).filter((name) => !own.has(name));
  if (changed.length === 0) return [];
  return [
    found(
      "UNDEPLOYED_VARIABLES",
      service.name,
      `Changed after its latest deployment began, and so not in use yet: ${listNames(changed)}.`,
    ),
  ];
}

/** Names of a service's variables that were changed after its latest deployment began. */
export function changedSinceDeployment(
  { id, latestDeployment }: Pick<RailwayService, "id" | "latestDeployment">,
  records: readonly VariableRecord[],
): string[] {
  if (latestDeployment === null) return [];
  return records
    .filter(({ serviceId }) => serviceId === id)
    .filter(({ updatedAt }) => updatedAt.getTime() > latestDeployment.createdAt.getTime())
    .map(({ name }) => name)
    .toSorted();
}
