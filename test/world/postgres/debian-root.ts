import { execFile } from "node:child_process";
import { access, chmod, mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join, sep } from "node:path";
import { promisify } from "node:util";
import { configuredMirrors } from "./apt-sources.ts";
import { cacheFolder } from "./cache-folder.ts";
import type { Log } from "./installation.ts";

const run = promisify(execFile);

/** Debian's release that everything is taken from. */
export const release = "trixie";

/** `nobody` has this number on every Debian (base-passwd); a root folder's own /etc/passwd names no other. */
export const rootAccount = { uid: 65_534, gid: 65_534 };

export interface DebianRootOptions {
  /** The folder's name in the cache: another one for other packages. */
  readonly name: string;
  readonly packages: readonly string[];
  /** What it is for, in messages: `PostgreSQL 17 with pgvector`. */
  readonly what: string;
  readonly log: Log;
}

/**
 * A root folder with Debian's packages unpacked, for programs run through chroot. It is made once and kept in the cache.
 * `undefined`, with the reason in the log, where that is not possible: it takes Debian, and root for chroot.
 */
export async function debianRoot(options: DebianRootOptions): Promise<string | undefined> {
  const { what, log } = options;
  if (process.platform !== "linux" || process.getuid?.() !== 0) {
    log(`${what} from Debian's packages needs Debian and root.`);
    return undefined;
  }
  try {
    return await cachedRoot(options);
  } catch (error) {
    // apt's own messages name the machine's mirror: they stay out of the log.
    log(`${what} could not be unpacked from Debian's packages (${failureOf(error)}).`);
    return undefined;
  }
}

/** The finished root folder. Two processes may make it at once: each in a folder of its own, and the first one's stays. */
async function cachedRoot({ name, packages, what, log }: DebianRootOptions): Promise<string | undefined> {
  const cache = cacheFolder();
  const root = join(cache, `${name}-${process.arch}`);
  if (await exists(root)) return root;
  const mirrors = await configuredMirrors();
  if (mirrors.length === 0 || !(await exists("/usr/bin/apt-get"))) {
    log("No Debian package source is configured on this machine.");
    return undefined;
  }
  await mkdir(cache, { recursive: true });
  await removeAbandoned(cache);
  const workFolder = await mkdtemp(join(cache, `building-${process.pid}-`));
  try {
    log(`Getting ${what} from Debian ${release}, once (up to 100 MB) …`);
    const archives = await download(workFolder, mirrors, packages);
    const unpacked = join(workFolder, "root");
    await unpack(archives, unpacked);
    await furnish(unpacked);
    await rename(unpacked, root).catch(async (error) => {
      if (!(await exists(root))) throw error;
    });
    log(`${what} is ready.`);
  } finally {
    await rm(workFolder, { recursive: true, force: true });
  }
  return root;
}

/** apt with a package list of its own: it honours the machine's proxies and keys, and leaves the machine's lists alone. */
async function download(
  workFolder: string,
  mirrors: readonly string[],
  packages: readonly string[],
): Promise<string[]> {
  const at = (name: string) => join(workFolder, name);
  const archives = at("cache/archives");
  await mkdir(at("lists/partial"), { recursive: true });
  await mkdir(join(archives, "partial"), { recursive: true });
  await writeFile(at("status"), "");
  const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
  const source = ["Types: deb", `URIs: ${mirrors.join(" ")}`, `Suites: ${release}`, "Components: main"];
  if (await exists(keyring)) source.push(`Signed-By: ${keyring}`);
  await writeFile(at("debian.sources"), `${source.join("\n")}\n`);
  const options = {
    "Dir::State::Lists": at("lists"),
    "Dir::State::status": at("status"),
    "Dir::Cache": at("cache"),
    "Dir::Etc::sourcelist": at("debian.sources"),
    "Dir::Etc::sourceparts": "/dev/null",
    "Dir::Etc::preferences": "/dev/null",
    "Dir::Etc::preferencesparts": "/dev/null",
    "APT::Sandbox::User": "root",
    "APT::Get::Assume-Yes": "true",
    "APT::Install-Recommends": "false",
    "Acquire::Languages": "none",
    "Acquire::Retries": "3",
  };
  const apt = ["-q", ...Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`])];
  await run("apt-get", [...apt, "update"]);
  // base-files has the links /bin and /lib; initdb runs the server through /bin/sh.
  await run("apt-get", [...apt, "install", "--download-only", "base-files", "dash", ...packages]);
  const names = (await readdir(archives)).filter((name) => name.endsWith(".deb"));
  return names.map((name) => join(archives, name));
}

/** Packages that the server's dependencies name but its processes never open: JIT compilation and Perl, 300 MB. */
const unneeded = /^(libllvm|libz3|perl|libperl|locales_|libc-l10n|postgresql-common|procps)/;

async function unpack(packages: readonly string[], root: string): Promise<void> {
  await mkdir(root);
  await chmod(root, 0o755);
  const isBase = (path: string) => nameOf(path).startsWith("base-files_");
  const needed = packages.filter((path) => !unneeded.test(nameOf(path)));
  // base-files first: its links decide where the other packages' files land.
  for (const path of [...needed.filter(isBase), ...needed.filter((path) => !isBase(path))]) {
    await run("dpkg-deb", ["--extract", path, root]);
  }
}

async function furnish(root: string): Promise<void> {
  for (const folder of ["tmp", "world", "dev", "etc"]) await mkdir(join(root, folder), { recursive: true });
  await chmod(join(root, "tmp"), 0o1777);
  await writeFile(
    join(root, "etc/passwd"),
    `nobody:x:${rootAccount.uid}:${rootAccount.gid}::/nonexistent:/bin/false\n`,
  );
  for (const folder of ["usr/share/doc", "usr/share/man", "usr/share/locale"]) {
    await rm(join(root, folder), { recursive: true, force: true });
  }
  const nothing = join(root, "dev/null");
  await run("mknod", ["-m", "666", nothing, "c", "1", "3"]).catch(() => {});
  // Where device files cannot be made or opened (some containers), a plain file does: nothing reads it.
  if (
    !(await writeFile(nothing, "")
      .then(() => true)
      .catch(() => false))
  ) {
    await rm(nothing, { force: true });
    await writeFile(nothing, "");
    await chmod(nothing, 0o666);
  }
}

/** Removes what a process left behind that was killed while it built. */
async function removeAbandoned(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    const builder = /^building-(\d+)-/.exec(name)?.[1];
    if (builder !== undefined && !(await exists(`/proc/${builder}`))) {
      await rm(join(cache, name), { recursive: true, force: true });
    }
  }
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf(sep) + 1);
}

/** What a failed program was called and how it ended, without its messages. */
export function failureOf(error: unknown): string {
  const { code, cmd } = error as { code?: number | string; cmd?: string };
  return cmd === undefined ? String(code ?? "unexpected failure") : `${cmd.split(" ")[0]} ended with ${code}`;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
