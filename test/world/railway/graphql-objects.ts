import type { Caller } from "./authorization.ts";
import { canAccessEnvironment } from "./authorization.ts";
import { type PageArguments, toConnection } from "./pages.ts";
import { findReferences } from "./references.ts";
import {
  type DeploymentState,
  deploymentsOf,
  type EnvironmentState,
  type InstanceState,
  inProgressStatuses,
  type PatchState,
  type ProxyState,
  type RailwayState,
  type ServiceState,
  type VariableState,
  type VolumeInstanceState,
} from "./state.ts";

/**
 * The API's objects as graphql's default resolver reads them: plain fields, and functions for those that page or lead
 * to other objects. All of one answer come from the same view.
 */
export function projectObject(view: RailwayState, caller: Caller) {
  return {
    ...view.project,
    primaryEnvironmentId: view.environments[0]?.id ?? null,
    environments: (page: PageArguments) =>
      toConnection(
        view.environments
          .filter((environment) => canAccessEnvironment(caller, environment.id))
          .map((environment) => environmentObject(view, environment)),
        page,
      ),
    services: (page: PageArguments) =>
      toConnection(
        view.services.map((service) => serviceObject(view, service)),
        page,
      ),
    volumes: (page: PageArguments) => toConnection(view.volumes, page),
  };
}

export function environmentObject(view: RailwayState, environment: EnvironmentState) {
  const isHere = (one: { environmentId: string }) => one.environmentId === environment.id;
  return {
    ...environment,
    projectId: view.project.id,
    deletedAt: null,
    canAccess: true,
    config: () => environmentConfig(view, environment),
    serviceInstances: (page: PageArguments) =>
      toConnection(
        view.instances.filter(isHere).map((instance) => instanceObject(view, instance)),
        page,
      ),
    volumeInstances: (page: PageArguments) =>
      toConnection(view.volumeInstances.filter(isHere).map(volumeInstanceObject), page),
    variables: (page: PageArguments) => toConnection(view.variables.filter(isHere).map(variableObject), page),
  };
}

/** Only the parts that no other field shows; variables are masked as in production. */
function environmentConfig(view: RailwayState, environment: EnvironmentState) {
  const services = view.instances
    .filter(({ environmentId }) => environmentId === environment.id)
    .map(({ serviceId, image, autoUpdates }) => [
      serviceId,
      {
        source: {
          image,
          ...(autoUpdates && { autoUpdates: { schedule: [{ day: 1, startHour: 2, endHour: 4 }] } }),
        },
      },
    ]);
  return { services: Object.fromEntries(services), sharedVariables: {} };
}

export function serviceObject(view: RailwayState, service: ServiceState) {
  return { ...service, projectId: view.project.id };
}

export function instanceObject(view: RailwayState, instance: InstanceState) {
  const deployments = deploymentsOf(view, instance.serviceId, instance.environmentId);
  const { privateDomain: _domain, autoUpdates: _updates, image, repo, ...fields } = instance;
  return {
    ...fields,
    serviceName: view.services.find((service) => service.id === instance.serviceId)?.name ?? "",
    source: { image, repo },
    // Seconds, as configured: not set, so Railway's defaults hold.
    healthcheckTimeout: null,
    overlapSeconds: null,
    drainingSeconds: instance.drainingSeconds ?? null,
    numReplicas: 1,
    restartPolicyType: instance.restartPolicyType ?? "ON_FAILURE",
    sleepApplication: false,
    preDeployCommand: null,
    railwayConfigFile: null,
    latestDeployment: deployments[0] === undefined ? null : deploymentObject(deployments[0]),
    activeDeployments: deployments
      .filter((one) => one.status === "SUCCESS" && one.instanceStatus === "RUNNING")
      .map(deploymentObject),
  };
}

export function deploymentObject(deployment: DeploymentState) {
  const {
    variables: _variables,
    sealedNames: _names,
    events: _events,
    reason,
    instanceStatus,
    ...fields
  } = deployment;
  const isOver =
    instanceStatus !== "RUNNING" && instanceStatus !== "RESTARTING" && instanceStatus !== "CREATED";
  return {
    ...fields,
    meta: { reason },
    deploymentStopped: isOver && !inProgressStatuses.has(deployment.status),
    canRedeploy: ["SUCCESS", "FAILED", "CRASHED", "SLEEPING"].includes(deployment.status),
    // One that was cancelled never ran.
    canRollback: deployment.status === "REMOVED" && instanceStatus !== null,
    instances: instanceStatus === null ? [] : [{ id: deployment.instanceId, status: instanceStatus }],
  };
}

export function deploymentEventObjects(deployment: DeploymentState) {
  return deployment.events.map(({ error, ...event }) => ({
    ...event,
    payload: error === null ? null : { error, reason: null, skipped: false },
  }));
}

/** The variables a deployment was given; a sealed one has no value for readers. */
export function snapshotObject({ id, variables, sealedNames }: DeploymentState) {
  return {
    id,
    variables: { ...variables, ...Object.fromEntries(sealedNames.map((name) => [name, null])) },
  };
}

export function volumeInstanceObject(volumeInstance: VolumeInstanceState) {
  return { ...volumeInstance, deletedAt: null };
}

export function proxyObject(proxy: ProxyState, domainHasTrailingDot: boolean) {
  return {
    ...proxy,
    domain: domainHasTrailingDot ? `${proxy.domain}.` : proxy.domain,
    deletedAt: null,
    syncStatus: "ACTIVE",
  };
}

export function patchObject({ config, ...patch }: PatchState) {
  return { ...patch, patch: config };
}

/** What Railway answers where nothing is staged. */
export const emptyPatch = { id: "<empty>", appliedAt: null, appliedBy: null, patch: {} };

function variableObject({ value, ...variable }: VariableState) {
  return {
    ...variable,
    references: findReferences(value).map(({ namespace, name }) =>
      namespace === null ? name : `${namespace}.${name}`,
    ),
  };
}
