import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import {
  checkConnectionSlots,
  compareServers,
} from "../../../components/migration/preflight/database/server.ts";
import { type PreflightResult, runPreflight } from "../../../components/migration/preflight/run-preflight.ts";
import {
  type ConnectionTarget,
  connect,
  withConnection,
  withConnections,
} from "../../../components/postgres/connection.ts";
import { type PostgresServer, startServer } from "../../world/postgres/server.ts";
import { createFixture, type PreflightFixture, runSql as run } from "./fixture.ts";
import { healthyInputs, healthyServices, preflight, scriptRailway, summarise } from "./world.ts";

let source: PostgresServer;
let target: PostgresServer;
let fixture: PreflightFixture;

beforeAll(async () => {
  // Its transactions would count as ours.
  const settings = { max_prepared_transactions: "4", wal_level: "logical", autovacuum: "off" };
  [source, target] = await Promise.all([
    startServer({ role: "source", settings }),
    startServer({ role: "target", settings }),
  ]);
  fixture = await createFixture({ source, target });
});

afterAll(async () => {
  await Promise.all([source?.dispose(), target?.dispose()]);
});

describe("healthy databases", () => {
  test("leave nothing but what this machine cannot give them", async () => {
    const world = await createWorld();
    const result = await preflight(world.connections, { inputs: world.accepted, mode: "run" });
    expect(
      summarise(result).filter(
        (line) => !/COLLATION_DIFFERS|TIME_ZONES_FEWER|VECTOR_MISSING|TLS_NOT_ON|OTHER_DATABASES/.test(line),
      ),
    ).toEqual([]);
    expect(result.facts.source?.tables).toHaveLength(3);
    expect(result.facts.source?.sequences).toBe(2);
    expect(result.facts.services.apps[0]?.variables).toEqual([
      { name: "DATABASE_URL", kind: "reference to source", pureReference: "${{Postgres.DATABASE_URL}}" },
    ]);
  });

  test("are not written to: no transaction id is used on either side", async () => {
    const world = await createWorld();
    // Autovacuum of a neighbouring database may use ids of its own: then the comparison is made again.
    const highWater = () =>
      Promise.all([xmax(world.connections.source), xmax(world.connections.target)]).then(String);
    await expect
      .poll(async () => {
        const before = await highWater();
        await preflight(world.connections, { mode: "run" });
        return before === (await highWater());
      })
      .toBe(true);
  });

  test("are read in sessions in which the server refuses every write", async () => {
    const world = await createWorld();
    const refused: unknown[] = [];
    await runPreflight({
      railway: scriptRailway({ services: healthyServices(world.connections) }),
      inputs: healthyInputs(world.connections),
      mode: "run",
      connect: async (connection, options) => {
        const client = await connect(connection, options);
        await client.query("CREATE TABLE public.forbidden ()").catch((error) => refused.push(error.code));
        return client;
      },
    });
    expect(refused).toEqual(["25006", "25006"]);
  });
});

describe("what others do meanwhile", () => {
  test("a table that is dropped once it was listed is in nobody's way", async () => {
    const world = await createWorld();
    const { source } = world.connections;
    await run(source, "CREATE TABLE public.staging (names regclass)");
    let dropped = 0;
    const result = await runPreflight({
      railway: scriptRailway({ services: healthyServices(world.connections) }),
      inputs: { ...healthyInputs(world.connections), ...world.accepted },
      mode: "run",
      connect: async (connection, options) => {
        const client = await connect(connection, options);
        const query = async (...call: Parameters<typeof client.query>) => {
          const [text] = call as readonly unknown[];
          if (dropped === 0 && typeof text === "string" && /FROM ONLY "public"\."staging"/.test(text)) {
            dropped = 1;
            await run(source, "DROP TABLE public.staging");
          }
          return client.query(...call);
        };
        return new Proxy(client, {
          get: (target, name) => (name === "query" ? query : Reflect.get(target, name)),
        });
      },
    });
    expect(dropped).toBe(1);
    expect(summarise(result).filter((line) => line.includes("CHECK_FAILED"))).toEqual([]);
  });

  test("temporary objects of other sessions are nothing that would be left behind", async () => {
    const world = await createWorld();
    const { source, target } = world.connections;
    await run(source, "CREATE TYPE public.mood AS ENUM ('good')");
    await withConnections([source, target], { purpose: "test" }, async ([onSource, onTarget]) => {
      await onSource.query(
        `CREATE TEMP TABLE staging (LIKE public.users INCLUDING ALL); CREATE TEMP TABLE moods (mood public.mood);
         CREATE TEMP VIEW everybody AS SELECT id FROM public.users`,
      );
      await onTarget.query("CREATE TEMP TABLE staging (LIKE llm_assistant.chunk INCLUDING ALL)");
      const seen = summarise(await preflight(world.connections, { inputs: world.accepted }));
      expect(seen.filter((line) => line.startsWith("blocker"))).toEqual([]);
    });
  });
});

