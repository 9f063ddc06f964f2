import pg from "pg";
import { z } from "zod";

const privateNetworkSchema = z.record(z.string(), z.object({ host: z.string(), port: z.int() }));

/** An app's connections, as an ORM would keep them. */
export interface DatabasePool {
  /** `host:port` behind the private name. */
  readonly address: string;
  readonly size: number;
  /** Runs `use` with a session. What failed is rolled back; a session that is lost is replaced. */
  withSession<Result>(use: (client: pg.PoolClient) => Promise<Result>): Promise<Result>;
  end(): Promise<void>;
}

/**
 * Opens a pool for a `DATABASE_URL`.
 *
 * @param privateNetwork JSON map from `name.railway.internal:port` to the real address: stands for the private DNS.
 *   A name it lacks cannot be connected to.
 */
export function openDatabasePool(
  databaseUrl: string,
  privateNetwork: string,
  applicationName: string,
  size: number,
): DatabasePool {
  // The error of `new URL` would show the password.
  if (!URL.canParse(databaseUrl)) throw new TypeError("DATABASE_URL is not a URL");
  const url = new URL(databaseUrl);
  const port = url.port === "" ? 5432 : Number(url.port);
  const resolved = privateNetworkSchema.parse(JSON.parse(privateNetwork))[`${url.hostname}:${port}`];
  const address = resolved ?? { host: url.hostname, port };
  const pool = new pg.Pool({
    ...address,
    database: decodeURIComponent(url.pathname.slice(1)),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    application_name: applicationName,
    max: size,
    min: size,
    idleTimeoutMillis: 0,
    connectionTimeoutMillis: 3_000,
    keepAlive: true,
  });
  // A session that the server ends, idle or in use, emits an error of its own, and without a listener ends the process.
  // The query on it fails as well, and the pool replaces it.
  pool.on("error", () => {});
  pool.on("connect", (client) => client.on("error", () => {}));
  return {
    address: `${address.host}:${address.port}`,
    size,
    async withSession(use) {
      const client = await pool.connect();
      try {
        const result = await use(client);
        client.release();
        return result;
      } catch (error) {
        const isUsable = await client.query("ROLLBACK").then(
          () => true,
          () => false,
        );
        client.release(!isUsable);
        throw error;
      }
    },
    end: () => pool.end(),
  };
}
