import { randomUUID } from "node:crypto";
import type { LaggingStore } from "./lagging-store.ts";
import type { Platform } from "./platform.ts";
import { addProxy, type OpenProxy } from "./proxies.ts";
import { deleteService } from "./service-deletion.ts";
import { deploymentsOf, findServiceByName, type MemberState, type PatchConfig } from "./state.ts";
import { findVariable, removeVariable, storeVariable } from "./variable-store.ts";

/** Who uses the dashboard. */
export const dashboardUser: MemberState = {
  id: randomUUID(),
  name: "Ana Lopez",
  email: "ana.lopez@clinic.example",
};

/** What a human does in Railway's dashboard, or the platform on its own, while the cutover runs. First environment only. */
export interface Dashboard {
  /** Sets a raw value; it takes effect with the next deployment, at once with `deploy`. */
  setVariableByHand(serviceName: string, name: string, value: string, options?: { deploy?: boolean }): void;
  removeVariableByHand(serviceName: string, name: string): void;
  /** Sets a raw value that all services of the environment can refer to. */
  setSharedVariable(name: string, value: string): void;
  sealVariable(serviceName: string, name: string): void;
  /** References by the old name render empty afterwards unless `rewriteReferences`: Railway documents neither. */
  renameService(serviceName: string, newName: string, options?: { rewriteReferences?: boolean }): void;
  /**
   * An edit that is staged and not deployed: no read of variables shows it.
   *
   * @param variable what it changes, where the staged edits shall tell
   */
  stageEdit(variable?: { service: string; name: string }): void;
  discardStagedEdits(): void;
  /** Lets Railway replace the service's image by itself. */
  updateImageAutomatically(serviceName: string): void;
  /** What serves crashes, and is not started again. */
  crash(serviceName: string): void;
  /** A git push. Returns the deployment's id. */
  pushDeployment(serviceName: string): string;
  /** Railway's rollback: a new deployment with the variables that an earlier one was given. What is stored stays. */
  rollBack(serviceName: string, deploymentId: string): string;
  changeImage(serviceName: string, image: string): void;
  /** Another, empty volume in the place of the service's own. */
  replaceVolume(serviceName: string): void;
  /** Detaches a service's volume, or the one that is attached to nothing (`null`), and attaches it elsewhere. */
  moveVolume(from: string | null, to: string | null): void;
  /** Takes effect at once: networking changes are not staged. */
  openTcpProxy(serviceName: string): Promise<void>;
  deleteServiceByHand(serviceName: string): void;
}

