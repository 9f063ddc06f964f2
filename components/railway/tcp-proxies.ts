import type { RailwayContext } from "./context.ts";
import type { EnvironmentScope } from "./environment.ts";
import * as operations from "./operations.ts";

/** The public way to one port of a service. Host and port change when it is created anew: read them, never store them. */
export interface TcpProxy {
  readonly id: string;
  readonly domain: string;
  readonly proxyPort: number;
  readonly applicationPort: number;
  readonly active: boolean;
}

/** The live TCP proxies of a service. */
export async function readTcpProxies(
  { transport }: RailwayContext,
  { environmentId }: EnvironmentScope,
  serviceId: string,
): Promise<TcpProxy[]> {
  const { tcpProxies } = await transport.request(operations.tcpProxies, { environmentId, serviceId });
  return tcpProxies
    .filter(
      ({ deletedAt, syncStatus }) => !deletedAt && syncStatus !== "DELETED" && syncStatus !== "DELETING",
    )
    .map(({ id, domain, proxyPort, applicationPort, syncStatus }) => ({
      id,
      // Seen with the trailing dot of a fully qualified name.
      domain: domain.replace(/\.$/, ""),
      proxyPort,
      applicationPort,
      active: syncStatus === "ACTIVE",
    }));
}
