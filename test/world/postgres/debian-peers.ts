import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { debianRoot, release } from "./debian-root.ts";
import type { Log } from "./installation.ts";

const run = promisify(execFile);

/** The tools that others copy a database with: PostgreSQL 17's own client programs, and pgcopydb. */
export interface PeerPrograms {
  /** The folder that they see as `/`. */
  readonly root: string;
  /** The words that a command line begins with to run one of them, whatever its own arguments are. */
  command(program: PeerProgram): readonly string[];
  /** As `pg_dump --version` says, for example `17.5`. */
  readonly postgresVersion: string;
  readonly pgcopydbVersion: string;
}

export type PeerProgram = "pg_dump" | "pg_restore" | "psql" | "vacuumdb" | "pgcopydb";

/**
 * The peers from Debian's packages, in a root folder of their own. `undefined`, with the reason in the log, where that
 * is not possible.
 *
 * @throws what the programs say where they do not run
 */
export async function debianPeers(log: Log): Promise<PeerPrograms | undefined> {
  const packages = ["postgresql-client-17", "pgcopydb"];
  const root = await debianRoot({ name: `debian-${release}-peers`, packages, what: "pgcopydb", log });
  if (root === undefined) return undefined;
  const command = (program: PeerProgram) => [
    "chroot",
    root,
    program === "pgcopydb" ? "/usr/bin/pgcopydb" : `/usr/lib/postgresql/17/bin/${program}`,
  ];
  const ask = async (program: PeerProgram, pattern: RegExp) => {
    const [file, ...args] = [...command(program), program === "pgcopydb" ? "version" : "--version"];
    const { stdout } = await run(file as string, args);
    return pattern.exec(stdout)?.[1] ?? "unknown";
  };
  return {
    root,
    command,
    postgresVersion: await ask("pg_dump", /\(PostgreSQL\) (\d+[.\d]*)/),
    pgcopydbVersion: await ask("pgcopydb", /version (\d[^\s]*)/),
  };
}
