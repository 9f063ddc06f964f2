import { withConnection } from "../../components/postgres/connection.ts";
import {
  appServiceArgs,
  migrationInputs,
  parseSettings,
  postgresServiceArgs,
} from "../../components/settings.ts";
import { healthcareServiceNames } from "../world/railway/healthcare-world.ts";
import { quickPace } from "../world/railway/pace.ts";
import { eventually } from "../world/railway/test-world.ts";
import { startWorld, type World, type WorldOptions } from "../world/world.ts";

/** A password that a URL holds in another form than everything else, and that no shell or connection string likes. */
export const oddPassword = `p@ss#w/ö%r d'"\\`;

/** The local world with little data and writers that rest, so that whatever changes was changed by what is tested. */
export function startQuietWorld(options: Pick<WorldOptions, "withStaging" | "tls"> = {}): Promise<World> {
  return startWorld({
    ...options,
    password: oddPassword,
    pace: quickPace,
    rows: 1_500,
    // The longest time that a timer can wait: one write at the start, and no other.
    writeIntervalMs: 2 ** 31 - 1,
    writers: { lanes: ["plain", "plain"] },
    settings: { autovacuum: "off" },
  });
}

/** Waits until each writer of the deployments that came with a cutover has done its one write on the target. */
export async function untilWritersRest(world: World): Promise<void> {
  const lanes = 2 * healthcareServiceNames.length;
  await withConnection(world.target.connection(), { purpose: "observe", readOnly: true }, (client) =>
    eventually(async () => {
      const { rows } = await client.query(`SELECT count(*)::int AS writers FROM public."WriterProgress"`);
      // Those of the deployments before it were copied.
      return rows[0].writers === 2 * lanes;
    }),
  );
}

/** What the program would give to its resources in this world. */
export function inputsFor(world: World, change: Record<string, unknown> = {}) {
  const settings = parseSettings({
    phase: "cutover",
    legacyPostgres: "keep",
    source: "Postgres",
    target: "pgvector",
    createTarget: false,
    accept: world.target.hasPgvector
      ? []
      : [{ code: "VECTOR_MISSING", object: "target", reason: "this machine has no pgvector" }],
    copy: {},
    hooks: {},
    removal: {},
    ...world.config,
    ...change,
  });
  return {
    migration: migrationInputs(settings),
    source: postgresServiceArgs(settings, "source"),
    target: postgresServiceArgs(settings, "target"),
    service(name: string) {
      const service = settings.services.find((one) => one.name === name);
      if (service === undefined) throw new TypeError(`no service ${name}`);
      return appServiceArgs(settings, service);
    },
  };
}

/** The next transaction ids of both servers: any statement that wrote anything at all raised one of them. */
export function transactionIds(world: World): Promise<string[]> {
  return Promise.all(
    [world.source, world.target].map((server) =>
      withConnection(
        server.connection("postgres"),
        { purpose: "observe", readOnly: true },
        async (client) =>
          (await client.query("SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS id")).rows[0].id,
      ),
    ),
  );
}

/** Every secret of the world, in the forms in which it could be printed. */
export function secretsOf(world: World): string[] {
  const secrets = [world.source.password, world.target.password, ...Object.values(world.railway.tokens)];
  return [...new Set(secrets.flatMap((secret) => [secret, encodeURIComponent(secret)]))];
}
