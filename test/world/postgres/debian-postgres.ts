import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { rootAccount as account, debianRoot, failureOf, release } from "./debian-root.ts";
import type { Installation, Log } from "./installation.ts";

const run = promisify(execFile);
const bin = "/usr/lib/postgresql/17/bin";

/**
 * PostgreSQL 17 with pgvector from Debian's packages, unpacked into a root folder of their own. `undefined`, with the
 * reason in the log, where that is not possible.
 */
export async function debianPostgres(log: Log): Promise<Installation | undefined> {
  const what = "PostgreSQL 17 with pgvector";
  // The last two are in the image as well: postgresql-common needs openssl, and coreutils is essential.
  const packages = ["postgresql-17", "postgresql-17-pgvector", "openssl", "coreutils"];
  const root = await debianRoot({ name: `debian-${release}-tools`, packages, what, log });
  if (root === undefined) return undefined;
  return installationIn(root).catch((error) => {
    log(`${what} from Debian's packages does not run (${failureOf(error)}).`);
    return undefined;
  });
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
