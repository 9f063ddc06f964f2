import type { EnvironmentScope, Railway, RailwayService } from "../../../railway/railway.ts";
import type { Finding } from "../../finding.ts";
import { attempt } from "../problems.ts";

/** How many deployments are looked at: enough to find one that succeeded, few enough for one page. */
const deploymentsToRead = 10;

/** A service that went to sleep and woke up changes its status long after the deployment. */
const longestPlausibleMs = 3_600_000;

/**
 * How long the service's last successful deployment took, in milliseconds, from its creation to the change of its
 * status; `undefined` where that is not known. The cutover must list deployments too, so a token that may not is a finding.
 */
export async function readDeploymentMs(
  railway: Railway,
  scope: EnvironmentScope,
  service: RailwayService | undefined,
  findings: Finding[],
): Promise<number | undefined> {
  if (service === undefined) return undefined;
  const deployments = await attempt(findings, `${service.name} deployments`, () =>
    railway.listDeployments(scope, service.id, deploymentsToRead),
  );
  const durations = (deployments ?? []).flatMap(({ status, createdAt, statusUpdatedAt }) =>
    status === "SUCCESS" && statusUpdatedAt ? [statusUpdatedAt.getTime() - createdAt.getTime()] : [],
  );
  return durations.find((duration) => duration > 0 && duration <= longestPlausibleMs);
}
