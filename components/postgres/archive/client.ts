import { access, constants } from "node:fs/promises";
import path from "node:path";
import { CutoverError } from "../../errors.ts";
import { findInstalledClients } from "../dump/installed.ts";

/** A pg_dump and the programs that came with it. */
export interface ArchiveClient {
  readonly dumpPath: string;
  readonly restorePath: string;
  readonly psqlPath: string;
  readonly version: string;
}

/**
 * The oldest installed client that can read the server: an archive is best restored by the major version that it is from.
 * The WebAssembly pg_dump would hold the whole archive in memory, and there is no such pg_restore.
 *
 * @throws CutoverError `ARCHIVE_CLIENT_MISSING`
 */
export async function findArchiveClient(serverMajor: number): Promise<ArchiveClient> {
  const fitting = (await findInstalledClients()).filter(
    ({ major, version }) => major >= serverMajor && keepsToRestrictedScripts(version),
  );
  for (const { path: dumpPath, version } of fitting.toSorted((a, b) => a.major - b.major)) {
    const [restorePath, psqlPath] = ["pg_restore", "psql"].map((program) =>
      path.join(path.dirname(dumpPath), program),
    ) as [string, string];
    if ((await isExecutable(restorePath)) && (await isExecutable(psqlPath)))
      return { dumpPath, restorePath, psqlPath, version };
  }
  throw new CutoverError({
    code: "ARCHIVE_CLIENT_MISSING",
    message: `The final backup needs pg_dump, pg_restore and psql of PostgreSQL ${serverMajor} or newer on this machine, with the fixes of August 2025; there are none. Nothing was changed.`,
    remedy: `Install the PostgreSQL ${serverMajor} client programs (Debian: postgresql-client-${serverMajor}), or make a backup of your own and name it (removal.finalBackup.to: own).`,
  });
}

/**
 * Whether its scripts begin with `\restrict`, and its psql then takes no command from what it is given: a name in the
 * database could be one, and would run on this machine (CVE-2025-8714; the releases that mend it).
 */
export function keepsToRestrictedScripts(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map((part) => Number.parseInt(part, 10));
  const firstMended: Readonly<Record<number, number>> = { 13: 22, 14: 19, 15: 14, 16: 10, 17: 6 };
  return major >= 18 || minor >= (firstMended[major] ?? Number.POSITIVE_INFINITY);
}

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}
