import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { compareExtensions } from "../../../components/migration/preflight/database/extensions.ts";
import { checkRestrictedBuilds } from "../../../components/migration/preflight/database/restricted-builds.ts";
import { runPreflight } from "../../../components/migration/preflight/run-preflight.ts";
import { connect, withConnection } from "../../../components/postgres/connection.ts";
import { closeSourceFence } from "../../../components/postgres/fence/fence.ts";
import { sharedServers } from "../../world/postgres/shared.ts";
import { createFixture, type FixtureWorld, type PreflightFixture, runSql } from "./fixture.ts";
import { healthyInputs, healthyServices, preflight, scriptRailway, summarise } from "./world.ts";

const servers = sharedServers();
let fixture: PreflightFixture;

beforeAll(async () => {
  fixture = await createFixture(servers);
});
afterAll(() => fixture?.drop());

/** As pg_cron 1.4 makes it, as far as the preflight looks. */
const cronTable =
  "CREATE SCHEMA cron; CREATE TABLE cron.job (jobid int, jobname text, database text, active boolean)";

const createWorld = () => fixture.createWorld(onTestFinished);

describe("one bad thing gives its finding", () => {
  test.for([
    {
      name: "a subscription",
      sql: "CREATE SUBSCRIPTION feed CONNECTION 'host=elsewhere' PUBLICATION p WITH (connect = false, slot_name = NONE)",
      clean: "DROP SUBSCRIPTION feed",
      expected: "blocker SUBSCRIPTION_NOT_MOVED feed",
    },
    {
      name: "a subscription at work",
      sql: `CREATE SUBSCRIPTION feed CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p WITH (connect = false, slot_name = 'feed');
            ALTER SUBSCRIPTION feed ENABLE`,
      clean:
        "ALTER SUBSCRIPTION feed DISABLE; ALTER SUBSCRIPTION feed SET (slot_name = NONE); DROP SUBSCRIPTION feed",
      expected: "blocker SUBSCRIPTION_ENABLED feed",
      absent: /SUBSCRIPTION_NOT_MOVED/,
    },
    {
      name: "a moved partition of a table that stays",
      sql: `CREATE SCHEMA archive; CREATE TABLE archive.log (id int) PARTITION BY LIST (id);
            CREATE TABLE public.log_1 PARTITION OF archive.log FOR VALUES IN (1);
            CREATE TABLE archive.log_2 PARTITION OF archive.log FOR VALUES IN (2)`,
      expected: "blocker INHERITANCE_SPLIT public.log_1",
      absent: /INHERITANCE_SPLIT.*log_2/,
    },
    {
      name: "a child of a moved table that stays",
      sql: `CREATE SCHEMA archive; CREATE TABLE archive.old_users () INHERITS (public.users);
            CREATE TABLE public.more_users () INHERITS (public.users)`,
      expected: "blocker INHERITANCE_SPLIT public.users",
    },
    {
      name: "a foreign table",
      sql: `CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER elsewhere FOREIGN DATA WRAPPER nothing;
            CREATE FOREIGN TABLE public.remote (id int) SERVER elsewhere`,
      expected: "blocker FOREIGN_TABLE public.remote",
    },
    {
      name: "an invalid index",
      sql: `CREATE INDEX half_built ON public.users (email);
            UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'public.half_built'::regclass`,
      expected: "warning INVALID_INDEX public.half_built",
    },
    {
      name: "a job of pg_cron for this database, not one that is switched off",
      sql: `${cronTable}; INSERT INTO cron.job VALUES (1, 'nightly', current_database(), true),
              (2, 'old', current_database(), false), (3, 'elsewhere', 'another', true)`,
      expected: "blocker SCHEDULED_JOB pg_cron nightly",
      absent: /SCHEDULED_JOB.*(old|elsewhere)/,
    },
    {
      name: "jobs of pg_cron that another database keeps",
      sql: `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET cron.database_name = ''postgres''', current_database()); END $$`,
      expected: "blocker SCHEDULED_JOB pg_cron in postgres",
    },
    {
      name: "a privilege on the schema public that the target does not grant",
      sql: "GRANT CREATE ON SCHEMA public TO PUBLIC",
      expected: "blocker CATALOGUE_CHANGED schema public (acl)",
    },
    {
      name: "a privilege on the schema public that only the target grants",
      sql: "REVOKE USAGE ON SCHEMA public FROM PUBLIC",
      expected: "blocker PRIVILEGES_WIDENED schema public (acl)",
    },
  ])("$name", async ({ sql, clean, expected, absent }) => {
    const { connections } = await createWorld();
    await runSql(connections.source, sql);
    if (clean !== undefined) onTestFinished(() => runSql(connections.source, clean));
    const lines = summarise(await preflight(connections));
    expect(lines).toContain(expected);
    if (absent !== undefined) expect(lines.join("\n")).not.toMatch(absent);
  });

  test("default privileges that the target has, too, are none", async () => {
    const { connections } = await createWorld();
    for (const connection of Object.values(connections)) {
      await runSql(
        connection,
        "ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT SELECT ON TABLES TO pg_monitor",
      );
    }
    expect(summarise(await preflight(connections)).join()).not.toContain("default privileges");
  });

  test.runIf(servers.target.hasPgvector)("a target without vector", async () => {
    const { connections } = await createWorld();
    await runSql(connections.target, "DROP EXTENSION vector");
    expect(summarise(await preflight(connections))).toContain("blocker VECTOR_MISSING target");
  });

  test("what it would lose cannot be accepted", async () => {
    const { connections } = await createWorld();
    await runSql(
      connections.source,
      "CREATE SCHEMA archive; CREATE TABLE archive.old_users () INHERITS (public.users)",
    );
    const reason = "nobody writes there";
    const accept = [
      { code: "INHERITANCE_SPLIT", object: "public.users", reason },
      { code: "OUTSIDE_OBJECT_LEFT_BEHIND", object: "table archive.old_users", reason },
    ];
    const lines = summarise(await preflight(connections, { inputs: { accept } }));
    expect(lines).toContain("blocker INHERITANCE_SPLIT public.users");
    expect(lines).toContain("warning OUTSIDE_OBJECT_LEFT_BEHIND table archive.old_users");
  });

  test.runIf(servers.target.majorVersion >= 17)(
    "event triggers that are switched off on the target",
    async () => {
      const { connections } = await createWorld();
      await runSql(
        connections.target,
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET event_triggers = off', current_database()); END $$",
      );
      expect(summarise(await preflight(connections))).toContain("blocker EVENT_TRIGGERS_OFF target");
    },
  );

  test("a pause of writes that may not last as long as the copy should", async () => {
    const { connections } = await createWorld();
    const { limits } = healthyInputs(connections);
    const lines = summarise(
      await preflight(connections, { inputs: { limits: { ...limits, writePauseMs: 1 } } }),
    );
    expect(lines).toContain("warning WRITE_PAUSE_LIMIT_SHORT limits.writePauseMs");
  });

  test("a consumer that is accepted by name is said to be cut off", async () => {
    const { connections } = await createWorld();
    const accept = [
      { code: "SOURCE_STILL_USED", object: "nightly", reason: "the report is run by hand that day" },
    ];
    const result = await preflight(connections, { inputs: { accept } });
    expect(summarise(result)).toContain("warning CONSUMER_CUT_OFF nightly");
    expect(summarise(result).join()).not.toContain("ACCEPTANCE");
  });

  test("an accepted difference of a schema is the gate's acceptance, which is never stale", async () => {
    const { connections } = await createWorld();
    const accept = [{ code: "CATALOGUE_CHANGED", object: "schema public", reason: "nobody creates there" }];
    expect(summarise(await preflight(connections, { inputs: { accept } })).join()).not.toContain("STALE");
    await runSql(connections.source, "GRANT CREATE ON SCHEMA public TO PUBLIC");
    expect(summarise(await preflight(connections, { inputs: { accept } }))).toContain(
      "warning CATALOGUE_CHANGED schema public (acl)",
    );
  });

  test("what was accepted about one aspect of an object hides no other", async () => {
    const { connections } = await createWorld();
    await runSql(
      connections.source,
      "GRANT CREATE ON SCHEMA public TO PUBLIC; COMMENT ON SCHEMA public IS 'ours'",
    );
    const accepting = async (...objects: string[]) =>
      summarise(
        await preflight(connections, {
          inputs: {
            accept: objects.map((object) => ({
              ...{ code: "CATALOGUE_CHANGED", object },
              reason: "nobody creates there",
            })),
          },
        }),
      ).filter((line) => line.includes("CATALOGUE_CHANGED"));
    expect(await accepting("schema public")).toEqual([
      "blocker CATALOGUE_CHANGED schema public (acl)",
      "blocker CATALOGUE_CHANGED schema public (comment)",
    ]);
    expect(await accepting("schema public (acl)")).toEqual([
      "blocker CATALOGUE_CHANGED schema public (comment)",
      "warning CATALOGUE_CHANGED schema public (acl)",
    ]);
  });
});

