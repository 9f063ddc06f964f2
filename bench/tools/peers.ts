import { type ConnectionTarget, databaseUrl } from "../../components/postgres/connection.ts";
import type { PeerPrograms } from "../../test/world/postgres/debian-peers.ts";
import type { CopyJob, Tool, ToolSettings } from "./tool.ts";

/** What others copy a database with, each set up for speed as its manual says, and with statistics at the end as ours. */
export function peerTools({ peers, jobs }: ToolSettings): Tool[] {
  const { postgresVersion, pgcopydbVersion } = peers;
  const analyze = `on_target vacuumdb --analyze-only --quiet --jobs=${jobs}`;
  const tool = (name: Tool["name"], title: string, script: string): Tool => ({
    name,
    title,
    command: (job) => ({
      script: `${prelude}\n${script}`,
      environment: { ROOT: peers.root, PATH: pathInside, ...servers(job) },
    }),
  });
  return [
    tool(
      "dump-psql",
      `pg_dump | psql ${postgresVersion}, vacuumdb --analyze-only -j ${jobs}`,
      `on_source pg_dump |
        on_target psql --no-psqlrc --quiet --output=/dev/null --set=ON_ERROR_STOP=1 &&
        ${analyze}`,
    ),
    tool(
      "dump-restore",
      `pg_dump -Fd -j ${jobs} --compress=lz4, pg_restore -j ${jobs} ${postgresVersion}, vacuumdb --analyze-only -j ${jobs}`,
      `in_folder &&
        on_source pg_dump --format=directory --compress=lz4 --jobs=${jobs} --file="$folder/copy" &&
        on_target pg_restore --exit-on-error --jobs=${jobs} --dbname="$TARGET_DATABASE" "$folder/copy" &&
        ${analyze}`,
    ),
    tool(
      "pgcopydb",
      `pgcopydb clone ${pgcopydbVersion}, ${jobs} jobs, --use-copy-binary --skip-vacuum, vacuumdb --analyze-only -j ${jobs}`,
      `in_folder &&
        chroot "$ROOT" pgcopydb clone --fail-fast --use-copy-binary --skip-vacuum --dir "$folder/work" \\
          --table-jobs ${jobs} --index-jobs ${jobs} --restore-jobs ${jobs} >&2 &&
        ${analyze}`,
    ),
  ];
}

/** `$folder` is a new folder as the programs see it; it goes with the shell. */
const prelude = `
on_source() { PGHOST="$SOURCE_HOST" PGPORT="$SOURCE_PORT" PGDATABASE="$SOURCE_DATABASE" PGUSER="$SOURCE_USER" PGPASSWORD="$SOURCE_PASSWORD" chroot "$ROOT" "$@"; }
on_target() { PGHOST="$TARGET_HOST" PGPORT="$TARGET_PORT" PGDATABASE="$TARGET_DATABASE" PGUSER="$TARGET_USER" PGPASSWORD="$TARGET_PASSWORD" chroot "$ROOT" "$@"; }
in_folder() { outside=$(mktemp -d "$ROOT/tmp/bench-XXXXXX") && trap 'rm -rf "$outside"' EXIT && folder="/tmp/\${outside##*/}"; }`;

/** The same inside of the root folder and outside, where `chroot` is. */
const pathInside = "/usr/lib/postgresql/17/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Passwords stand in the environment only, never in an argument. */
function servers({ source, target }: CopyJob): Record<string, string> {
  return {
    HOME: "/tmp",
    ...parts("SOURCE", source),
    ...parts("TARGET", target),
    PGCOPYDB_SOURCE_PGURI: databaseUrl(source),
    PGCOPYDB_TARGET_PGURI: databaseUrl(target),
  };
}

function parts(side: string, { host, port, database, user, password }: ConnectionTarget) {
  return {
    [`${side}_HOST`]: host,
    [`${side}_PORT`]: String(port),
    [`${side}_DATABASE`]: database,
    [`${side}_USER`]: user,
    [`${side}_PASSWORD`]: password,
  };
}

/** A folder that holds one program, `pg_dump`, which runs the peers' one: ours then reads the schema with the same. */
export function dumpWrapper({ root }: PeerPrograms): string {
  return `#!/bin/sh\nexec /usr/sbin/chroot '${root}' /usr/lib/postgresql/17/bin/pg_dump "$@"\n`;
}
