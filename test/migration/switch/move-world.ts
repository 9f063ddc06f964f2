import type pg from "pg";
import type { ResolvedService, ResolvedWorld } from "../../../components/migration/decide/resolve.ts";
import type { ServiceRecord } from "../../../components/migration/journal/record.ts";
import { type MoveContext, rememberServices } from "../../../components/migration/switch/move-services.ts";
import { connect } from "../../../components/postgres/connection.ts";
import { createRailway, type Railway } from "../../../components/railway/railway.ts";
import { createRailwayToken } from "../../../components/railway/token.ts";
import { patienceMs } from "../../patience.ts";
import { createDatabase } from "../../world/postgres/databases.ts";
import { sharedServers } from "../../world/postgres/shared.ts";
import { startTestWorld, type TestWorld, testApp } from "../../world/railway/test-world.ts";

export const canary = "@healthcare/public";
export const apps = [canary, "@healthcare/api", "@healthcare/admin"] as const;

/** Three services of a simulated Railway that are to move to a database, and a journal in memory. */
export interface MoveWorld extends AsyncDisposable {
  readonly world: TestWorld;
  readonly railway: Railway;
  readonly services: readonly ResolvedService[];
  readonly journal: Map<string, ServiceRecord>;
  readonly lines: string[];
  /** As one run has it. */
  context(changes?: Partial<MoveContext>): MoveContext;
  /** The deployment that serves, newest first. */
  serving(name: string): string | undefined;
  /** How often the API was asked to deploy the service. */
  deployed(name: string): number;
  variable(name: string): string | undefined;
}

export async function startMoveWorld(
  options: Parameters<typeof startTestWorld>[0] & { requestTimeoutMs?: number } = {},
): Promise<MoveWorld> {
  const database = await createDatabase(sharedServers().target);
  // Stands for what a service opens when it has been begun to move: the programs of this world connect to nothing.
  const sessions: pg.Client[] = [];
  const openSession = async () => {
    const client = await connect(database.connection, { purpose: "services" });
    sessions.push(client);
    await client.query("set application_name = 'services'");
  };
  const target = await connect(database.connection, { purpose: "observe", pipeline: true });
  sessions.push(target);
  const variables = { DATABASE_URL: "${{Postgres.DATABASE_URL}}" };
  const world = await startTestWorld({
    ...options,
    extraServices: [testApp(apps[0], variables), testApp(apps[2], variables)],
  });
  const { simulator } = world;
  const railway = createRailway({
    token: createRailwayToken("project", simulator.tokens.project),
    endpoint: simulator.url,
    pollIntervalMs: 20,
    settleTimeoutMs: 1_500,
    limits: { retryDelayMs: 5, attempts: 3, requestTimeoutMs: options.requestTimeoutMs ?? 10_000 },
  });
  const scope = await railway.resolveEnvironment({ project: "clinic", environment: "production" });
  const services = await Promise.all(
    apps.map(async (name): Promise<ResolvedService> => {
      const inputs = {
        name,
        variables: ["DATABASE_URL"],
        healthCheckUrl: `${simulator.serviceUrl(name)}/health`,
        wave: name === canary ? 0 : 1,
        startsReadOnly: true,
      };
      return { inputs, service: await railway.findService(scope, name) };
    }),
  );
  const resolved: ResolvedWorld = {
    scope,
    services,
    source: {
      service: await railway.findService(scope, "Postgres"),
      connection: { ...database.connection, label: "source" },
      reference: "${{Postgres.DATABASE_URL}}",
      privateHost: "postgres.railway.internal",
    },
    target: {
      service: await railway.findService(scope, "pgvector"),
      connection: database.connection,
      reference: "${{pgvector.DATABASE_URL}}",
      privateHost: "pgvector.railway.internal",
    },
  };
  const journal = new Map(Object.entries(await rememberServices(railway, resolved)));
  const lines: string[] = [];
  const report = (line: string) => void lines.push(line);
  return {
    world,
    railway,
    services,
    journal,
    lines,
    context: (changes = {}) => ({
      railway,
      world: resolved,
      target,
      deploymentTimeoutMs: patienceMs,
      reporter: { step: report, detail: report },
      signal: new AbortController().signal,
      read: (name) => journal.get(name) as ServiceRecord,
      save: async (name, record) => {
        journal.set(name, record);
        if (record.startedAt !== null && record.provenAt === null) await openSession();
      },
      ...changes,
    }),
    serving: (name) => simulator.deployments(name).findLast(({ status }) => status === "SUCCESS")?.id,
    deployed: (name) => simulator.deployments(name).filter(({ reason }) => reason === "api").length,
    variable: (name) =>
      simulator.inspect().variables.find((one) => one.serviceId === world.serviceId(name))?.value,
    async [Symbol.asyncDispose]() {
      await Promise.all(sessions.map((client) => client.end()));
      await world[Symbol.asyncDispose]();
      await database.drop();
    },
  };
}