describe("extensions on both sides", () => {
  test("one that nothing is recorded to need", async ({ skip }) => {
    const { connections } = await createWorld();
    const { facts } = await preflight(connections);
    if (!facts.source?.extensions?.available.includes("citext")) return skip("no contrib modules here");
    await runSql(connections.source, "CREATE EXTENSION citext SCHEMA public");
    const lines = summarise(await preflight(connections));
    expect(lines).toContain("warning EXTENSION_NOT_ON_TARGET citext");
    expect(lines.join()).not.toContain("EXTENSION_MISSING");
  });

  test("those with views and composite types, that both have and nothing needs", async ({ skip }) => {
    const { connections } = await createWorld();
    const { facts } = await preflight(connections);
    const isThere = [facts.source, facts.target].map((side) =>
      ["pg_stat_statements", "tablefunc"].every((name) => side?.extensions?.available.includes(name)),
    );
    if (isThere.includes(false)) return skip("no contrib modules here");
    for (const side of [connections.source, connections.target])
      await runSql(
        side,
        "CREATE EXTENSION pg_stat_statements SCHEMA public; CREATE EXTENSION tablefunc SCHEMA public",
      );
    const lines = summarise(await preflight(connections));
    expect(lines.join()).not.toMatch(/pg_stat_statements|tablefunc|TARGET_NOT_EMPTY/);
  });

  test("vector, newer on the source than on the target, with a type that needs it", () => {
    const at = (version: string) => ({
      installed: [{ name: "vector", version, schema: "public" }],
      available: ["vector"],
    });
    const use = [{ name: "vector", usedBy: ["table column public.doc.emb"] }];
    expect(compareExtensions(at("0.8.1"), at("0.6.0"), use)).toMatchObject([
      {
        code: "EXTENSION_OLDER",
        severity: "blocker",
        object: "vector",
        why: expect.stringContaining("0.6.0"),
      },
    ]);
    expect(compareExtensions(at("0.8.1"), at("0.10.0"), use)).toEqual([]);
  });

  async function withCitext(onSource: string, onTarget: string): Promise<string[] | undefined> {
    const { connections } = await createWorld();
    const { facts } = await preflight(connections);
    const isAvailable = [facts.source, facts.target].every((side) =>
      side?.extensions?.available.includes("citext"),
    );
    if (!isAvailable) return undefined;
    await runSql(connections.source, `CREATE EXTENSION citext ${onSource}`);
    await runSql(connections.target, `CREATE SCHEMA tools; CREATE EXTENSION citext ${onTarget}`);
    await runSql(connections.source, "CREATE TABLE public.account (email public.citext UNIQUE)");
    return summarise(await preflight(connections));
  }

  test("an older version on the target", async ({ skip }) => {
    const lines = await withCitext("SCHEMA public", "SCHEMA public VERSION '1.4'");
    if (lines === undefined) return skip("no contrib modules here");
    expect(lines).toContain("blocker EXTENSION_OLDER citext");
    expect(lines.join()).not.toContain("EXTENSION_SCHEMA_DIFFERS");
  });

  test("another schema on the target", async ({ skip }) => {
    const lines = await withCitext("SCHEMA public VERSION '1.4'", "SCHEMA tools");
    if (lines === undefined) return skip("no contrib modules here");
    expect(lines).toContain("blocker EXTENSION_SCHEMA_DIFFERS citext");
    expect(lines.join()).not.toContain("EXTENSION_OLDER");
  });
});