describe("a source from which much would be lost", () => {
  let result: PreflightResult;

  beforeAll(async () => {
    const world = await createWorld(afterAllOfThese);
    await run(
      world.connections.source,
      `CREATE SCHEMA auth; CREATE TABLE auth.u (id int PRIMARY KEY);
       CREATE TABLE public.s (u int REFERENCES auth.u);
       CREATE SCHEMA report; CREATE VIEW report.v AS SELECT id FROM public.users;
       CREATE FUNCTION public.note() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
       CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION public.note();
       CREATE PUBLICATION p FOR ALL TABLES;
       SELECT lo_from_bytea(0, '\\x00ff');
       CREATE UNLOGGED TABLE public.cache (id int);
       CREATE TABLE public._prisma_migrations (id text, finished_at timestamptz, rolled_back_at timestamptz);
       INSERT INTO public._prisma_migrations VALUES ('1');
       DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = medical_records', current_database()); END $$`,
    );
    result = await preflight(world.connections);
  });

  const leftOver: Array<() => Promise<void>> = [];
  const afterAllOfThese = (clean: () => Promise<void>) => leftOver.push(clean);
  afterAll(() => Promise.all(leftOver.map((clean) => clean())));

  test.for([
    "blocker NEEDS_OUTSIDE_OBJECT table auth.u",
    'blocker OUTSIDE_OBJECT_LEFT_BEHIND rule "_RETURN" on report.v',
    "blocker EVENT_TRIGGER_NOT_MOVED e",
    "blocker PUBLICATION_NOT_MOVED p",
    "blocker LARGE_OBJECTS source",
    "blocker SETTING_LOST database: search_path",
    "warning SCHEMA_NOT_LISTED auth",
    "warning SCHEMA_NOT_LISTED report",
    "warning UNLOGGED_TABLE public.cache",
    "warning PRISMA_MIGRATION_UNFINISHED public._prisma_migrations",
  ])("%s", (expected) => {
    expect(summarise(result)).toContain(expected);
  });

  test("blockers come first", () => {
    const order = result.findings.map(({ severity }) =>
      ["blocker", "unchecked", "warning"].indexOf(severity),
    );
    expect(order).toEqual(order.toSorted());
  });
});

describe("a target that is not fit", () => {
  test("is reported with everything that is wrong with it", async () => {
    const world = await createWorld();
    await run(
      world.connections.target,
      `CREATE TABLE public.users (id int PRIMARY KEY);
       CREATE VIEW llm_assistant.v AS SELECT id FROM public.users;
       CREATE FUNCTION llm_assistant.note() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
       CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION llm_assistant.note();
       DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$`,
    );
    expect(summarise(await preflight(world.connections))).toEqual(
      expect.arrayContaining([
        'blocker PROTECTED_DEPENDS_ON_MOVED rule "_RETURN" on llm_assistant.v',
        "blocker TARGET_NOT_EMPTY public",
        "blocker TARGET_READ_ONLY target",
        "blocker TARGET_EVENT_TRIGGER e",
      ]),
    );
  });

  test("is told with what is in it", async () => {
    const world = await createWorld();
    await run(
      world.connections.target,
      `CREATE TABLE public.users AS SELECT g AS id FROM generate_series(1, 3) g; ANALYZE public.users;
       CREATE TYPE public.mood AS ENUM ('calm')`,
    );
    const { findings } = await preflight(world.connections);
    expect(findings.find(({ code }) => code === "TARGET_NOT_EMPTY")?.why).toBe(
      "The schema holds 2 objects on the target already: table users (about 3 rows), type mood.",
    );
  });

  test("may be the other database: swapped, or without the protected schema", async () => {
    const world = await createWorld();
    const { source: left, target: right } = world.connections;
    const swapped = summarise(await preflight({ source: right, target: left }));
    expect(swapped).toContain("blocker SWAPPED_DATABASES source");
    expect(swapped).toContain("blocker PROTECTED_SCHEMA_MISSING llm_assistant");
    expect(swapped).toContain("blocker SCHEMA_MISSING medical_records");
    expect(swapped).toContain("blocker NOTHING_TO_MOVE source");
  });
});

