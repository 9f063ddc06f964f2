import type { LaggingStore } from "./lagging-store.ts";
import type { Platform } from "./platform.ts";
import { findServiceByName } from "./state.ts";
import { findVariable, storeVariable } from "./variable-store.ts";

/** What a human does in Railway's dashboard, or the platform on its own, while the cutover runs. First environment only. */
export interface Dashboard {
  /** Sets a raw value; it takes effect with the next deployment, at once with `deploy`. */
  setVariableByHand(serviceName: string, name: string, value: string, options?: { deploy?: boolean }): void;
  sealVariable(serviceName: string, name: string): void;
  /** References by the old name render empty afterwards unless `rewriteReferences`: Railway documents neither. */
  renameService(serviceName: string, newName: string, options?: { rewriteReferences?: boolean }): void;
  /** An edit that is staged and not deployed: only `unmergedChangesCount` shows it. */
  stageEdit(): void;
  discardStagedEdits(): void;
  /** Lets Railway replace the service's image by itself. */
  updateImageAutomatically(serviceName: string): void;
  /** What serves crashes, and is not started again. */
  crash(serviceName: string): void;
  /** A git push. Returns the deployment's id. */
  pushDeployment(serviceName: string): string;
}

export function openDashboard(store: LaggingStore, platform: Platform, environmentId: string): Dashboard {
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

  return {
    setVariableByHand(serviceName, name, value, { deploy = false } = {}) {
      const { id: serviceId } = requireService(serviceName);
      store.commit((live) => storeVariable(live, { environmentId, serviceId, name }, value));
      if (deploy) platform.deploy(serviceId, environmentId, "dashboard");
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
    stageEdit: () => setStagedEdits((before) => before + 1),
    updateImageAutomatically(serviceName) {
      const { id } = requireService(serviceName);
      store.commit((live) => {
        for (const instance of live.instances) if (instance.serviceId === id) instance.autoUpdates = true;
      });
    },
    discardStagedEdits: () => setStagedEdits(() => 0),
    crash: (serviceName) => platform.crash(requireService(serviceName).id, environmentId),
    pushDeployment: (serviceName) => platform.deploy(requireService(serviceName).id, environmentId, "push"),
  };
}