describe("a source that a migration left fenced", () => {
  test("is one finding, and nothing of the fence is another", async () => {
    const world = await createWorld();
    const before = summarise(await preflight(world.connections));
    await fence(world);
    const after = summarise(await preflight(world.connections));
    expect(after.filter((line) => !before.includes(line))).toEqual(["blocker SOURCE_FENCED source"]);
  });

  test("is none when only the opened fence's remains are there", async () => {
    const world = await createWorld();
    const before = summarise(await preflight(world.connections));
    await fence(world);
    await runSql(world.connections.source, "DROP TABLE pgvector_cutover.witness");
    expect(summarise(await preflight(world.connections))).toEqual(before);
  });

  async function fence({ connections }: FixtureWorld): Promise<void> {
    await withConnection(connections.source, { purpose: "test" }, async (client) => {
      const tables = [{ schema: "public", name: "users" }];
      const options = { tables, schemas: ["public"], migrationId: "m-1", epoch: 1, yieldAfterMs: null };
      await client.query("BEGIN");
      await closeSourceFence(client, options);
      await client.query("COMMIT");
    });
  }
});

describe("what PostgreSQL 17 builds with an empty search path", () => {
  const functions = `
    CREATE TYPE public.mood AS ENUM ('calm');
    CREATE FUNCTION public.fold(t text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower(t)';
    CREATE FUNCTION public.bare(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN fold(t); END';
    CREATE FUNCTION public.outer_bare(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN public.bare(t); END';
    CREATE FUNCTION public.own_path(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE SET search_path = public AS 'BEGIN RETURN fold(t); END';
    CREATE FUNCTION public.qualified(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN public.fold(t); END';
    CREATE FUNCTION public.parsed(t text) RETURNS text LANGUAGE sql IMMUTABLE RETURN public.fold(t);
    CREATE FUNCTION public.mentions(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN /* fold(t) */ RETURN t || 'fold(t)'; END $$;
    CREATE FUNCTION public.counts() RETURNS bigint LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT count(*) FROM users); END';
    CREATE FUNCTION public.casts(t text) RETURNS text LANGUAGE plpgsql STABLE AS 'BEGIN RETURN t::mood::text; END';`;
  const builds = [
    ["bare", "CREATE INDEX built ON public.users (public.bare(email))", false],
    ["bare in a predicate", "CREATE INDEX built ON public.users (id) WHERE public.bare(email) <> ''", false],
    ["bare behind another", "CREATE INDEX built ON public.users (public.outer_bare(email))", false],
    ["a relation", "CREATE MATERIALIZED VIEW public.built AS SELECT public.counts()", false],
    ["a type", "CREATE MATERIALIZED VIEW public.built AS SELECT public.casts('calm')", false],
    [
      "bare behind a view",
      `CREATE VIEW public.folded AS SELECT public.bare(email) AS email FROM public.users;
       CREATE MATERIALIZED VIEW public.built AS SELECT email FROM public.folded`,
      false,
    ],
    ["own path", "CREATE INDEX built ON public.users (public.own_path(email))", true],
    ["qualified", "CREATE INDEX built ON public.users (public.qualified(email))", true],
    ["SQL-standard body", "CREATE INDEX built ON public.users (public.parsed(email))", true],
    ["only mentioned", "CREATE INDEX built ON public.users (public.mentions(email))", true],
    ["no function", "CREATE INDEX built ON public.users (lower(email))", true],
  ] as const;

  test.for(builds)("%s: the preflight foretells what the target does", async ([, build, works]) => {
    const { connections } = await createWorld();
    await runSql(connections.source, `SET search_path = public; ${functions} ${build}`);
    const result = await preflight(connections);
    const reported = summarise(result).filter((line) => line.includes("UNQUALIFIED"));
    const found = result.facts.source?.restrictedBuilds;
    expect(found && checkRestrictedBuilds(found, 16)).toEqual([]);
    expect(reported).toEqual(
      works ? [] : [expect.stringMatching(/^blocker UNQUALIFIED_NAME .* public\.built$/)],
    );
    const users =
      "CREATE TABLE public.users (id int, email text); INSERT INTO public.users VALUES (1, 'calm');";
    const onTarget = runSql(connections.target, `SET search_path = public; ${users} ${functions} ${build}`);
    if (works) await onTarget;
    else await expect(onTarget).rejects.toMatchObject({ code: expect.stringMatching(/^42(883|P01|704)$/) });
  });
});