describe("one bad thing gives its finding", () => {
  test("one database behind two names", async () => {
    const { connections } = await createWorld();
    const result = await preflight({ source: connections.source, target: connections.source });
    expect(summarise(result)).toContain("blocker SAME_DATABASE target");
  });

  test("a mistyped schema, with the name that was meant", async () => {
    const { connections } = await createWorld();
    const { findings } = await preflight(connections, {
      inputs: { schemas: ["public", "practice_managment"] },
    });
    expect(findings.find(({ code }) => code === "SCHEMA_MISSING")).toMatchObject({
      object: "practice_managment",
      remedy: expect.stringContaining("practice_management"),
    });
  });

  test("a role that the target does not have", async () => {
    const world = await createWorld();
    await run(source.connection("postgres"), "CREATE ROLE reporting");
    onTestFinished(() => run(source.connection("postgres"), "DROP OWNED BY reporting; DROP ROLE reporting"));
    await run(world.connections.source, "GRANT SELECT ON public.users TO reporting");
    onTestFinished(() => run(world.connections.source, "DROP OWNED BY reporting"));
    expect(summarise(await preflight(world.connections))).toContain("blocker ROLE_MISSING reporting");
  });

  test.for([
    [
      "constraint",
      "btree_gist",
      "CREATE TABLE public.booking (during tstzrange, room int, EXCLUDE USING gist (room WITH =, during WITH &&))",
    ],
    ["view", "pg_stat_statements", "CREATE VIEW public.slow AS SELECT query FROM public.pg_stat_statements"],
  ] as const)("an extension that a moved %s needs and the target lacks", async ([, name, ddl], { skip }) => {
    const world = await createWorld();
    const probe = await preflight(world.connections);
    if (!probe.facts.source?.extensions?.available.includes(name)) skip("no contrib modules here");
    await run(world.connections.source, `CREATE EXTENSION ${name} SCHEMA public; ${ddl}`);
    const { findings } = await preflight(world.connections);
    expect(findings).toContainEqual(
      expect.objectContaining({ severity: "blocker", code: "EXTENSION_MISSING", object: name }),
    );
    expect(findings.map(({ code }) => code)).not.toContain("NEEDS_OUTSIDE_OBJECT");
  });

  test("a role without rights, with all tables that it may not read in one finding", async () => {
    const world = await createWorld();
    await run(
      world.connections.source,
      `CREATE ROLE weak LOGIN PASSWORD 'weak';
       GRANT USAGE ON SCHEMA medical_records, practice_management TO weak;
       GRANT SELECT ON public.users TO weak; ALTER TABLE public.users ENABLE ROW LEVEL SECURITY`,
    );
    onTestFinished(() => run(world.connections.source, "DROP OWNED BY weak; DROP ROLE weak"));
    const weak = { ...world.connections.source, user: "weak", password: "weak" };
    const result = await preflight({ ...world.connections, source: weak });
    expect(summarise(result)).toEqual(
      expect.arrayContaining([
        "blocker NOT_SUPERUSER source",
        "blocker ROWS_HIDDEN source",
        "blocker TABLE_UNREADABLE source",
      ]),
    );
    expect(result.findings.map(({ code }) => code)).not.toContain("CHECK_FAILED");
    expect(result.findings.find(({ code }) => code === "TABLE_UNREADABLE")?.why).toMatch(
      /medical_records\.patient, practice_management\.appointment/,
    );
  });

  test("a role that row level security binds although it owns the table", async () => {
    const world = await createWorld();
    await run(
      world.connections.source,
      `CREATE ROLE keeper LOGIN PASSWORD 'keeper'; ALTER TABLE public.users OWNER TO keeper;
       ALTER TABLE public.users ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY`,
    );
    onTestFinished(() =>
      run(world.connections.source, "REASSIGN OWNED BY keeper TO postgres; DROP ROLE keeper"),
    );
    const keeper = { ...world.connections.source, user: "keeper", password: "keeper" };
    const { findings } = await preflight({ ...world.connections, source: keeper });
    expect(findings.find(({ code }) => code === "ROWS_HIDDEN")?.why).toContain("public.users");
  });

  test("settings of a role, everywhere and in this database alone", async () => {
    const world = await createWorld();
    const { database } = world.connections.source;
    await run(
      world.connections.source,
      `CREATE ROLE clinic_app LOGIN; ALTER ROLE clinic_app SET statement_timeout = '5s';
       ALTER ROLE clinic_app IN DATABASE "${database}" SET search_path = medical_records`,
    );
    onTestFinished(() => run(source.connection("postgres"), "DROP ROLE clinic_app"));
    expect(summarise(await preflight(world.connections))).toEqual(
      expect.arrayContaining([
        "blocker SETTING_LOST role clinic_app: statement_timeout",
        "blocker SETTING_LOST role clinic_app in this database: search_path",
      ]),
    );
  });

  test("a prepared transaction", async () => {
    const world = await createWorld();
    await run(
      world.connections.source,
      "BEGIN; INSERT INTO public.users (email) VALUES ('x'); PREPARE TRANSACTION 'waiting'",
    );
    onTestFinished(() => run(world.connections.source, "ROLLBACK PREPARED 'waiting'"));
    expect(summarise(await preflight(world.connections))).toContain("blocker PREPARED_TRANSACTION source");
  });

  test("a replication slot", async () => {
    const world = await createWorld();
    await run(world.connections.source, "SELECT pg_create_logical_replication_slot('follower', 'pgoutput')");
    onTestFinished(() => run(world.connections.source, "SELECT pg_drop_replication_slot('follower')"));
    expect(summarise(await preflight(world.connections))).toContain("blocker REPLICATION_SLOT follower");
  });

  test("read-only by ALTER SYSTEM, which no session of ours shows", async () => {
    const world = await createWorld();
    await run(world.connections.target, "ALTER SYSTEM SET default_transaction_read_only = on");
    onTestFinished(() => run(world.connections.target, "ALTER SYSTEM RESET default_transaction_read_only"));
    expect(summarise(await preflight(world.connections))).toContain("blocker TARGET_READ_ONLY target");
  });

  test("another database on the source's server", async () => {
    const world = await createWorld();
    await run(source.connection("postgres"), "CREATE DATABASE billing");
    onTestFinished(() => run(source.connection("postgres"), "DROP DATABASE billing"));
    const result = await preflight(world.connections);
    expect(summarise(result)).toContain("warning OTHER_DATABASES source");
    expect(result.findings.find(({ code }) => code === "OTHER_DATABASES")?.why).toContain("billing");
  });

  test("one server for both databases", async () => {
    const { connections } = await createWorld();
    const other = await createWorld();
    const result = await preflight({ ...connections, target: other.connections.source });
    expect(summarise(result)).toContain("warning SAME_SERVER target");
  });

  test("a setting of the whole server that changes what statements mean, unless the target's database has it", async () => {
    const world = await createWorld();
    await run(world.connections.source, "ALTER SYSTEM SET timezone = 'America/Bogota'");
    onTestFinished(() => run(world.connections.source, "ALTER SYSTEM RESET timezone"));
    expect(summarise(await preflight(world.connections))).toContain(
      "blocker SERVER_SETTING_DIFFERS TimeZone",
    );
    await run(
      world.connections.target,
      `ALTER DATABASE "${world.connections.target.database}" SET timezone = 'America/Bogota'`,
    );
    expect(summarise(await preflight(world.connections)).join()).not.toContain("SERVER_SETTING_DIFFERS");
  });

  test("a setting that both databases have is none of their servers'", async () => {
    const { connections } = await createWorld();
    for (const connection of [connections.source, connections.target]) {
      await run(connection, `ALTER DATABASE "${connection.database}" SET timezone = 'America/Bogota'`);
    }
    expect(summarise(await preflight(connections)).join()).not.toMatch(/SETTING_/);
  });

  test("fewer connections in all than on the source", async () => {
    const { connections } = await createWorld();
    const { facts } = await preflight(connections);
    const server = facts.target?.server;
    if (server === undefined) throw new Error("the target was not observed");
    const fewer = compareServers(server, { ...server, maxConnections: server.maxConnections - 1 });
    expect(fewer).toMatchObject([{ code: "FEWER_CONNECTIONS", severity: "warning", object: "target" }]);
  });

  test("a server that has used up its role's connections", async () => {
    const world = await createWorld();
    await run(
      source.connection("postgres"),
      "CREATE ROLE crowded LOGIN PASSWORD 'crowded' CONNECTION LIMIT 0",
    );
    onTestFinished(() => run(source.connection("postgres"), "DROP ROLE crowded"));
    const crowded = { ...world.connections.source, user: "crowded", password: "crowded" };
    expect(summarise(await preflight({ ...world.connections, source: crowded }))).toContain(
      "unchecked TOO_MANY_CONNECTIONS source",
    );
  });

  test("more copy workers than either server has connections for", async () => {
    const { connections } = await createWorld();
    const lines = summarise(await preflight(connections, { inputs: { copy: { workers: 200 } } }));
    expect(lines).toContain("blocker CONNECTION_SLOTS source");
    expect(lines).toContain("blocker CONNECTION_SLOTS target");
  });

  test("too few connections on the target", async () => {
    const { connections } = await createWorld();
    const inputs = { copy: { workers: 32 } };
    const { facts } = await preflight(connections, { inputs });
    const server = facts.target?.server;
    if (server === undefined) throw new Error("the target was not observed");
    const crowded = { ...server, connections: server.maxConnections - 10 };
    expect(checkConnectionSlots(undefined, crowded, 32).map(({ code }) => code)).toEqual([
      "CONNECTION_SLOTS",
    ]);
    expect(checkConnectionSlots(undefined, { ...server, connections: 1 }, 2)).toEqual([]);
  });
});

