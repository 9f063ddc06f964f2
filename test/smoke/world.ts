import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { withConnection } from "../../components/postgres/connection.ts";
import { quoteLiteral } from "../../components/postgres/identifiers.ts";
import { type PostgresServer, startServer } from "../world/postgres/server.ts";
import { quickPace } from "../world/railway/pace.ts";
import { type Simulator, type SimulatorOptions, startSimulator } from "../world/railway/simulator.ts";
import type { WorldModel } from "../world/railway/world-model.ts";
import { smokeSchemaSdl } from "./schema.ts";

/** A workspace with projects of other people, and room for one of ours that truly runs. */
export interface SmokeWorld extends AsyncDisposable {
  readonly simulator: Simulator;
  readonly workspaceId: string;
}

export interface SmokeWorldOptions extends Partial<Pick<SimulatorOptions, "pace" | "quirks" | "intercept">> {
  readonly otherProjects?: NonNullable<WorldModel["otherProjects"]>;
}

export async function startSmokeWorld(options: SmokeWorldOptions = {}): Promise<SmokeWorld> {
  const folder = await mkdtemp(path.join(tmpdir(), "smoke-world-"));
  const servers: PostgresServer[] = [];
  const world: WorldModel = {
    workspaceId: randomUUID(),
    project: { id: randomUUID(), name: "nothing yet" },
    environments: [],
    services: [],
    otherProjects: options.otherProjects ?? [{ id: randomUUID(), name: "DOCTORES-SEO-PACIENTE-MGMT" }],
    ledgerFolder: folder,
    createDatabaseServer: async ({ image, variables }) => {
      const server = await startServer({ role: image.includes("postgres-ssl") ? "source" : "target" });
      servers.push(server);
      const password = quoteLiteral(variables.POSTGRES_PASSWORD ?? "");
      await withConnection(server.connection(), { purpose: "world" }, (client) =>
        client.query(`ALTER ROLE postgres PASSWORD ${password}`),
      );
      return server;
    },
    programOf: ({ image, startCommand }) =>
      image === null || startCommand === null || !startCommand.includes("SMOKE_PROGRAM")
        ? undefined
        : [
            "/usr/bin/env",
            `START_COMMAND=${startCommand}`,
            process.execPath,
            path.join(import.meta.dirname, "../world/apps/image-process.ts"),
          ],
  };
  const simulator = await startSimulator({
    schemaSdl: smokeSchemaSdl,
    world,
    pace: { ...quickPace, ...options.pace },
    ...(options.quirks === undefined ? {} : { quirks: options.quirks }),
    ...(options.intercept === undefined ? {} : { intercept: options.intercept }),
  });
  return {
    simulator,
    workspaceId: world.workspaceId,
    async [Symbol.asyncDispose]() {
      await simulator.stop();
      await Promise.all(servers.map((server) => server.dispose()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}