describe("a source with 2,000 tables", () => {
  const tables = `DO $$ BEGIN FOR n IN 1..2000 LOOP
    EXECUTE format('CREATE TABLE medical_records.many_%s (id int PRIMARY KEY, user_id int REFERENCES public.users, note text)', n);
    IF n % 100 = 0 THEN COMMIT; END IF;
  END LOOP; END $$`;

  test("takes as many queries as one with three, and needs more locks than a server has by default", async () => {
    const { connections, accept } = await createWorld();
    const few = await countQueries({ connections, accept });
    await runSql(connections.source, tables);
    const many = await countQueries({ connections, accept });
    expect(many.queries).toBe(few.queries);
    expect(few.result.facts.source?.tables).toHaveLength(3);
    expect(many.result.facts.source?.tables).toHaveLength(2_003);
    expect(summarise(few.result).join()).not.toContain("LOCK_TABLE_TOO_SMALL");
    const { lockCapacity = 0 } = many.result.facts.target?.server ?? {};
    const needs = many.result.facts.source?.lockNeeds;
    expect(needs).toMatchObject({ copying: 4_007, dropping: 4_009 + 2 * 2_002 });
    expect(summarise(many.result).includes("blocker LOCK_TABLE_TOO_SMALL target")).toBe(
      (needs?.dropping ?? 0) > lockCapacity * 0.8,
    );
  });

  async function countQueries({ connections, accept }: FixtureWorld) {
    let queries = 0;
    const result = await runPreflight({
      railway: scriptRailway({ services: healthyServices(connections) }),
      inputs: { ...healthyInputs(connections), accept: [...accept] },
      mode: "run",
      connect: async (connection, options) => {
        const client = await connect(connection, options);
        const query = client.query.bind(client) as (...args: unknown[]) => unknown;
        client.query = ((...args: unknown[]) => {
          queries += 1;
          return query(...args);
        }) as typeof client.query;
        return client;
      },
    });
    return { queries, result };
  }
});