describe("connecting", () => {
  test("a stopped server is not checked in a preview and blocks a run, and the other server is checked nevertheless", async () => {
    const world = await createWorld();
    await run(world.connections.target, "CREATE TABLE public.users (id int)");
    const gone = { ...world.connections.source, port: 1 };
    const preview = summarise(await preflight({ ...world.connections, source: gone }));
    expect(preview).toEqual(
      expect.arrayContaining(["unchecked SERVER_UNREACHABLE source", "blocker TARGET_NOT_EMPTY public"]),
    );
    const result = summarise(await preflight({ ...world.connections, source: gone }, { mode: "run" }));
    expect(result).toContain("blocker SERVER_UNREACHABLE source");
  });

  test("a wrong password is one clear finding that does not repeat it", async () => {
    const world = await createWorld();
    const wrong = { ...world.connections.target, password: "Sentinel-p@ss" };
    const { findings } = await preflight({ ...world.connections, target: wrong });
    expect(findings).toContainEqual(expect.objectContaining({ code: "WRONG_PASSWORD", object: "target" }));
    expect(JSON.stringify(findings)).not.toContain("Sentinel-p");
  });
});

test("no finding contains a password or the content of a row, whatever is wrong", async () => {
  const world = await createWorld();
  await run(
    world.connections.source,
    `INSERT INTO public.users (email) VALUES ('sentinel@patient.example');
     SELECT lo_from_bytea(0, 'sentinel bytes');
     CREATE FUNCTION public.f() RETURNS text LANGUAGE sql AS $$ SELECT 'sentinel body' $$;
     CREATE SCHEMA report; CREATE VIEW report.v AS SELECT 'sentinel constant' AS c, id FROM public.users;
     DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET app.key = %L', current_database(), 'sentinel key'); END $$`,
  );
  const { findings } = await preflight(world.connections);
  expect(findings.map(({ code }) => code)).toEqual(
    expect.arrayContaining(["SETTING_LOST", "OUTSIDE_OBJECT_LEFT_BEHIND", "LARGE_OBJECTS"]),
  );
  const text = JSON.stringify(findings);
  expect(text).not.toContain("sentinel");
  for (const { password } of [source, target]) expect(text).not.toContain(password);
});

/** A pair of fresh copies of the base fixture. */
async function createWorld(whenDone: (clean: () => Promise<void>) => unknown = onTestFinished) {
  const { connections, accept } = await fixture.createWorld(whenDone);
  return { connections, accepted: { accept: [...accept] } };
}

async function xmax(connection: ConnectionTarget): Promise<string> {
  return withConnection(connection, { purpose: "test" }, async (client) => {
    const { rows } = await client.query("SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS xmax");
    return rows[0].xmax;
  });
}
