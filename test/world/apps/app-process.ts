import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { z } from "zod";
import { type DatabasePool, openDatabasePool } from "./database-pool.ts";
import { openLedger } from "./ledger.ts";
import { runNumberDrawer } from "./number-drawer.ts";
import { runWriter } from "./writer.ts";
import { writerVariablesSchema } from "./writer-settings.ts";

/**
 * One deployment of an app service: answers HTTP by asking its database, and writes to it all the time. It knows its
 * database from the environment alone, and only from the moment it starts, as every container does.
 */
const environment = z
  .object({
    DATABASE_URL: z.string().min(1),
    /** 0 lets the system choose; the port is reported over the IPC channel. */
    PORT: z.coerce.number().int(),
    SERVICE_NAME: z.string().min(1),
    DEPLOYMENT_ID: z.string().min(1),
    WORLD_PRIVATE_NETWORK: z.string(),
    WORLD_LEDGER: z.string().min(1),
  })
  .parse(process.env);
const settings = writerVariablesSchema.parse(process.env);

const stopping = new AbortController();
const ledger = openLedger(environment.WORLD_LEDGER);
const ownRoleLanes = settings.lanes.filter((kind) => kind === "own-role").length;
// One session a lane, and one for requests.
const pool = openPool(settings.lanes.length - ownRoleLanes + settings.numberLanes + 1);
const rolePool = settings.role === undefined ? undefined : openPool(ownRoleLanes, settings.role);

const server = createServer((request, response) => {
  const path = request.url?.split("?")[0];
  if (path === "/health" || path === "/") void answerFromDatabase(response);
  else response.writeHead(404).end();
});
server.listen(environment.PORT, "127.0.0.1");
await once(server, "listening");
process.send?.({ listening: (server.address() as AddressInfo).port });

const common = { ledger, intervalMs: settings.intervalMs, signal: stopping.signal };
const deployment = `${environment.SERVICE_NAME}/${environment.DEPLOYMENT_ID}`;
const lanes = [
  ...settings.lanes.map((kind, lane) =>
    runWriter({
      ...common,
      name: `${deployment}/${kind}-${lane}`,
      kind,
      pool: kind === "own-role" && rolePool !== undefined ? rolePool : pool,
      holdMs: settings.holdMs,
    }),
  ),
  ...Array.from({ length: settings.numberLanes }, (_, lane) =>
    runNumberDrawer({ ...common, name: `${deployment}/numbers-${lane}`, pool }),
  ),
];

process.once("SIGTERM", () => void stop());
// The platform is gone: an orphan would write for ever.
process.once("disconnect", () => process.exit(1));

function openPool(size: number, account?: { user: string; password: string }): DatabasePool {
  return openDatabasePool({
    databaseUrl: environment.DATABASE_URL,
    privateNetwork: environment.WORLD_PRIVATE_NETWORK,
    applicationName: environment.SERVICE_NAME,
    size,
    ...(account === undefined ? {} : { account }),
  });
}

/** 200 when the database answers about the app's own table, 503 otherwise. */
async function answerFromDatabase(response: ServerResponse): Promise<void> {
  const status = await pool
    .withSession((session) => session.query(`SELECT FROM public."WriterProgress" LIMIT 1`))
    .then(
      () => 200,
      () => 503,
    );
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify({ service: environment.SERVICE_NAME, healthy: status === 200 }));
}

/** Takes no more requests, finishes the writes that are under way, and ends. */
async function stop(): Promise<void> {
  server.close();
  stopping.abort();
  await Promise.all(lanes);
  await Promise.all([pool.end(), rolePool?.end()]);
  ledger.close();
  process.exit(0);
}
