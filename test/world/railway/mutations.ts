import { randomUUID } from "node:crypto";
import { type Caller, requireCaller } from "./authorization.ts";
import { proxyObject, serviceObject } from "./graphql-objects.ts";
import type { LaggingStore } from "./lagging-store.ts";
import {
  lookUpDeployment,
  lookUpEnvironment,
  lookUpInstance,
  lookUpService,
  lookUpVolumeInstance,
  missing,
  type RequestContext,
} from "./lookup.ts";
import type { Platform } from "./platform.ts";
import { addProxy } from "./proxies.ts";
import type { Quirks } from "./quirks.ts";
import { notAuthorized, notFound } from "./railway-errors.ts";
import { findDependentServices } from "./references.ts";
import type { SandboxCreateInput, Sandboxes } from "./sandboxes.ts";
import {
  createService,
  createVolume,
  type ServiceCreateInput,
  type ServiceInstanceUpdateInput,
  updateInstance,
  type VolumeCreateInput,
} from "./service-creation.ts";
import { deleteService } from "./service-deletion.ts";
import { hasSource } from "./state.ts";
import { removeVariable, storeVariable, type VariablePlace } from "./variable-store.ts";
import type { Workflows } from "./workflows.ts";

interface VariableInput {
  readonly projectId: string;
  readonly environmentId: string;
  readonly serviceId?: string | null;
  readonly name: string;
  readonly value: string;
  readonly skipDeploys?: boolean | null;
}

interface CollectionInput extends Omit<VariableInput, "name" | "value"> {
  readonly variables: Readonly<Record<string, string>>;
  readonly replace?: boolean | null;
}

export interface MutationDependencies {
  readonly store: LaggingStore;
  readonly platform: Platform;
  readonly workflows: Workflows;
  readonly sandboxes: Sandboxes;
  readonly quirks: Quirks;
  /** Opens a public port to a service's application port and says which. */
  readonly openProxy: (serviceId: string, environmentId: string) => Promise<number>;
}

