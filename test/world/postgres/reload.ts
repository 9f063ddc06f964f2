import { vi } from "vitest";
import { type ConnectionTarget, withConnection } from "../../../components/postgres/connection.ts";
import { patienceMs } from "../../patience.ts";

/**
 * Has a server read its configuration again, and waits until it has: `pg_reload_conf` only asks for it. A new session
 * inherits the postmaster's time of loading, which it takes before the sessions' and its hba file's turn, and it lets nobody
 * in meanwhile (`process_pm_reload_request` in PostgreSQL's postmaster.c).
 */
export async function reloadServer(connection: ConnectionTarget): Promise<void> {
  const ask = (text: string) =>
    withConnection(connection, { purpose: "world" }, async (client) => (await client.query(text)).rows[0]);
  const loadedAt = async () => (await ask("select pg_conf_load_time()::text as time")).time;
  const before = await loadedAt();
  await ask("select pg_reload_conf()");
  await vi.waitUntil(async () => (await loadedAt()) !== before, { interval: 10, timeout: patienceMs });
}
