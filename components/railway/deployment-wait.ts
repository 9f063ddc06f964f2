import { CutoverError, hasCode } from "../errors.ts";
import type { RailwayContext } from "./context.ts";
import { type DeploymentVerdict, describeEnd, isOver, judgeDeployment } from "./deployment-verdict.ts";
import { type Deployment, findDeployment, listDeployments, readFailingStep } from "./deployments.ts";
import type { EnvironmentScope } from "./environment.ts";

export interface DeploymentWaitOptions {
  readonly timeoutMs: number;
  /** Called with the first status and with each change of it. */
  readonly onStatus?: ((deployment: Deployment) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Codes by which a wait for a deployment tells that it came to nothing. */
export const deploymentFailures = [
  "DEPLOYMENT_FAILED",
  "DEPLOYMENT_SKIPPED",
  "DEPLOYMENT_NEEDS_APPROVAL",
  "DEPLOYMENT_TIMEOUT",
  "DEPLOYMENT_NOT_STARTED",
] as const;

/** Enough to see ours and whatever was deployed after it. */
export const recentDeployments = 20;

/**
 * Waits until a deployment is healthy, or a newer one of the same service that replaced it.
 *
 * @returns the healthy deployment; its id differs from the given one when a newer one took its place
 * @throws CutoverError `DEPLOYMENT_FAILED`, `DEPLOYMENT_SKIPPED`, `DEPLOYMENT_NEEDS_APPROVAL`, `DEPLOYMENT_TIMEOUT`, and
 *   those of the transport that no waiting cures
 */
export async function waitForDeployment(
  context: RailwayContext,
  scope: EnvironmentScope,
  serviceId: string,
  deploymentId: string,
  { timeoutMs, onStatus, signal }: DeploymentWaitOptions,
): Promise<Deployment> {
  let last: Deployment | undefined;
  const verdict = await context.poll(
    async () => {
      const recent = await listDeployments(context, scope, serviceId, recentDeployments);
      const own = await findRecent(context, recent, deploymentId);
      if (own === undefined) return undefined;
      const current = judgeDeployment(own, recent);
      if (last?.id !== current.deployment.id || last.status !== current.deployment.status) {
        onStatus?.(current.deployment);
      }
      last = current.deployment;
      return current.kind === "running" ? undefined : current;
    },
    timeoutMs,
    signal,
  );
  if (verdict === undefined) throw timeoutError(deploymentId, timeoutMs, last?.status);
  if (verdict.kind !== "ready") throw await failureOf(context, deploymentId, verdict);
  if (verdict.deployment.id !== deploymentId) {
    context.log(
      `Railway deployment ${deploymentId} was superseded by ${verdict.deployment.id}, which is healthy`,
    );
  }
  return verdict.deployment;
}

/** A deployment from a list of its service, or by its id; `undefined` while Railway's reads do not show it. */
export async function findRecent(
  context: RailwayContext,
  recent: readonly Deployment[],
  deploymentId: string,
): Promise<Deployment | undefined> {
  const listed = recent.find(({ id }) => id === deploymentId);
  if (listed !== undefined) return listed;
  try {
    return await findDeployment(context, deploymentId);
  } catch (error) {
    // So a project token is told "not found". The list was allowed, so it is not the token.
    if (hasCode(error, "RAILWAY_NOT_AUTHORIZED")) return undefined;
    throw error;
  }
}

/**
 * Waits until nothing of these deployments runs any more: after a new one is healthy, the old one still serves for the
 * overlap and drains its connections.
 *
 * @throws CutoverError `DEPLOYMENT_NOT_REMOVED`
 */
export async function waitUntilRemoved(
  context: RailwayContext,
  deploymentIds: readonly string[],
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  const left = new Set(deploymentIds);
  const gone = await context.poll(
    async () => {
      for (const id of left) {
        const deployment = await findDeployment(context, id);
        if (deployment === undefined || isOver(deployment)) left.delete(id);
      }
      return left.size === 0 ? true : undefined;
    },
    timeoutMs,
    signal,
  );
  if (gone) return;
  throw new CutoverError({
    code: "DEPLOYMENT_NOT_REMOVED",
    message: `Old deployments still run after ${seconds(timeoutMs)}: ${[...left].join(", ")}.`,
    remedy:
      "Look at the service's deployments in Railway's dashboard; a long overlap or draining time delays their end.",
  });
}

async function failureOf(
  context: RailwayContext,
  deploymentId: string,
  { kind, deployment }: Exclude<DeploymentVerdict, { kind: "running" | "ready" }>,
): Promise<CutoverError> {
  const superseded = deployment.id === deploymentId ? "" : ` (it superseded ${deploymentId})`;
  const name = `The deployment ${deployment.id}${superseded}`;
  switch (kind) {
    case "skipped":
      return new CutoverError({
        code: "DEPLOYMENT_SKIPPED",
        message: `${name} was skipped by Railway (SKIPPED); the service still runs with its earlier variables.`,
        remedy:
          "Check the service's watch paths and its repository, deploy it once by hand, then run the same command again.",
      });
    case "needs-approval":
      return new CutoverError({
        code: "DEPLOYMENT_NEEDS_APPROVAL",
        message: `${name} waits for somebody's approval (NEEDS_APPROVAL).`,
        remedy: "Approve it in Railway's dashboard or lift the rule, then run the same command again.",
      });
    case "failed": {
      const step = await readFailingStep(context, deployment.id);
      return new CutoverError({
        code: "DEPLOYMENT_FAILED",
        message: `${name} ${describeEnd(deployment)}${step === undefined ? "" : ` in the step ${step}`}.`,
        remedy:
          "Read this deployment's logs in Railway's dashboard, mend the cause, then run the same command again.",
      });
    }
    default:
      return kind satisfies never;
  }
}

function timeoutError(deploymentId: string, timeoutMs: number, status: string | undefined): CutoverError {
  return new CutoverError({
    code: "DEPLOYMENT_TIMEOUT",
    message: `The deployment ${deploymentId} was not healthy within ${seconds(timeoutMs)}; its last status is ${status ?? "unknown"}.`,
    remedy:
      "Look at the deployment in Railway's dashboard; if it is only slow, raise the deployment timeout.",
  });
}

function seconds(durationMs: number): string {
  return `${Math.round(durationMs / 1000)} s`;
}
