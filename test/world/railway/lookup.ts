import type { GraphQLError } from "graphql";
import { type Caller, requireCaller, requireEnvironment } from "./authorization.ts";
import { notAuthorized, notFound } from "./railway-errors.ts";
import {
  type DeploymentState,
  type EnvironmentState,
  findInstance,
  type InstanceState,
  type RailwayState,
  type ServiceState,
  type VolumeInstanceState,
} from "./state.ts";

/** What a request is answered with: who asks, and the two views that lag behind the live state. */
export interface RequestContext {
  readonly caller: Caller | null;
  /** Decides what can be read; a mutation looks at the live state instead. */
  readonly view: RailwayState;
  /** Older still where rendering lags. */
  readonly renderedView: RailwayState;
}

/** Each lookup throws as Railway answers: "Not Authorized" for what is out of reach or of another kind, else "not found". */
export function lookUpEnvironment(
  state: RailwayState,
  caller: Caller | null,
  environmentId: string,
  projectId?: string | null,
): EnvironmentState {
  requireEnvironment(caller, environmentId);
  if (projectId != null && projectId !== state.project.id) throw notAuthorized();
  const environment = state.environments.find((one) => one.id === environmentId);
  if (environment === undefined) throw missing(state, caller, environmentId, "Environment");
  return environment;
}

export function lookUpInstance(
  state: RailwayState,
  caller: Caller | null,
  serviceId: string,
  environmentId: string,
): InstanceState {
  lookUpEnvironment(state, caller, environmentId);
  const instance = findInstance(state, serviceId, environmentId);
  if (instance === undefined) throw missing(state, caller, serviceId, "ServiceInstance");
  return instance;
}

/** A deleted service can still be read for `deletedVisibleMs`. */
export function lookUpService(
  state: RailwayState,
  caller: Caller | null,
  id: string,
  deletedVisibleMs: number,
): ServiceState {
  requireCaller(caller);
  const service = state.services.find((one) => one.id === id);
  if (service === undefined) throw missing(state, caller, id, "Service");
  if (isGone(service, deletedVisibleMs)) throw notFound("Service");
  return service;
}

export function lookUpDeployment(state: RailwayState, caller: Caller | null, id: string): DeploymentState {
  const deployment = state.deployments.find((one) => one.id === id);
  if (deployment === undefined) throw missing(state, caller, id, "Deployment");
  requireEnvironment(caller, deployment.environmentId);
  return deployment;
}

export function lookUpVolumeInstance(
  state: RailwayState,
  caller: Caller | null,
  id: string,
): VolumeInstanceState {
  const volumeInstance = state.volumeInstances.find((one) => one.id === id);
  if (volumeInstance === undefined) throw missing(state, caller, id, "VolumeInstance");
  requireEnvironment(caller, volumeInstance.environmentId);
  return volumeInstance;
}

export function isGone(service: ServiceState, deletedVisibleMs: number): boolean {
  return service.deletedAt !== null && Date.now() - Date.parse(service.deletedAt) > deletedVisibleMs;
}

/** Railway tells a stranger's id, an id of another kind and a missing one apart only for callers who may see them all. */
export function missing(state: RailwayState, caller: Caller | null, id: string, kind: string): GraphQLError {
  if (requireCaller(caller).kind === "project") return notAuthorized();
  const otherKinds = [
    [state.project],
    state.environments,
    state.services,
    state.instances,
    state.deployments,
    state.volumes,
    state.volumeInstances,
  ];
  const isOfAnotherKind = otherKinds.some((objects) => objects.some((object) => object.id === id));
  return isOfAnotherKind && kind !== "ServiceInstance" ? notAuthorized() : notFound(kind);
}
