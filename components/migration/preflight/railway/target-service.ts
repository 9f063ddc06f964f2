import type { ConnectionTarget } from "../../../postgres/connection.ts";
import { parseDatabaseUrl } from "../../../postgres/connection.ts";
import type { RailwayService } from "../../../railway/railway.ts";
import type { Finding } from "../../finding.ts";
import { isPrivateHost } from "../../transport.ts";
import type { ServerFacts } from "../database/server.ts";
import { findingsOf } from "../definitions.ts";
import { attempt } from "../problems.ts";

export const targetServiceDefinitions = {
  TARGET_URL_PUBLIC: {
    severity: "blocker",
    acceptable: false,
    remedy:
      "Set the target's DATABASE_URL to its private address (`${{RAILWAY_PRIVATE_DOMAIN}}:5432`), and deploy nothing for it.",
  },
  TARGET_URL_DIFFERS: {
    severity: "blocker",
    acceptable: false,
    remedy:
      "Make the target's DATABASE_URL name the same database, user and password as the URL that the cutover connects with.",
  },
  VOLUME_MISSING: {
    severity: "blocker",
    acceptable: true,
    remedy: "Attach a volume at PGDATA to the target: without one its data is gone at the next deployment.",
  },
  VOLUME_NOT_AT_PGDATA: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Mount the volume where PGDATA is (the images of PostgreSQL 18 moved it), before any data is on it.",
  },
  VOLUME_NOT_READY: {
    severity: "blocker",
    acceptable: false,
    remedy: "Wait until Railway has finished its work on the volume.",
  },
  SHARED_MEMORY_SMALLER: {
    severity: "warning",
    acceptable: false,
    remedy: "Set RAILWAY_SHM_SIZE_BYTES on the target as on the source, and deploy it before the cutover.",
  },
  DISK_SPACE: {
    severity: "blocker",
    acceptable: true,
    remedy: "Grow the target's volume on Railway.",
  },
} as const;

const found = findingsOf(targetServiceDefinitions);

/** Copied data, its index builds and the write-ahead log of both need about a third more than the source's size. */
const spaceFactor = 1.3;

/** Checks the URL that every service will get, as far as text tells. */
export async function checkTargetUrl(
  rendered: ReadonlyMap<string, string | null>,
  findings: Finding[],
): Promise<ConnectionTarget | undefined> {
  const url = await attempt(findings, "target DATABASE_URL", async () =>
    parseDatabaseUrl("target", rendered.get("DATABASE_URL") ?? "", "off"),
  );
  if (url !== undefined && !isPrivateHost(url.host)) {
    findings.push(
      found(
        "TARGET_URL_PUBLIC",
        "target DATABASE_URL",
        "It names a host outside of Railway's private network: every query of the applications would cross the public internet.",
      ),
    );
  }
  return url;
}

/** Compares the URL that the services will get with the server that the cutover has checked. */
export function compareTargetUrl(
  url: ConnectionTarget,
  connection: ConnectionTarget,
  server: ServerFacts,
): Finding[] {
  const differing = [
    ...(url.database === server.database ? [] : ["database"]),
    ...(url.user === connection.user ? [] : ["user"]),
    ...(url.password === connection.password ? [] : ["password"]),
  ];
  if (differing.length === 0) return [];
  return [
    found(
      "TARGET_URL_DIFFERS",
      "target DATABASE_URL",
      `Its ${differing.join(" and ")} differ from those of the connection that was checked.`,
    ),
  ];
}

export function checkTargetVolume(
  service: RailwayService,
  rendered: ReadonlyMap<string, string | null>,
  dataFolderOfServer: string | null | undefined,
  sourceSizeBytes: number | undefined,
): Finding[] {
  const { volume } = service;
  if (volume === null) return [found("VOLUME_MISSING", "target", "The target service has no volume.")];
  const findings: Finding[] = [];
  if (volume.state !== null && volume.state !== "READY") {
    findings.push(found("VOLUME_NOT_READY", "target", `Its volume is ${volume.state}.`));
  }
  // Without the variable the image decides, and images differ: those of PostgreSQL 18 moved it.
  const dataFolder = rendered.get("PGDATA") ?? dataFolderOfServer;
  const mountPath = volume.mountPath.replace(/\/+$/, "");
  if (dataFolder && dataFolder !== mountPath && !dataFolder.startsWith(`${mountPath}/`)) {
    findings.push(
      found(
        "VOLUME_NOT_AT_PGDATA",
        "target",
        `Its volume is mounted at ${mountPath}, and its data is at ${dataFolder}.`,
      ),
    );
  }
  if (sourceSizeBytes === undefined) return findings;
  const freeBytes = (volume.sizeMB - volume.currentSizeMB) * 1_000_000;
  if (freeBytes < sourceSizeBytes * spaceFactor) {
    const needed = Math.ceil((sourceSizeBytes * spaceFactor) / 1_000_000);
    findings.push(
      found(
        "DISK_SPACE",
        "target",
        `Its volume has ${Math.floor(freeBytes / 1_000_000)} MB free, and about ${needed} MB are needed.`,
      ),
    );
  }
  return findings;
}

/** Parallel queries need shared memory: a container has 64 MB unless this variable says otherwise. */
export function compareSharedMemory(
  source: ReadonlyMap<string, string | null>,
  target: ReadonlyMap<string, string | null>,
): Finding[] {
  const [before, after] = [source, target].map((rendered) =>
    Number(rendered.get("RAILWAY_SHM_SIZE_BYTES") || defaultSharedMemoryBytes),
  ) as [number, number];
  if (!(before > after)) return [];
  return [
    found(
      "SHARED_MEMORY_SMALLER",
      "target",
      `The source's container has ${megabytes(before)} MB of shared memory, the target's ${megabytes(after)} MB: a query that ran in parallel there could fail here.`,
    ),
  ];
}

const defaultSharedMemoryBytes = 64 * 2 ** 20;

function megabytes(bytes: number): number {
  return Math.floor(bytes / 2 ** 20);
}
