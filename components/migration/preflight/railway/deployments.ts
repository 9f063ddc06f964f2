import type { RailwayService } from "../../../railway/railway.ts";
import type { Finding } from "../../finding.ts";
import { findingsOf } from "../definitions.ts";

export const deploymentDefinitions = {
  DEPLOYMENT_IN_PROGRESS: {
    severity: "blocker",
    acceptable: false,
    remedy: "Wait until the deployment has ended, or cancel it.",
  },
  SERVICE_NOT_RUNNING: {
    severity: "warning",
    acceptable: false,
    remedy:
      "Find out why; a service that is unhealthy before the cutover cannot show that it is healthy after it.",
  },
} as const;

const found = findingsOf(deploymentDefinitions);

/** Whether a service is being deployed by somebody else, and whether it runs. */
export function checkDeployments(service: RailwayService): Finding[] {
  const status = service.latestDeployment?.status;
  // An older one may be at work behind one that was skipped; one that only drains is no longer being deployed.
  const unsettled = [status, ...service.activeDeployments.map((each) => each.status)].find(
    (each) => each !== undefined && each !== "REMOVING" && !settledStatuses.has(each),
  );
  if (unsettled !== undefined) {
    return [found("DEPLOYMENT_IN_PROGRESS", service.name, `A deployment of it is ${unsettled}.`)];
  }
  if (status === "SUCCESS" || status === "SLEEPING") return [];
  return [
    found(
      "SERVICE_NOT_RUNNING",
      service.name,
      status === undefined ? "It was never deployed." : `Its latest deployment is ${status}.`,
    ),
  ];
}

// Any status that is not known to be final counts as still running (facts of Railway's enum, which grows).
const settledStatuses = new Set(["SUCCESS", "SLEEPING", "FAILED", "CRASHED", "REMOVED", "SKIPPED"]);
