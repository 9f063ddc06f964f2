import { randomUUID } from "node:crypto";
import type { LaggingStore } from "./lagging-store.ts";
import { renderForDeployment } from "./references.ts";
import type { DeploymentEventState, DeploymentState, DeploymentStatus, MemberState } from "./state.ts";

export interface DeploymentOrigin {
  /** Default: a token, or the platform. */
  readonly creator?: MemberState;
  /** The deployment whose variables it is given: a rollback. Default: the variables as they are rendered now. */
  readonly restores?: DeploymentState;
}

/** Creates a deployment that holds its variables from this moment on. */
export function createDeployment(
  store: LaggingStore,
  serviceId: string,
  environmentId: string,
  reason: string,
  { creator, restores }: DeploymentOrigin = {},
): DeploymentState {
  return store.commit((live) => {
    const scope = { serviceId, environmentId };
    const now = new Date().toISOString();
    const deployment: DeploymentState = {
      id: randomUUID(),
      ...scope,
      status: "INITIALIZING",
      createdAt: now,
      statusUpdatedAt: now,
      variables: restores?.variables ?? withoutNulls(renderForDeployment(live, scope, true)),
      sealedNames:
        restores?.sealedNames ??
        live.variables
          .filter((one) => one.serviceId === serviceId && one.environmentId === environmentId && one.isSealed)
          .map((one) => one.name),
      instanceId: randomUUID(),
      instanceStatus: null,
      events: [],
      reason,
      creator: creator ?? null,
    };
    live.deployments.push(deployment);
    return deployment;
  });
}

/** Changes a deployment's status, and with it what is said about its only instance. */
export function setStatus(
  store: LaggingStore,
  id: string,
  status: DeploymentStatus,
  instanceStatus?: DeploymentState["instanceStatus"],
): void {
  store.commit((live) => {
    const deployment = live.deployments.find((one) => one.id === id);
    if (deployment === undefined) return;
    if (deployment.status !== status) deployment.statusUpdatedAt = new Date().toISOString();
    deployment.status = status;
    if (instanceStatus !== undefined) deployment.instanceStatus = instanceStatus;
  });
}

export function addEvent(
  store: LaggingStore,
  id: string,
  step: DeploymentEventState["step"],
  error: string | null = null,
): void {
  store.commit((live) => {
    const now = new Date().toISOString();
    live.deployments
      .find((one) => one.id === id)
      ?.events.push({ id: randomUUID(), step, createdAt: now, completedAt: now, error });
  });
}

function withoutNulls(variables: Record<string, string | null>): Record<string, string> {
  return Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, value ?? ""]));
}
