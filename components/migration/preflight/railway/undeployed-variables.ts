import type { VariableRecord } from "../../../railway/railway.ts";
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
  const serving = service?.latestDeployment;
  if (!service || !serving) return [];
  const own = new Set(inputs.variables);
  const changed = records
    .filter(({ serviceId, name }) => serviceId === service.id && !own.has(name))
    .filter(({ updatedAt }) => updatedAt.getTime() > serving.createdAt.getTime())
    .map(({ name }) => name);
  if (changed.length === 0) return [];
  return [
    found(
      "UNDEPLOYED_VARIABLES",
      service.name,
      `Changed after its latest deployment began, and so not in use yet: ${listNames(changed.toSorted())}.`,
    ),
  ];
}