export function openDashboard(
  store: LaggingStore,
  platform: Platform,
  environmentId: string,
  openProxy: OpenProxy,
): Dashboard {
  const requireService = (name: string) => {
    const service = findServiceByName(store.live, name);
    if (service === undefined) throw new TypeError(`the world has no service ${name}`);
    return service;
  };
  const setStagedEdits = (count: (before: number) => number) =>
    store.commit((live) => {
      const environment = live.environments.find((one) => one.id === environmentId);
      if (environment !== undefined)
        environment.unmergedChangesCount = count(environment.unmergedChangesCount);
    });
  const noteEdit = (config: PatchConfig) =>
    store.commit((live) =>
      live.patches.push({
        id: randomUUID(),
        environmentId,
        appliedAt: new Date().toISOString(),
        appliedBy: dashboardUser,
        config,
      }),
    );

  return {
    setVariableByHand(serviceName, name, value, { deploy = false } = {}) {
      const { id: serviceId } = requireService(serviceName);
      store.commit((live) => storeVariable(live, { environmentId, serviceId, name }, value));
      noteEdit(variableEdit(serviceId, name));
      if (deploy) platform.deploy(serviceId, environmentId, "dashboard", { creator: dashboardUser });
    },
    removeVariableByHand(serviceName, name) {
      const { id: serviceId } = requireService(serviceName);
      store.commit((live) => removeVariable(live, { environmentId, serviceId, name }));
      noteEdit(variableEdit(serviceId, name));
    },
    setSharedVariable(name, value) {
      store.commit((live) => storeVariable(live, { environmentId, serviceId: null, name }, value));
      noteEdit({ sharedVariables: { [name]: null } });
    },
    sealVariable(serviceName, name) {
      const { id: serviceId } = requireService(serviceName);
      const variable = findVariable(store.live, { environmentId, serviceId, name });
      if (variable === undefined) throw new TypeError(`${serviceName} has no variable ${name}`);
      store.commit(() => {
        variable.isSealed = true;
      });
    },
    renameService(serviceName, newName, { rewriteReferences = false } = {}) {
      const service = requireService(serviceName);
      store.commit((live) => {
        service.name = newName;
        service.updatedAt = new Date().toISOString();
        if (!rewriteReferences) return;
        for (const variable of live.variables) {
          variable.value = variable.value.replaceAll(`\${{${serviceName}.`, `\${{${newName}.`);
        }
      });
    },
    stageEdit(variable) {
      setStagedEdits((before) => before + 1);
      if (variable === undefined) return;
      const config = variableEdit(requireService(variable.service).id, variable.name);
      store.commit((live) =>
        live.patches.push({ id: randomUUID(), environmentId, appliedAt: null, appliedBy: null, config }),
      );
    },
    updateImageAutomatically(serviceName) {
      const { id } = requireService(serviceName);
      store.commit((live) => {
        for (const instance of live.instances) if (instance.serviceId === id) instance.autoUpdates = true;
      });
    },
    discardStagedEdits() {
      setStagedEdits(() => 0);
      store.commit((live) => {
        live.patches = live.patches.filter(({ appliedAt }) => appliedAt !== null);
      });
    },
    crash: (serviceName) => platform.crash(requireService(serviceName).id, environmentId),
    pushDeployment: (serviceName) => platform.deploy(requireService(serviceName).id, environmentId, "push"),
    rollBack(serviceName, deploymentId) {
      const { id } = requireService(serviceName);
      const restores = deploymentsOf(store.live, id, environmentId).find((one) => one.id === deploymentId);
      if (restores === undefined) throw new TypeError(`${serviceName} has no deployment ${deploymentId}`);
      return platform.deploy(id, environmentId, "rollback", { creator: dashboardUser, restores });
    },
    changeImage(serviceName, image) {
      const { id } = requireService(serviceName);
      store.commit((live) => {
        for (const instance of live.instances) if (instance.serviceId === id) instance.image = image;
      });
      noteEdit({ services: { [id]: { source: { image } } } });
    },
    replaceVolume(serviceName) {
      const { id } = requireService(serviceName);
      store.commit((live) => {
        for (const volume of live.volumeInstances.filter(
          (one) => one.serviceId === id && one.environmentId === environmentId,
        )) {
          live.volumeInstances.push({ ...volume, id: randomUUID(), volumeId: randomUUID() });
          volume.serviceId = null;
        }
      });
      noteEdit({ services: { [id]: { volumeMounts: {} } } });
    },
    moveVolume(from, to) {
      const [former, next] = [from, to].map((name) => (name === null ? null : requireService(name).id));
      store.commit((live) => {
        for (const volume of live.volumeInstances) {
          if (volume.serviceId === former && volume.environmentId === environmentId)
            volume.serviceId = next ?? null;
        }
      });
    },
    async openTcpProxy(serviceName) {
      const { id: serviceId } = requireService(serviceName);
      await addProxy(store, openProxy, { serviceId, environmentId, applicationPort: 5432 });
    },
    deleteServiceByHand(serviceName) {
      deleteService(store, platform, requireService(serviceName), null);
    },
  };
}

function variableEdit(serviceId: string, name: string): PatchConfig {
  return { services: { [serviceId]: { variables: { [name]: null } } } };
}
