import { execFile } from "node:child_process";
import { access, chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join, sep } from "node:path";
import { promisify } from "node:util";
import { configuredMirrors } from "./apt-sources.ts";
import { cacheFolder } from "./cache-folder.ts";
import type { Installation, Log } from "./installation.ts";

const run = promisify(execFile);
const release = "trixie";
const bin = "/usr/lib/postgresql/17/bin";

/** `nobody` has this number on every Debian (base-passwd); the root folder's own /etc/passwd names no other. */
const account = { uid: 65_534, gid: 65_534 };

/**
 * PostgreSQL 17 with pgvector from Debian's packages, unpacked into a root folder of their own that is made once and
 * kept in the cache. `undefined`, with the reason in the log, where that is not possible: it takes Debian, and root for
 * chroot.
 */
export async function debianPostgres(log: Log): Promise<Installation | undefined> {
  if (process.platform !== "linux" || process.getuid?.() !== 0) {
    log("PostgreSQL with pgvector from Debian's packages needs Debian and root.");
    return undefined;
  }
  try {
    const root = await cachedRoot(log);
    return root === undefined ? undefined : await installationIn(root);
  } catch (error) {
    // apt's own messages name the machine's mirror: they stay out of the log.
    log(`PostgreSQL with pgvector could not be unpacked from Debian's packages (${failureOf(error)}).`);
    return undefined;
  }
}

async function installationIn(root: string): Promise<Installation> {
  const command: Installation["command"] = (program, args) => ({
    file: "chroot",
    args: [`--userspec=${account.uid}:${account.gid}`, root, `${bin}/${program}`, ...args],
    options: {},
  });
  const ask = command("postgres", ["--version"], root);
  // Fails where root may not use chroot (some containers).
  const { stdout } = await run(ask.file, [...ask.args]);
  const version = /\(PostgreSQL\) (\d+[.\d]*)/.exec(stdout)?.[1] ?? "17";
  const control = await readFile(join(root, "usr/share/postgresql/17/extension/vector.control"), "utf8");
  const pgvector = /default_version = '([^']+)'/.exec(control)?.[1];
  return {
    version,
    majorVersion: 17,
    hasPgvector: true,
    origin: `PostgreSQL ${version} + pgvector ${pgvector} from Debian ${release} (cached)`,
    dataParent: join(root, "world"),
    account,
    // The root folder has no /dev/shm of its own.
    settings: { dynamic_shared_memory_type: "mmap", jit: "off" },
    pathInside: (path) => path.slice(root.length),
    command,
  };
}

/** The finished root folder. Two processes may make it at once: each in a folder of its own, and the first one's stays. */
async function cachedRoot(log: Log): Promise<string | undefined> {
  const cache = cacheFolder();
  const root = join(cache, `debian-${release}-${process.arch}`);
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
    log(`Getting PostgreSQL 17 with pgvector from Debian ${release}, once (about 100 MB) …`);
    const packages = await download(workFolder, mirrors);
    const unpacked = join(workFolder, "root");
    await unpack(packages, unpacked);
    await furnish(unpacked);
    await rename(unpacked, root).catch(async (error) => {
      if (!(await exists(root))) throw error;
    });
    log("PostgreSQL 17 with pgvector is ready.");
  } finally {
    await rm(workFolder, { recursive: true, force: true });
  }
  return root;
}

/** apt with a package list of its own: it honours the machine's proxies and keys, and leaves the machine's lists alone. */
async function download(workFolder: string, mirrors: readonly string[]): Promise<string[]> {
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
  const wanted = ["base-files", "dash", "postgresql-17", "postgresql-17-pgvector"];
  await run("apt-get", [...apt, "install", "--download-only", ...wanted]);
  const names = (await readdir(archives)).filter((name) => name.endsWith(".deb"));
  return names.map((name) => join(archives, name));
}

/** Packages that the server's dependencies name but its processes never open: JIT compilation and Perl, 300 MB. */
const unneeded = /^(libllvm|libz3|perl|libperl|locales_|libc-l10n|postgresql-common|procps|openssl_)/;

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
    `nobody:x:${account.uid}:${account.gid}::/nonexistent:/bin/false\n`,
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

function failureOf(error: unknown): string {
  const { code, cmd } = error as { code?: number | string; cmd?: string };
  return cmd === undefined ? String(code ?? "unexpected failure") : `${cmd.split(" ")[0]} ended with ${code}`;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
