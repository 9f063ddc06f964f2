import type { ConnectionTarget } from "../../postgres/connection.ts";
import type { RailwayService, TcpProxy } from "../../railway/railway.ts";
import { observeTarget } from "../decide/observe.ts";
import { standOfTarget } from "../decide/stand.ts";
import { readServer } from "./baseline.ts";
import type { DriftBaseline } from "./baseline-schema.ts";
import { type DriftCode, type DriftItem, drifted } from "./item.ts";
import type { Authors } from "./who.ts";

const resource = "target";

type Facts = DriftBaseline["newDatabase"];

/** Image, volume, server and extension of the new database, as they were left and as they are; and whether it takes writes. */
export async function readNewDatabaseDrift(
  authors: Authors,
  target: { readonly service: RailwayService; readonly connection: ConnectionTarget },
  schemas: readonly string[],
  baseline: DriftBaseline | undefined,
): Promise<DriftItem[]> {
  const { service, connection } = target;
  const now: Facts = {
    image: service.image,
    volumeId: service.volume?.id ?? null,
    volumeMountPath: service.volume?.mountPath ?? null,
    ...(await readServer(connection)),
  };
  const changed = baseline === undefined ? [] : compareFacts(baseline.newDatabase, now);
  return [
    ...(await Promise.all(changed.map(async (item) => ({ ...item, who: await authors.editor(service.id) })))),
    ...(standOfTarget(await observeTarget({ connection }, schemas)) === "fenced"
      ? [
          drifted("NEW_DATABASE_FENCED", {
            ...{ resource, object: service.name, was: "open to writers", is: "its fence refuses writes" },
          }),
        ]
      : []),
  ];
}

/** What of a database service is not as it was. Pure. */
export function compareFacts(was: Facts, is: Facts): DriftItem[] {
  const parts: ReadonlyArray<[DriftCode, string, keyof Facts]> = [
    ["IMAGE_CHANGED", "image", "image"],
    ["IMAGE_CHANGED", "PostgreSQL's major version", "serverMajor"],
    ["VOLUME_CHANGED", "volume", "volumeId"],
    ["VOLUME_CHANGED", "volume's mount path", "volumeMountPath"],
    ["EXTENSION_CHANGED", "extension vector", "vectorVersion"],
  ];
  return parts
    .filter(([, , fact]) => was[fact] !== is[fact])
    .map(([code, object, fact]) =>
      drifted(code, { resource, object, was: describe(was[fact]), is: describe(is[fact]) }),
    );
}

/** Proxies that were not open when the baseline was recorded. A closed one is nobody's way in. Pure. */
export function compareProxies(
  owner: string,
  service: string,
  proxies: readonly TcpProxy[],
  baseline: DriftBaseline,
): DriftItem[] {
  return proxies
    .filter(({ id }) => !baseline.tcpProxies.includes(id))
    .map(({ domain, proxyPort, applicationPort }) =>
      drifted("TCP_PROXY_OPENED", {
        ...{ resource: owner, object: service, was: "no such way in" },
        is: `${domain}:${proxyPort} leads to port ${applicationPort}`,
      }),
    );
}

function describe(value: string | number | null): string {
  return value === null ? "none" : String(value);
}
