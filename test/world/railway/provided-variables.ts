import { findInstance, type RailwayState } from "./state.ts";

/** The `RAILWAY_*` variables that the platform itself gives a service; a user's variable of the same name is shadowed. */
export function providedVariables(
  state: RailwayState,
  { environmentId, serviceId }: { environmentId: string; serviceId: string },
): Record<string, string> {
  const instance = findInstance(state, serviceId, environmentId);
  if (instance === undefined) return {};
  const service = state.services.find((one) => one.id === serviceId);
  const environment = state.environments.find((one) => one.id === environmentId);
  const proxy = state.proxies.find(
    (one) => one.serviceId === serviceId && one.environmentId === environmentId,
  );
  const volume = state.volumeInstances.find(
    (one) => one.serviceId === serviceId && one.environmentId === environmentId && !one.isPendingDeletion,
  );
  return {
    RAILWAY_PROJECT_ID: state.project.id,
    RAILWAY_PROJECT_NAME: state.project.name,
    RAILWAY_ENVIRONMENT_ID: environmentId,
    RAILWAY_ENVIRONMENT_NAME: environment?.name ?? "",
    RAILWAY_SERVICE_ID: serviceId,
    RAILWAY_SERVICE_NAME: service?.name ?? "",
    RAILWAY_PRIVATE_DOMAIN: instance.privateDomain,
    ...(proxy === undefined
      ? {}
      : {
          RAILWAY_TCP_PROXY_DOMAIN: proxy.domain,
          RAILWAY_TCP_PROXY_PORT: String(proxy.proxyPort),
          RAILWAY_TCP_APPLICATION_PORT: String(proxy.applicationPort),
        }),
    ...(volume === undefined
      ? {}
      : { RAILWAY_VOLUME_ID: volume.volumeId, RAILWAY_VOLUME_MOUNT_PATH: volume.mountPath }),
  };
}
