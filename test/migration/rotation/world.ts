import { randomBytes } from "node:crypto";
import { runCutover } from "../../../components/migration/cutover.ts";
import type { MigrationInputs } from "../../../components/migration/inputs.ts";
import { type RotationEntry, readRotation } from "../../../components/migration/rotation/journal.ts";
import type { RotationRun } from "../../../components/migration/rotation/way-in.ts";
import { type ConnectionTarget, withConnection } from "../../../components/postgres/connection.ts";
import { quoteIdentifier, quoteLiteral } from "../../../components/postgres/identifiers.ts";
import { createRailway, type Railway } from "../../../components/railway/railway.ts";
import { createRailwayToken } from "../../../components/railway/token.ts";
import { inputsFor } from "../../dynamic/quiet-world.ts";
import { type PostgresServer, startServer } from "../../world/postgres/server.ts";
import { loadSourceFixture } from "../../world/postgres/source-fixture.ts";
import { loadTargetFixture } from "../../world/postgres/target-fixture.ts";
import { quickPace } from "../../world/railway/pace.ts";
import { startWorld, type World } from "../../world/world.ts";
import { killProgramAt } from "../kill-at.ts";

/** Whom the services log in as on the target; the tests themselves use the server's own superuser. */
export const owner = "clinic_owner";

/** The world before its cutover, with services that keep writing. */
export interface RotationWorld {
  readonly world: World;
  readonly target: PostgresServer;
  readonly railway: Railway;
  readonly inputs: MigrationInputs;
  /** Every line that any run reported. */
  readonly lines: string[];
  /** The target server's own log, with every statement. */
  readonly serverLog: string[];
  /** Moves the services to the target. */
  cutOver(): Promise<unknown>;
  run(options?: { readonly onLine?: (line: string) => unknown }): RotationRun;
  /** Runs it in a process of its own, and kills that at the first line with this text. */
  killAt(text: string, direction?: "forward" | "back"): Promise<void>;
  rotation(): Promise<RotationEntry | undefined>;
  /** Of the database's service, as it is stored. */
  storedPassword(): string;
  login(password: string): ConnectionTarget;
  query(text: string): Promise<readonly Record<string, unknown>[]>;
  stop(): Promise<void>;
}

export async function startRotationWorld(): Promise<RotationWorld> {
  const serverLog: string[] = [];
  const [source, target] = await Promise.all([
    startServer({ role: "source" }),
    startServer({
      role: "target",
      settings: { log_statement: "all", log_min_duration_statement: "0", log_connections: "on" },
      log: (line) => serverLog.push(line),
    }),
  ]);
  await Promise.all([
    loadSourceFixture(source.connection(), { rows: 1_500 }),
    loadTargetFixture(target.connection(), target),
  ]);
  // As a password of Railway's templates: long, and safe in a URL.
  const first = randomBytes(24).toString("base64url");
  for (const server of [source, target]) {
    await withConnection(server.connection(), { purpose: "world" }, (client) =>
      client.query(`create role ${quoteIdentifier(owner)} superuser login password ${quoteLiteral(first)}`),
    );
  }
  serverLog.length = 0;
  const world = await startWorld({
    // A container that is refused its password waits at its health check, on Railway for minutes.
    pace: { ...quickPace, healthcheckTimeoutMs: 15_000 },
    servers: { source, target },
    withStaging: true,
    accounts: {
      source: { user: owner, password: first },
      target: { user: owner, password: first },
    },
  });
  const railway = createRailway({
    token: createRailwayToken("account", world.railway.tokens.account),
    endpoint: world.environment.RAILWAY_API_URL,
    pollIntervalMs: 50,
    settleTimeoutMs: 3_000,
    limits: { retryDelayMs: 20 },
  });
  const inputs = inputsFor(world).migration;
  const lines: string[] = [];
  const query = (text: string) =>
    withConnection(
      target.connection(),
      { purpose: "observe" },
      async (client) => (await client.query(text)).rows,
    );
  const storedPassword = () => {
    const { services, variables } = world.railway.inspect();
    const service = services.find(({ name }) => name === "pgvector");
    const stored = variables.find(
      ({ serviceId, name }) => serviceId === service?.id && name === "POSTGRES_PASSWORD",
    );
    return stored?.value ?? "";
  };
  return {
    ...{ world, target, railway, inputs, lines, serverLog, query, storedPassword },
    cutOver: () =>
      runCutover({
        ...{ railway, inputs, isEngineAlive: async () => true },
        reporter: { step: () => {}, detail: () => {} },
      }),
    run: ({ onLine = () => {} } = {}) => {
      const report = (line: string) => {
        lines.push(line);
        onLine(line);
      };
      return { railway, inputs, reporter: { step: report, detail: report }, timing: quickTiming };
    },
    killAt: (text, direction = "forward") =>
      killProgramAt(
        text,
        "rotation/process.ts",
        {
          ROTATION: JSON.stringify({
            ...{ direction, inputs, endpoint: world.environment.RAILWAY_API_URL },
            ...{ token: world.railway.tokens.account, timing: quickTiming },
          }),
        },
        lines,
      ),
    rotation: () => withConnection(target.connection(), { purpose: "observe" }, readRotation),
    login: (password) => ({ ...target.connection(), user: owner, password }),
    async stop() {
      await world.stop();
      await Promise.all([source.dispose(), target.dispose()]);
    },
  };
}

export const quickTiming = { watchIntervalMs: 25, patienceMs: 1_000, sessionGraceMs: 1_000 };
