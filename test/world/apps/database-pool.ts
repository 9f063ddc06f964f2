import pg from "pg";
import { z } from "zod";

const privateNetworkSchema = z.record(z.string(), z.object({ host: z.string(), port: z.int() }));

/** An app's connections, as an ORM would keep them. */
export interface DatabasePool {
  /** `host:port` behind the name in the URL: what a new session is tried with. */
  readonly address: string;
  /**
   * Runs `use` with a session, and with the `host:port` that the server behind it gives as its own. What failed is rolled
   * back; a session that is lost is replaced.
   */
  withSession<Result>(use: (client: pg.PoolClient, database: string) => Promise<Result>): Promise<Result>;
  end(): Promise<void>;
}

export interface PoolOptions {
  readonly databaseUrl: string;
  /**
   * JSON map from `name.railway.internal:port` to the real address: stands for the private DNS. A private name it lacks
   * cannot be connected to; a public one need not be in it.
   */
  readonly privateNetwork: string;
  readonly applicationName: string;
  readonly size: number;
  /** Instead of the account that the URL names. */
  readonly account?: { readonly user: string; readonly password: string };
}

export function openDatabasePool({
  databaseUrl,
  privateNetwork,
  applicationName,
  size,
  account,
}: PoolOptions): DatabasePool {
  // The error of `new URL` would show the password.
  if (!URL.canParse(databaseUrl)) throw new TypeError("DATABASE_URL is not a URL");
  const url = new URL(databaseUrl);
  const port = url.port === "" ? 5432 : Number(url.port);
  const resolved = privateNetworkSchema.parse(JSON.parse(privateNetwork))[`${url.hostname}:${port}`];
  const { host, port: realPort } = resolved ?? { host: url.hostname, port };
  const pool = new pg.Pool({
    host,
    port: realPort,
    database: decodeURIComponent(url.pathname.slice(1)),
    user: account?.user ?? decodeURIComponent(url.username),
    password: account?.password ?? decodeURIComponent(url.password),
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
  const addresses = new WeakMap<pg.PoolClient, string>();
  return {
    address: `${host}:${realPort}`,
    async withSession(use) {
      const client = await pool.connect();
      try {
        const database = addresses.get(client) ?? (await askAddress(client));
        addresses.set(client, database);
        const result = await use(client, database);
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

async function askAddress(client: pg.PoolClient): Promise<string> {
  const { rows } = await client.query<{ address: string }>(
    "SELECT host(inet_server_addr()) || ':' || inet_server_port() AS address",
  );
  return rows[0]?.address ?? "";
}
