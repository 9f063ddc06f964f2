import type { LaggingStore } from "./lagging-store.ts";
import type { Platform } from "./platform.ts";
import type { ServiceState } from "./state.ts";

/**
 * Deletes a service's instances: in one environment, or (`null`) in all. The service goes with its last one. Its volume
 * stays, attached to nothing. `false` when there is none.
 */
export function deleteService(
  store: LaggingStore,
  platform: Platform,
  service: ServiceState,
  environmentId: string | null,
): boolean {
  const isMeant = (one: { serviceId: string | null; environmentId: string }) =>
    one.serviceId === service.id && (environmentId === null || one.environmentId === environmentId);
  const instances = store.live.instances.filter((one) => isMeant(one) && one.deletedAt === null);
  if (instances.length === 0) return false;
  for (const instance of instances) platform.removeInstance(instance);
  store.commit((live) => {
    const now = new Date().toISOString();
    for (const instance of instances) instance.deletedAt = now;
    for (const volume of live.volumeInstances.filter(isMeant)) volume.serviceId = null;
    live.variables = live.variables.filter((one) => !isMeant(one));
    live.proxies = live.proxies.filter((one) => !isMeant(one));
    const isLeft = live.instances.some((one) => one.serviceId === service.id && one.deletedAt === null);
    if (!isLeft) service.deletedAt = now;
  });
  return true;
}
