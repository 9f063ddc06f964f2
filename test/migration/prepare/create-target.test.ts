import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { resolveDatabase } from "../../../components/migration/decide/resolve.ts";
import { createTarget } from "../../../components/migration/prepare/create-target.ts";
import { withConnection } from "../../../components/postgres/connection.ts";
import { createRailway, type Railway } from "../../../components/railway/railway.ts";
import { createRailwayToken } from "../../../components/railway/token.ts";
import { migrationInputs, parseSettings } from "../../../components/settings.ts";
import { type PostgresServer, startServer } from "../../world/postgres/server.ts";
import { sharedServers } from "../../world/postgres/shared.ts";
import { buildHealthcareWorld } from "../../world/railway/healthcare-world.ts";
import { quickPace } from "../../world/railway/pace.ts";
import { type Simulator, startSimulator } from "../../world/railway/simulator.ts";
import { schemaSdl } from "../../world/railway/test-world.ts";

const reporter = { step: () => {}, detail: () => {} };

describe("creating the target service", () => {
  let simulator: Simulator;
  let railway: Railway;
  let server: PostgresServer | undefined;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "create-target-"));
    const { source } = sharedServers();
    const { services, ...world } = buildHealthcareWorld({
      postgres: {
        server: { host: source.host, port: source.port, start: async () => {}, stop: async () => {} },
        user: source.user,
        password: source.password,
        database: "railway",
      },
      ledgerFolder: folder,
      createDatabaseServer: async ({ variables }) => {
        server = await startServer({ role: "target" });
        await withConnection(server.connection(), { purpose: "test" }, (client) =>
          client.query(`alter role postgres password '${variables.POSTGRES_PASSWORD}'`),
        );
        return server;
      },
    });
    simulator = await startSimulator({
      schemaSdl,
      // The application's services would only slow this down.
      world: { ...world, services: services.filter(({ kind }) => kind !== "app") },
      pace: quickPace,
    });
    railway = createRailway({
      token: createRailwayToken("project", simulator.tokens.project),
      endpoint: simulator.url,
      pollIntervalMs: 50,
    });
  });

  afterAll(async () => {
    await simulator?.stop();
    await server?.dispose();
    await rm(folder, { recursive: true, force: true });
  });

  it("makes service, volume, variables and proxy once, waits, and creates the extension", async (context) => {
    context.skip(!sharedServers().target.hasPgvector, "this machine has no server with pgvector");
    const inputs = migrationInputs(
      parseSettings({
        phase: "adopt",
        legacyPostgres: "keep",
        project: "DOCTORES-SEO-PACIENTE-MGMT",
        environment: "production",
        tokenKind: "project",
        source: "Postgres",
        target: "pgvector",
        createTarget: true,
        schemas: ["public"],
        protectedSchemas: [],
        services: [{ name: "@healthcare/api" }],
        accept: [],
        limits: { deploymentTimeoutMs: 60_000 },
        copy: {},
        hooks: {},
        transport: { target: { via: "plaintext", reason: "the local world has no real patients" } },
        removal: {},
      }),
    );
    const scope = await railway.resolveEnvironment(inputs);

    await createTarget(railway, scope, inputs, reporter);

    const target = await resolveDatabase(railway, scope, inputs, "target");
    expect(target.service.image).toBe("pgvector/pgvector:pg17");
    expect(target.service.volume?.mountPath).toBe("/var/lib/postgresql/data");
    expect(target.privateHost).toBe("pgvector.railway.internal");
    const extensions = await withConnection(
      target.connection,
      { purpose: "test", readOnly: true },
      (client) => client.query("select 1 from pg_extension where extname = 'vector'"),
    );
    expect(extensions.rowCount).toBe(server?.hasPgvector ? 1 : 0);

    const mutations = simulator.mutations().length;
    await createTarget(railway, scope, inputs, reporter);
    expect(simulator.mutations()).toHaveLength(mutations);
  });
});
