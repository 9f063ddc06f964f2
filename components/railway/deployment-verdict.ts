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
  const newer = judgeNewer(own, others);
  const replacement = newer.find(({ kind }) => kind === "ready");
  if (replacement !== undefined) return replacement;
  if (verdict.kind === "running") return verdict;
  const undecided = newer.find(({ kind }) => kind === "running");
  if (undecided !== undefined) return undecided;
  // Nothing was wrong with ours when it was removed for a newer one: that one's fate is the reason.
  const successor =
    newer.find(({ kind }) => kind === "failed") ?? newer.find(({ kind }) => kind !== "skipped");
  return isRemoved(own) ? (successor ?? verdict) : verdict;
}

/** Whether a deployment that was healthy is so still. */
export type Steadiness =
  | { readonly kind: "steady" }
  /** It is being replaced, and what replaces it is not decided yet. */
  | { readonly kind: "undecided" }
  | { readonly kind: "superseded"; readonly deployment: Deployment }
  | { readonly kind: "failed"; readonly why: string };

/**
 * Judges a deployment that was found healthy before.
 *
 * @param first how it was seen at first: containers that had crashed by then are no news
 * @param own how it is now
 * @param others further deployments of the same service, in any order
 */
export function judgeSteadiness(
  first: Deployment,
  own: Deployment,
  others: readonly Deployment[],
): Steadiness {
  const newer = judgeNewer(own, others);
  const successor = newer.find(({ kind }) => kind === "ready");
  if (successor !== undefined) return { kind: "superseded", deployment: successor.deployment };
  if (isHealthy(own)) return judgeInstances(first, own);
  const isUndecided = isRemoved(own) && newer.some(({ kind }) => kind === "running");
  if (isUndecided || judgeAlone(own).kind === "running") return { kind: "undecided" };
  return { kind: "failed", why: describeEnd(own) };
}

/** How a deployment came to its end, for the predicate of a sentence. */
export function describeEnd({ status, stopped }: Deployment): string {
  const endedByItself = ["FAILED", "CRASHED", "REMOVED", "REMOVING"].includes(status);
  return stopped && !endedByItself ? `was stopped (${status})` : `ended as ${status}`;
}

function isHealthy({ status, stopped }: Deployment): boolean {
  return !stopped && (status === "SUCCESS" || status === "SLEEPING");
}

/** Railway calls a deployment a SUCCESS while it starts a crashed container again, some ten times over. */
function judgeInstances(first: Deployment, own: Deployment): Steadiness {
  if (own.status === "SLEEPING") return { kind: "steady" };
  const count = (deployment: Deployment, ...statuses: string[]) =>
    deployment.instances.filter(({ status }) => statuses.includes(status)).length;
  if (count(own, "RESTARTING") > 0) return { kind: "failed", why: "is starting its container again" };
  if (count(own, "CRASHED") > count(first, "CRASHED")) {
    return { kind: "failed", why: "has lost a container, which crashed" };
  }
  return hasStarted(own) ? { kind: "steady" } : { kind: "failed", why: "has no container that runs" };
}

/** Whether a deployment has not started, and may: by itself, or when somebody approves it. */
export function isPending({ status, stopped }: Deployment): boolean {
  return !stopped && pendingStatuses.has(status);
}

const pendingStatuses = new Set([
  "INITIALIZING",
  "QUEUED",
  "WAITING",
  "NEEDS_APPROVAL",
  "BUILDING",
  "DEPLOYING",
]);

/** Whether nothing of this deployment runs any more, nor will again by itself. */
export function isOver(deployment: Deployment): boolean {
  if (["REMOVED", "FAILED", "SKIPPED", "CRASHED"].includes(deployment.status)) return true;
  return deployment.stopped && !deployment.instances.some(({ status }) => !idleInstanceStates.has(status));
}

const idleInstanceStates = new Set(["CRASHED", "EXITED", "REMOVED", "SKIPPED", "STOPPED"]);

/** The verdicts on everything that was deployed after it, the newest first. */
function judgeNewer(own: Deployment, others: readonly Deployment[]): DeploymentVerdict[] {
  return others
    .filter(({ id, createdAt }) => id !== own.id && createdAt.getTime() > own.createdAt.getTime())
    .sort((left, right) => right.createdAt.getTime() - left.createdAt.getTime())
    .map(judgeAlone);
}

function isRemoved({ status }: Deployment): boolean {
  return status === "REMOVED" || status === "REMOVING";
}

function judgeAlone(deployment: Deployment): DeploymentVerdict {
  switch (deployment.status) {
    // Nothing of these was ever started, so that they may well read as stopped.
    case "SKIPPED":
      return { kind: "skipped", deployment };
    case "NEEDS_APPROVAL":
      return { kind: "needs-approval", deployment };
  }
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
