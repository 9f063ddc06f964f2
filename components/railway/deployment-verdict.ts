import type { Deployment } from "./deployments.ts";

/** What the state of a deployment, and of those that came after it, means to somebody who waits for it. */
export type DeploymentVerdict =
  | { readonly kind: "running"; readonly deployment: Deployment }
  | { readonly kind: "ready"; readonly deployment: Deployment }
  | { readonly kind: "failed"; readonly deployment: Deployment }
  | { readonly kind: "skipped"; readonly deployment: Deployment }
  | { readonly kind: "needs-approval"; readonly deployment: Deployment };

/**
 * Judges the deployment that is waited for. A newer one of the same service replaces it: a push by somebody else removes
 * ours although nothing is wrong, and runs with the same variables.
 *
 * @param own the deployment that is waited for
 * @param others further deployments of the same service, in any order
 */
export function judgeDeployment(own: Deployment, others: readonly Deployment[]): DeploymentVerdict {
  const verdict = judgeAlone(own);
  if (verdict.kind === "ready") return verdict;
  const newer = others
    .filter(({ id, createdAt }) => id !== own.id && createdAt.getTime() > own.createdAt.getTime())
    .sort((left, right) => right.createdAt.getTime() - left.createdAt.getTime())
    .map(judgeAlone);
  const replacement = newer.find(({ kind }) => kind === "ready");
  if (replacement !== undefined) return replacement;
  if (verdict.kind === "running") return verdict;
  return newer.find(({ kind }) => kind === "running") ?? verdict;
}

/** Whether nothing of this deployment runs any more, nor will again by itself. */
export function isOver(deployment: Deployment): boolean {
  if (["REMOVED", "FAILED", "SKIPPED", "CRASHED"].includes(deployment.status)) return true;
  return deployment.stopped && !deployment.instances.some(({ status }) => !idleInstanceStates.has(status));
}

const idleInstanceStates = new Set(["CRASHED", "EXITED", "REMOVED", "SKIPPED", "STOPPED"]);

function judgeAlone(deployment: Deployment): DeploymentVerdict {
  if (deployment.stopped) return { kind: "failed", deployment };
  switch (deployment.status) {
    case "SUCCESS":
      return { kind: hasStarted(deployment) ? "ready" : "running", deployment };
    // It ran, passed its health check, and fell asleep for want of traffic.
    case "SLEEPING":
      return { kind: "ready", deployment };
    case "FAILED":
    case "CRASHED":
    case "REMOVED":
    case "REMOVING":
      return { kind: "failed", deployment };
    case "SKIPPED":
      return { kind: "skipped", deployment };
    case "NEEDS_APPROVAL":
      return { kind: "needs-approval", deployment };
    default:
      return { kind: "running", deployment };
  }
}

/** SUCCESS without a health check only says that a container was started; a restarting one is not there yet. */
function hasStarted({ instances }: Deployment): boolean {
  return (
    instances.length === 0 || instances.some(({ status }) => status === "RUNNING" || status === "EXITED")
  );
}
