import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { z } from "zod";
import { openDatabasePool } from "./database-pool.ts";
import { openLedger } from "./ledger.ts";
import { runWriter } from "./writer.ts";

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
    /** From one write to the next, per lane. */
    WRITE_INTERVAL_MS: z.coerce.number().positive().default(30),
  })
  .parse(process.env);

const laneCount = 2;
const stopping = new AbortController();
const ledger = openLedger(environment.WORLD_LEDGER);
const pool = openDatabasePool(
  environment.DATABASE_URL,
  environment.WORLD_PRIVATE_NETWORK,
  environment.SERVICE_NAME,
  laneCount + 1,
);

const server = createServer((request, response) => {
  const path = request.url?.split("?")[0];
  if (path === "/health" || path === "/") void answerFromDatabase(response);
  else response.writeHead(404).end();
});
server.listen(environment.PORT, "127.0.0.1");
await once(server, "listening");
process.send?.({ listening: (server.address() as AddressInfo).port });

const lanes = Array.from({ length: laneCount }, (_, lane) =>
  runWriter({
    name: `${environment.SERVICE_NAME}/${environment.DEPLOYMENT_ID}/${lane}`,
    pool,
    ledger,
    intervalMs: environment.WRITE_INTERVAL_MS,
    signal: stopping.signal,
  }),
);

process.once("SIGTERM", () => void stop());
// The platform is gone: an orphan would write for ever.
process.once("disconnect", () => process.exit(1));

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
  await pool.end();
  ledger.close();
  process.exit(0);
}
