import { randomBytes } from "node:crypto";
import { withConnection } from "../../../components/postgres/connection.ts";
import { quoteIdentifier, quoteLiteral } from "../../../components/postgres/identifiers.ts";
import { defaultDatabase } from "../../world/postgres/server.ts";
import { quickPace } from "../../world/railway/pace.ts";
import type { SimulatorOptions } from "../../world/railway/simulator.ts";
import { type Servers, startServers, startWorld, type World } from "../../world/world.ts";
import type { Side } from "../crash-table.ts";
import { startWireProxy, type WireProxy } from "../wire-proxy.ts";
import { createSmallDisk, type SmallDisk } from "./small-disk.ts";

const sides = ["source", "target"] as const;
const template = "soak_template";
/** Who the services log in as; a superuser as on Railway, but not the one the soak itself works as. */
const account = "clinic";

/**
 * Two servers that outlive many worlds: each life begins with both databases as copies of a template, and a Railway and
 * services of its own.
 */
export class Arena {
  readonly servers: Servers;
  readonly proxies: Readonly<Record<Side, WireProxy>>;
  /** `undefined` where this machine lets nobody mount a file system. */
  readonly disk: SmallDisk | undefined;
  readonly passwords: Record<Side, string> = { source: "", target: "" };
  /** Every password the account ever had: none may be printed. */
  readonly secrets: string[] = [];
  readonly #end: Array<() => Promise<void>>;

  private constructor(
    servers: Servers,
    proxies: Record<Side, WireProxy>,
    disk: SmallDisk | undefined,
    end: Array<() => Promise<void>>,
  ) {
    this.servers = servers;
    this.proxies = proxies;
    this.disk = disk;
    this.#end = end;
  }

  static async start(log: (line: string) => void): Promise<Arena> {
    const end: Array<() => Promise<void>> = [];
    try {
      const servers = await startServers({ rows: 600, log }, end);
      const proxies = {
        source: await startWireProxy(servers.source),
        target: await startWireProxy(servers.target),
      };
      end.push(...sides.map((side) => () => proxies[side].close()));
      for (const side of sides) {
        await administrate(servers[side], [
          `CREATE DATABASE ${template} TEMPLATE ${defaultDatabase} STRATEGY FILE_COPY`,
          `CREATE ROLE ${account} SUPERUSER LOGIN`,
        ]);
      }
      const disk = await createSmallDisk(servers.target, log);
      if (disk !== undefined) end.push(() => disk.remove());
      return new Arena(servers, proxies, disk, end);
    } catch (error) {
      for (const step of end.reverse()) await step().catch(() => {});
      throw error;
    }
  }

  /** A new world on both databases as they were at the beginning. */
  async begin(
    options: Pick<SimulatorOptions, "intercept"> & { readonly straightJobs?: number },
  ): Promise<World> {
    for (const side of sides) {
      this.proxies[side].intercept(undefined);
      await this.#reset(side);
    }
    return startWorld({
      servers: this.servers,
      proxyPorts: { source: this.proxies.source.port, target: this.proxies.target.port },
      accounts: {
        source: { user: account, password: this.passwords.source },
        target: { user: account, password: this.passwords.target },
      },
      pace: { ...quickPace, readLagMs: [0, 150], crashAfterMs: 400 },
      ...options,
    });
  }

  /** Gives the account another password on the server, as somebody does who rotates it. */
  async rotatePassword(side: Side): Promise<string> {
    const password = `Soak-${randomBytes(9).toString("hex")}`;
    this.passwords[side] = password;
    this.secrets.push(password);
    await administrate(this.servers[side], [`ALTER ROLE ${account} PASSWORD ${quoteLiteral(password)}`]);
    return password;
  }

  async dispose(): Promise<void> {
    for (const step of this.#end.reverse()) await step().catch(() => {});
  }

  async #reset(side: Side): Promise<void> {
    const onDisk = side === "target" && this.disk !== undefined ? ` TABLESPACE ${this.disk.tablespace}` : "";
    await administrate(this.servers[side], [
      `DROP DATABASE IF EXISTS ${defaultDatabase} WITH (FORCE)`,
      `CREATE DATABASE ${defaultDatabase} TEMPLATE ${template} STRATEGY FILE_COPY${onDisk}`,
    ]);
    await this.rotatePassword(side);
    await dropHookRoles(this.servers[side]);
  }
}

async function administrate(server: Servers[Side], statements: readonly string[]): Promise<void> {
  await withConnection(server.connection("postgres"), { purpose: "world" }, async (client) => {
    for (const statement of statements) await client.query(statement);
  });
}

async function dropHookRoles(server: Servers[Side]): Promise<void> {
  await withConnection(server.connection("postgres"), { purpose: "world" }, async (client) => {
    const { rows } = await client.query(
      "SELECT rolname AS role FROM pg_roles WHERE starts_with(rolname, 'pgvector_cutover')",
    );
    for (const { role } of rows) await client.query(`DROP ROLE ${quoteIdentifier(role)}`);
  });
}
