import { randomUUID } from "node:crypto";
import type { LaggingStore } from "./lagging-store.ts";
import type { ProxyState } from "./state.ts";

/** Opens a public port to a service's application port and says which. */
export type OpenProxy = (serviceId: string, environmentId: string) => Promise<number>;

/** Adds a TCP proxy to a service. */
export async function addProxy(
  store: LaggingStore,
  openProxy: OpenProxy,
  place: Pick<ProxyState, "serviceId" | "environmentId" | "applicationPort">,
): Promise<ProxyState> {
  const proxyPort = await openProxy(place.serviceId, place.environmentId);
  const proxy = {
    id: randomUUID(),
    ...place,
    domain: "127.0.0.1",
    proxyPort,
    createdAt: new Date().toISOString(),
  };
  store.commit((live) => live.proxies.push(proxy));
  return proxy;
}
