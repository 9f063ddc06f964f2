import { randomUUID } from "node:crypto";
import { privateDomainOf } from "./initial-state.ts";
import type { LaggingStore } from "./lagging-store.ts";
import { railwayError } from "./railway-errors.ts";
import { findServiceByName, type InstanceState, type ServiceState, type VolumeState } from "./state.ts";
import { storeVariable } from "./variable-store.ts";

export interface ServiceCreateInput {
  readonly projectId: string;
  readonly environmentId?: string | null;
  readonly name?: string | null;
  readonly source?: { readonly image?: string | null; readonly repo?: string | null } | null;
  readonly variables?: Readonly<Record<string, string>> | null;
}

export interface ServiceInstanceUpdateInput
  extends Partial<Pick<InstanceState, "startCommand" | "restartPolicyType" | "drainingSeconds">> {
  readonly source?: { readonly image?: string | null } | null;
}

export interface VolumeCreateInput {
  readonly projectId: string;
  readonly environmentId?: string | null;
  readonly serviceId?: string | null;
  readonly mountPath: string;
}

/** Creates a service with an instance in the named environment, or in all that are not ephemeral. */
export function createService(store: LaggingStore, input: ServiceCreateInput): ServiceState {
  const { live } = store;
  const name = input.name ?? `service-${randomUUID().slice(0, 8)}`;
  if (findServiceByName(live, name) !== undefined) {
    throw railwayError(`A service named "${name}" already exists in this project`);
  }
  return store.commit(() => {
    const createdAt = new Date().toISOString();
    const service = { id: randomUUID(), name, createdAt, updatedAt: createdAt, deletedAt: null };
    live.services.push(service);
    for (const environmentId of environmentsOf(store, input.environmentId)) {
      live.instances.push({
        id: randomUUID(),
        serviceId: service.id,
        environmentId,
        image: input.source?.image ?? null,
        repo: input.source?.repo ?? null,
        startCommand: null,
        healthcheckPath: null,
        privateDomain: privateDomainOf(name),
        createdAt,
        deletedAt: null,
      });
      for (const [variable, value] of Object.entries(input.variables ?? {})) {
        storeVariable(live, { environmentId, serviceId: service.id, name: variable }, value);
      }
    }
    return service;
  });
}

/** Changes what is given and leaves the rest; it deploys nothing. */
export function updateInstance(
  store: LaggingStore,
  instances: readonly InstanceState[],
  { source, ...settings }: ServiceInstanceUpdateInput,
): void {
  store.commit(() => {
    for (const instance of instances) {
      Object.assign(instance, settings, source?.image == null ? {} : { image: source.image });
    }
  });
}

export function createVolume(store: LaggingStore, input: VolumeCreateInput): VolumeState {
  const { live } = store;
  return store.commit(() => {
    const createdAt = new Date().toISOString();
    const volume = { id: randomUUID(), name: `volume-${live.volumes.length + 1}`, createdAt };
    live.volumes.push(volume);
    for (const environmentId of environmentsOf(store, input.environmentId)) {
      live.volumeInstances.push({
        id: randomUUID(),
        volumeId: volume.id,
        environmentId,
        serviceId: input.serviceId ?? null,
        mountPath: input.mountPath,
        state: "READY",
        isPendingDeletion: false,
        currentSizeMB: 0,
        sizeMB: 50_000,
        createdAt,
      });
    }
    return volume;
  });
}

function environmentsOf({ live }: LaggingStore, environmentId: string | null | undefined): string[] {
  return environmentId == null
    ? live.environments.filter((one) => !one.isEphemeral).map((one) => one.id)
    : [environmentId];
}
