import { CutoverError } from "../errors.ts";
import { applyAndConfirm } from "./confirmed-mutation.ts";
import type { RailwayContext } from "./context.ts";
import { isOver, isPending } from "./deployment-verdict.ts";
import { type Deployment, findDeployment, listDeployments, readDeployment } from "./deployments.ts";
import type { EnvironmentScope } from "./environment.ts";
import * as operations from "./operations.ts";

/** Far more than can appear between two looks. */
const deploymentsToRemember = 50;
/** For the id that Railway answered to show in its reads, once there is another deployment that is new as well. */
const strangerPatienceMs = 5_000;
/** Draining may last as long as the service's own setting says. */
const stopTimeoutMs = 180_000;

/**
 * Deploys the commit or image a service has, with its present variables.
 *
 * @returns the id of the new deployment
 * @throws CutoverError `DEPLOYMENT_NOT_STARTED`, and those of the transport
 */
export function deployService(
  context: RailwayContext,
  scope: EnvironmentScope,
  serviceId: string,
): Promise<string> {
  const { environmentId } = scope;
  return startDeployment(context, scope, serviceId, {
    name: `deploy ${serviceId}`,
    request: async () => {
      const answer = await context.transport.request(operations.serviceDeploy, { environmentId, serviceId });
      return answer.serviceInstanceDeployV2;
    },
  });
}

/**
 * Deploys once more what an earlier deployment ran: its image, without a build, and the variables that it was given. What is
 * stored of the variables stays (guides/roll-back-bad-deploy).
 *
 * @returns the id of the new deployment
 * @throws CutoverError `DEPLOYMENT_NOT_STARTED`, and those of the transport
 */
export function rollBackService(
  context: RailwayContext,
  scope: EnvironmentScope,
  serviceId: string,
  deploymentId: string,
): Promise<string> {
  return startDeployment(context, scope, serviceId, {
    name: `roll back ${serviceId}`,
    request: async () => {
      await context.transport.request(operations.deploymentRollback, { id: deploymentId });
      return undefined;
    },
  });
}

interface DeploymentRequest {
  readonly name: string;
  /** Asks for the deployment; gives its id where Railway tells one. */
  readonly request: () => Promise<string | undefined>;
}

/**
 * The id that Railway returns is trusted only if it is new and of this service (it was reported not to be); otherwise the
 * newest deployment that was not there before counts, after a while: somebody else's may show first.
 */
async function startDeployment(
  context: RailwayContext,
  scope: EnvironmentScope,
  serviceId: string,
  { name, request }: DeploymentRequest,
): Promise<string> {
  const { environmentId } = scope;
  const before = await listDeployments(context, scope, serviceId, deploymentsToRemember);
  const known = new Set(before.map(({ id }) => id));
  const newestBefore = before[0]?.createdAt.getTime() ?? 0;
  const isNew = (deployment: Deployment) =>
    !known.has(deployment.id) &&
    deployment.serviceId === serviceId &&
    deployment.environmentId === environmentId &&
    deployment.createdAt.getTime() >= newestBefore;
  let returnedId: string | undefined;
  const stranger: { deployment?: Deployment | undefined; since?: number } = {};
  const started = await applyAndConfirm(context, {
    name,
    apply: async () => {
      returnedId = await request();
    },
    observe: async () => {
      // Looked up in the list: asked by its id, a project token is refused what Railway's lagging reads do not show yet.
      const recent = await listDeployments(context, scope, serviceId, deploymentsToRemember);
      const started = recent.filter(isNew);
      const own = started.find(({ id }) => id === returnedId);
      if (own !== undefined || returnedId === undefined || started.length === 0) return own ?? started[0];
      stranger.deployment = started[0];
      stranger.since ??= performance.now();
      return performance.now() - stranger.since >= strangerPatienceMs ? stranger.deployment : undefined;
    },
  });
  const deployment = started ?? stranger.deployment;
  if (deployment === undefined) throw notStartedError(serviceId);
  return deployment.id;
}

/** Starts the containers of a deployment anew with the variables it was given. */
export async function restartDeployment(context: RailwayContext, id: string): Promise<void> {
  await applyAndConfirm(context, {
    name: `restart ${id}`,
    apply: () => context.transport.request(operations.deploymentRestart, { id }),
    // A restart leaves no trace that tells it from the state before; one that runs is what it was meant to reach.
    observe: async () => (isServing(await readDeployment(context, id)) ? true : undefined),
  });
}

/**
 * Cancels a deployment that nothing runs of yet, so that it cannot start any more. Does nothing to any other.
 *
 * @returns whether it can start no more; `false` when Railway accepted the cancellation, but it still waits
 */
export async function cancelDeployment(context: RailwayContext, id: string): Promise<boolean> {
  const observe = async () => {
    const deployment = await findDeployment(context, id);
    return deployment === undefined || !isPending(deployment) ? true : undefined;
  };
  if (await observe()) return true;
  const cancelled = await applyAndConfirm(context, {
    name: `cancel ${id}`,
    apply: () => context.transport.request(operations.deploymentCancel, { id }),
    observe,
  });
  return cancelled ?? false;
}

/**
 * Takes a deployment down; its service and volume stay. Does nothing when it is down already.
 *
 * @throws CutoverError `DEPLOYMENT_NOT_STOPPED`, and those of the transport
 */
export async function stopDeployment(context: RailwayContext, id: string): Promise<void> {
  const observe = async () => {
    const deployment = await findDeployment(context, id);
    return deployment === undefined || isOver(deployment) ? true : undefined;
  };
  if (await observe()) return;
  const stopped = await applyAndConfirm(context, {
    name: `stop ${id}`,
    apply: () => context.transport.request(operations.deploymentStop, { id }),
    observe,
    timeoutMs: stopTimeoutMs,
  });
  if (stopped) return;
  throw new CutoverError({
    code: "DEPLOYMENT_NOT_STOPPED",
    message: `Railway accepted the stop of the deployment ${id}, but it still runs after ${stopTimeoutMs / 1000} s.`,
    remedy: "Stop it in Railway's dashboard, then run the same command again.",
  });
}

function isServing({ status, instances }: Deployment): boolean {
  return status === "SUCCESS" && instances.some((instance) => instance.status === "RUNNING");
}

function notStartedError(serviceId: string): CutoverError {
  return new CutoverError({
    code: "DEPLOYMENT_NOT_STARTED",
    message: `Railway accepted a deployment of the service ${serviceId}, but no new deployment appeared.`,
    remedy: "Look at the service's deployments in Railway's dashboard, then run the same command again.",
  });
}
