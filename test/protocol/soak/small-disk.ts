import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chown, mkdir, open, rm, rmdir, stat, statfs } from "node:fs/promises";
import { promisify } from "node:util";
import { withConnection } from "../../../components/postgres/connection.ts";
import type { PostgresServer } from "../../world/postgres/server.ts";

const run = promisify(execFile);

/** A file system of its own under a tablespace of the server, so that it can be filled to the brim. */
export interface SmallDisk {
  readonly tablespace: string;
  fill(): Promise<void>;
  free(): Promise<void>;
  remove(): Promise<void>;
}

/** `undefined`, with the reason in the log, where nothing can be mounted (no root, some containers). */
export async function createSmallDisk(
  server: PostgresServer,
  log: (line: string) => void,
): Promise<SmallDisk | undefined> {
  const tablespace = `small_${randomBytes(4).toString("hex")}`;
  try {
    const { inside, outside } = await placeFor(server, tablespace);
    await mkdir(outside, { recursive: true });
    await run("mount", ["-t", "tmpfs", "-o", "size=160m", "tmpfs", outside]);
    const unmount = () => run("umount", ["--lazy", outside]).catch(() => {});
    try {
      const { uid, gid } = await stat(`${outside}/..`);
      await chown(outside, uid, gid);
      await withConnection(server.connection("postgres"), { purpose: "world" }, (client) =>
        client.query(`CREATE TABLESPACE ${tablespace} LOCATION '${inside}'`),
      );
    } catch (error) {
      await unmount();
      throw error;
    }
    const ballast = `${outside}/ballast`;
    return {
      tablespace,
      async fill() {
        const { bavail, bsize } = await statfs(outside);
        const file = await open(ballast, "w");
        await file.write(Buffer.alloc(Math.max(0, (bavail - 16) * bsize)));
        await file.close();
      },
      free: () => rm(ballast, { force: true }),
      async remove() {
        await unmount();
        await rmdir(outside).catch(() => {});
      },
    };
  } catch (error) {
    log(
      `no small disk for the target (${error instanceof Error ? error.message.split("\n")[0] : "unknown"})`,
    );
    return undefined;
  }
}

/** Beside the data folder: where the server's processes see it, and where this one does, since they may be in a chroot. */
async function placeFor(server: PostgresServer, name: string): Promise<{ inside: string; outside: string }> {
  return withConnection(server.connection("postgres"), { purpose: "world" }, async (client) => {
    const { rows } = await client.query(
      "SELECT current_setting('data_directory') AS data, pg_backend_pid() AS pid",
    );
    const inside = `${rows[0].data.replace(/\/[^/]+$/, "")}/${name}`;
    const { stdout } = await run("readlink", [`/proc/${rows[0].pid}/root`]);
    return { inside, outside: `${stdout.trim().replace(/\/$/, "")}${inside}` };
  });
}
