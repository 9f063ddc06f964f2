import type { Deployment, EnvironmentScope, Railway, RailwayService } from "../../../railway/railway.ts";
import type { Finding } from "../../finding.ts";
import { attempt } from "../problems.ts";

/** How many deployments are looked at: enough to find one that succeeded, few enough for one page. */
const deploymentsToRead = 10;

/** A service that went to sleep and woke up changes its status long after the deployment. */
const longestPlausibleMs = 3_600_000;

/**
 * How long the service's last successful deployment took, in milliseconds, from its creation to the change of its
 * status; `undefined` where that is not known. Asks Railway only where the latest one does not tell.
 */
export async function readDeploymentMs(
  railway: Railway,
  scope: EnvironmentScope,
  service: RailwayService | undefined,
  findings: Finding[],
): Promise<number | undefined> {
  if (service === undefined) return undefined;
  const latestMs = durationMs(service.latestDeployment);
  if (latestMs !== undefined) return latestMs;
  const deployments = await attempt(findings, `${service.name} deployments`, () =>
    railway.listDeployments(scope, service.id, deploymentsToRead),
  );
  return deployments?.map(durationMs).find((duration) => duration !== undefined);
}

function durationMs(deployment: Deployment | null): number | undefined {
  if (deployment?.status !== "SUCCESS" || !deployment.statusUpdatedAt) return undefined;
  const duration = deployment.statusUpdatedAt.getTime() - deployment.createdAt.getTime();
  return duration > 0 && duration <= longestPlausibleMs ? duration : undefined;
}
