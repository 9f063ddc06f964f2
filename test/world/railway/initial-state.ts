import { randomUUID } from "node:crypto";
import { renderForDeployment } from "./references.ts";
import type { InstanceState, RailwayState } from "./state.ts";
import { storeVariable } from "./variable-store.ts";
import type { ServiceModel, WorldModel } from "./world-model.ts";

/** Translates the model into what Railway would remember of it, with one successful deployment a running instance. */
export function buildInitialState(world: WorldModel): RailwayState {
  const createdAt = new Date().toISOString();
  const state: RailwayState = {
    project: {
      ...world.project,
      description: null,
      workspaceId: world.workspaceId,
      createdAt,
      deletedAt: world.environments.length === 0 ? createdAt : null,
    },
    otherProjects: (world.otherProjects ?? []).map((project) => ({
      description: null,
      ...project,
      workspaceId: world.workspaceId,
      createdAt,
      deletedAt: null,
    })),
    environments: world.environments.map(({ id, name, isEphemeral = false }) => ({
      id,
      name,
      isEphemeral,
      unmergedChangesCount: 0,
      createdAt,
    })),
    services: [],
    instances: [],
    variables: [],
    deployments: [],
    volumes: [],
    volumeInstances: [],
    backups: [],
    workflows: [],
    proxies: [],
    patches: [],
    sandboxes: [],
  };
  for (const service of world.services) addService(state, service);
  for (const environment of state.environments) {
    for (const [name, value] of Object.entries(world.sharedVariables ?? {})) {
      storeVariable(state, { environmentId: environment.id, serviceId: null, name }, value);
    }
  }
  const running = state.environments[0]?.id;
  for (const instance of state.instances) {
    if (instance.environmentId === running) addFirstDeployment(state, instance);
  }
  for (const variable of state.variables) variable.updatedAt = variable.createdAt = longAgo();
  return state;
}

/** Before the first deployments, which are given the variables. */
function longAgo(): string {
  return new Date(Date.now() - 3_600_000).toISOString();
}

/** The label that Railway derives from a service's name: lower case, without the characters DNS does not take. */
export function privateDomainOf(serviceName: string): string {
  const label = serviceName
    .toLowerCase()
    .replaceAll(/[\s_]+/g, "-")
    .replaceAll(/[^a-z0-9-]/g, "");
  return `${label}.railway.internal`;
}

function addService(state: RailwayState, service: ServiceModel): void {
  const createdAt = new Date().toISOString();
  state.services.push({
    id: service.id,
    name: service.name,
    createdAt,
    updatedAt: createdAt,
    deletedAt: null,
  });
  const volumeId = randomUUID();
  if (service.kind === "database") {
    state.volumes.push({ id: volumeId, name: `${service.name}-volume`, createdAt });
  }
  const names = service.environments ?? [state.environments[0]?.name];
  for (const environment of state.environments.filter((one) => names.includes(one.name))) {
    const place = { serviceId: service.id, environmentId: environment.id };
    state.instances.push({
      id: randomUUID(),
      ...place,
      image: service.kind === "app" ? null : service.image,
      repo: service.kind === "app" ? "doctores-seo/healthcare" : null,
      startCommand: service.kind === "database" ? (service.startCommand ?? null) : null,
      healthcheckPath: service.kind === "app" ? service.healthcheckPath : null,
      privateDomain: privateDomainOf(service.name),
      createdAt,
      deletedAt: null,
    });
    for (const [name, value] of Object.entries(service.variables))
      storeVariable(state, { ...place, name }, value);
    if (service.kind !== "database") continue;
    state.volumeInstances.push({
      id: randomUUID(),
      volumeId,
      ...place,
      mountPath: service.volumeMountPath,
      state: "READY",
      isPendingDeletion: false,
      currentSizeMB: 512,
      sizeMB: 50_000,
      createdAt,
    });
    if (service.tcpProxy ?? true) {
      state.proxies.push({
        id: randomUUID(),
        ...place,
        applicationPort: 5432,
        domain: service.server.host,
        proxyPort: service.proxyPort ?? service.server.port,
        createdAt,
      });
    }
  }
}

function addFirstDeployment(state: RailwayState, instance: InstanceState): void {
  const now = new Date();
  const rendered = renderForDeployment(state, instance, true);
  state.deployments.push({
    id: randomUUID(),
    serviceId: instance.serviceId,
    environmentId: instance.environmentId,
    status: "SUCCESS",
    // It took about as long as a deployment takes at the default pace: plans estimate from it.
    createdAt: new Date(now.getTime() - 5_000).toISOString(),
    statusUpdatedAt: now.toISOString(),
    variables: Object.fromEntries(Object.entries(rendered).map(([name, value]) => [name, value ?? ""])),
    sealedNames: [],
    instanceId: randomUUID(),
    instanceStatus: "RUNNING",
    events: [],
    reason: "initial",
    creator: null,
  });
}