/** The resolvers of the root mutations. They look at the live state: a write does not lag, only its visibility does. */
export function buildMutations({
  store,
  platform,
  workflows,
  sandboxes,
  quirks,
  openProxy,
}: MutationDependencies) {
  const { live } = store;

  return {
    variableUpsert({ input }: { input: VariableInput }, { caller }: RequestContext) {
      const place = placeOf(input, caller);
      store.commit(() => storeVariable(live, place, input.value));
      if (input.skipDeploys !== true) deployAffected(place);
      return true;
    },

    variableCollectionUpsert({ input }: { input: CollectionInput }, { caller }: RequestContext) {
      const { variables, ...where } = input;
      const place = placeOf({ ...where, name: "" }, caller);
      const isOfTheService = (one: VariablePlace) =>
        one.environmentId === place.environmentId && one.serviceId === place.serviceId;
      store.commit(() => {
        if (input.replace === true) live.variables = live.variables.filter((one) => !isOfTheService(one));
        for (const [name, value] of Object.entries(variables)) storeVariable(live, { ...place, name }, value);
      });
      if (input.skipDeploys !== true) deployAffected(place);
      return true;
    },

    variableDelete({ input }: { input: VariableInput }, { caller }: RequestContext) {
      const place = placeOf(input, caller);
      store.commit(() => removeVariable(live, place));
      if (quirks.variableDeleteDeploys) deployAffected(place);
      return true;
    },

    serviceInstanceDeployV2(
      { serviceId, environmentId }: { serviceId: string; environmentId: string },
      { caller }: RequestContext,
    ) {
      lookUpInstance(live, caller, serviceId, environmentId);
      const id = platform.deploy(serviceId, environmentId, "api");
      return quirks.deployAnswersForeignId ? randomUUID() : id;
    },

    deploymentCancel({ id }: { id: string }, { caller }: RequestContext) {
      platform.cancel(lookUpDeployment(live, caller, id));
      return true;
    },

    deploymentRestart({ id }: { id: string }, { caller }: RequestContext) {
      platform.restart(lookUpDeployment(live, caller, id));
      return true;
    },

    deploymentStop({ id }: { id: string }, { caller }: RequestContext) {
      platform.stop(lookUpDeployment(live, caller, id));
      return true;
    },

    volumeInstanceBackupCreate(
      { volumeInstanceId, name }: { volumeInstanceId: string; name?: string | null },
      { caller }: RequestContext,
    ) {
      const volumeInstance = lookUpVolumeInstance(live, caller, volumeInstanceId);
      if (requireCaller(caller).kind === "project" && !quirks.projectTokenMayBackUp) throw notAuthorized();
      if (volumeInstance.isPendingDeletion) throw notFound("VolumeInstance");
      return { workflowId: workflows.startBackup(volumeInstance, name ?? "Manual") };
    },

    /** Takes the volume in every environment, and every backup of it. The service keeps running. */
    volumeDelete({ volumeId }: { volumeId: string }, { caller }: RequestContext) {
      requireDeletionRight(caller);
      const instances = live.volumeInstances.filter((one) => one.volumeId === volumeId);
      if (instances.length === 0) throw missing(live, caller, volumeId, "Volume");
      store.commit(() => {
        for (const instance of instances)
          Object.assign(instance, { state: "DELETING", isPendingDeletion: true });
        const ids = new Set(instances.map((instance) => instance.id));
        live.backups = live.backups.filter((backup) => !ids.has(backup.volumeInstanceId));
      });
      return true;
    },

    /** With an environment only that instance goes; the service goes with its last one. Its volume stays, attached to nothing. */
    serviceDelete(
      { id, environmentId }: { id: string; environmentId?: string | null },
      { caller }: RequestContext,
    ) {
      requireDeletionRight(caller);
      if (environmentId != null) lookUpEnvironment(live, caller, environmentId);
      const service = lookUpService(live, caller, id, 0);
      if (service.deletedAt !== null || !deleteService(store, platform, service, environmentId ?? null))
        throw notFound("Service");
      return true;
    },

    serviceCreate({ input }: { input: ServiceCreateInput }, { caller }: RequestContext) {
      if (input.projectId !== live.project.id) throw missing(live, caller, input.projectId, "Project");
      if (input.environmentId != null) lookUpEnvironment(live, caller, input.environmentId);
      else if (requireCaller(caller).kind === "project") throw notAuthorized();
      const service = createService(store, input);
      // A service with an image is deployed at once, whatever is still missing around it.
      for (const instance of live.instances.filter(
        (one) => one.serviceId === service.id && one.image !== null,
      )) {
        platform.deploy(service.id, instance.environmentId, "service created");
      }
      return serviceObject(live, service);
    },

    volumeCreate({ input }: { input: VolumeCreateInput }, { caller }: RequestContext) {
      if (input.projectId !== live.project.id) throw missing(live, caller, input.projectId, "Project");
      if (input.environmentId != null) lookUpEnvironment(live, caller, input.environmentId);
      if (input.serviceId != null) lookUpService(live, caller, input.serviceId, 0);
      return createVolume(store, input);
    },

    async tcpProxyCreate(
      { input }: { input: { serviceId: string; environmentId: string; applicationPort: number } },
      { caller }: RequestContext,
    ) {
      lookUpInstance(live, caller, input.serviceId, input.environmentId);
      const proxy = await addProxy(store, openProxy, input);
      return proxyObject(proxy, quirks.proxyDomainHasTrailingDot);
    },

    /** Without an environment the service is changed in all of them. */
    serviceInstanceUpdate(
      where: { serviceId: string; environmentId?: string | null; input: ServiceInstanceUpdateInput },
      { caller }: RequestContext,
    ) {
      if (quirks.tokensReadOnly) throw notAuthorized();
      const instances =
        where.environmentId != null
          ? [lookUpInstance(live, caller, where.serviceId, where.environmentId)]
          : live.instances.filter((one) => one.serviceId === where.serviceId);
      const { restartPolicyType, ...others } = where.input;
      updateInstance(
        store,
        instances,
        quirks.restartPolicyStays || restartPolicyType === undefined ? others : where.input,
      );
      return true;
    },

    sandboxCreate({ input }: { input: SandboxCreateInput }, { caller }: RequestContext) {
      sandboxPlace(input.environmentId, caller);
      return sandboxes.create(input);
    },

    sandboxExec(
      where: { environmentId: string; id: string; command: string; timeoutSec?: number | null },
      { caller }: RequestContext,
    ) {
      return sandboxes.exec(sandboxPlace(where.environmentId, caller), where);
    },

    sandboxHeartbeat(where: { environmentId: string; id: string }, { caller }: RequestContext) {
      return sandboxes.heartbeat(sandboxPlace(where.environmentId, caller), where.id);
    },

    sandboxDestroy(where: { environmentId: string; id: string }, { caller }: RequestContext) {
      return sandboxes.destroy(sandboxPlace(where.environmentId, caller), where.id);
    },
  };

  function sandboxPlace(environmentId: string, caller: Caller | null): string {
    if (quirks.tokensReadOnly) throw notAuthorized();
    return lookUpEnvironment(live, caller, environmentId).id;
  }

  function placeOf(input: Omit<VariableInput, "value">, caller: Caller | null): VariablePlace {
    if (quirks.tokensReadOnly) throw notAuthorized();
    lookUpEnvironment(live, caller, input.environmentId, input.projectId);
    if (input.serviceId != null) lookUpInstance(live, caller, input.serviceId, input.environmentId);
    return { environmentId: input.environmentId, serviceId: input.serviceId ?? null, name: input.name };
  }

  /** The service itself, and every service whose variables lead to the changed one. */
  function deployAffected(place: VariablePlace): void {
    const affected = findDependentServices(live, place, place.name);
    if (place.serviceId !== null) affected.add(place.serviceId);
    for (const serviceId of affected) {
      if (!hasSource(live, serviceId, place.environmentId)) continue;
      platform.deploy(serviceId, place.environmentId, `variable ${place.name}`);
    }
  }

  function requireDeletionRight(caller: Caller | null): void {
    if (requireCaller(caller).kind === "project" && !quirks.projectTokenMayDelete) throw notAuthorized();
  }
}
