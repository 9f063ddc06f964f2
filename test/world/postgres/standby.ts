import { execFile } from "node:child_process";
import { appendFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { withConnection } from "../../../components/postgres/connection.ts";
import type { PostgresServer } from "./server.ts";

const run = promisify(execFile);

/**
 * Makes a fresh server a hot standby that streams from another: a copy of the stopped one's files.
 *
 * @param settings lines of the standby's own configuration
 */
export async function follow(
  standby: PostgresServer,
  primary: PostgresServer,
  settings: readonly string[] = [],
): Promise<void> {
  const [from, to] = await Promise.all([primary, standby].map(dataFolder));
  await Promise.all([primary.stop(), standby.stop()]);
  await rm(to as string, { recursive: true });
  await run("cp", ["-a", from as string, to as string]);
  const { host, port, user, password } = primary;
  const own = [
    `port = ${standby.port}`,
    `primary_conninfo = 'host=${host} port=${port} user=${user} password=${password}'`,
    ...settings,
  ];
  await appendFile(join(to as string, "postgresql.conf"), own.map((line) => `${line}\n`).join(""));
  const signal = join(to as string, "standby.signal");
  await writeFile(signal, "");
  await run("chown", [`--reference=${join(to as string, "PG_VERSION")}`, signal]);
  await primary.start();
  await standby.start();
}

async function dataFolder(server: PostgresServer): Promise<string> {
  return withConnection(server.connection(), { purpose: "test" }, async (client) => {
    const { rows } = await client.query("SHOW data_directory");
    return rows[0].data_directory;
  });
}
