import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { CutoverError } from "../../../components/errors.ts";
import type { Finding } from "../../../components/migration/finding.ts";
import type { MigrationInputs } from "../../../components/migration/inputs.ts";
import {
  checkServer,
  compareServers,
  type ServerFacts,
} from "../../../components/migration/preflight/database/server.ts";
import { checkDumpClient } from "../../../components/migration/preflight/dump-client.ts";
import { runPreflight } from "../../../components/migration/preflight/run-preflight.ts";
import { certificateMarginMs, checkTransport } from "../../../components/migration/preflight/transports.ts";
import { probeConnection } from "../../../components/migration/transport.ts";
import { connect, databaseUrl } from "../../../components/postgres/connection.ts";
import { createDatabase } from "../../world/postgres/databases.ts";
import { sharedServers } from "../../world/postgres/shared.ts";
import { createFixture, type PreflightFixture, runSql } from "./fixture.ts";
import { startPooler } from "./pooler.ts";
import { healthyInputs, healthyServices, preflight, scriptRailway, summarise } from "./world.ts";

const servers = sharedServers();
let fixture: PreflightFixture;

beforeAll(async () => {
  fixture = await createFixture(servers);
});
afterAll(() => fixture?.drop());

describe("a connection pooler in front of the source", () => {
  test.for(["refused", "ignored"] as const)("is found when start-up settings are %s", async (settings) => {
    const { connections } = await fixture.createWorld(onTestFinished);
    const pooler = await startPooler(connections.source, settings);
    onTestFinished(() => pooler.stop());
    const pooled = { ...connections.source, port: pooler.port };
    expect(summarise(await preflight({ ...connections, source: pooled }))).toContain(
      "blocker POOLER_IN_BETWEEN source",
    );
  });
});

describe("what the servers are", () => {
  let source: ServerFacts;
  let target: ServerFacts;

  beforeAll(async () => {
    const clean: Array<() => Promise<void>> = [];
    const { connections } = await fixture.createWorld((each) => clean.push(each));
    const { facts } = await preflight(connections);
    await Promise.all(clean.map((each) => each()));
    if (!facts.source?.server || !facts.target?.server) throw new Error("the servers were not observed");
    // The servers are shared with other test files, and so have other databases.
    source = { ...facts.source.server, otherDatabases: [] };
    target = facts.target.server;
  });

  const codes = (findings: readonly Finding[]) => findings.map(({ code }) => code);

  test("the two real ones are fit", () => {
    expect(checkServer("source", source)).toEqual([]);
    expect(checkServer("target", target)).toEqual([]);
    expect(codes(compareServers(source, target)).filter((code) => code !== "COLLATION_DIFFERS")).toEqual([]);
  });

  test.for([13, 12])("a source of version %i is too old", (major) => {
    expect(codes(checkServer("source", { ...source, major }))).toEqual(["SOURCE_TOO_OLD"]);
    expect(checkServer("source", { ...source, major: 14 })).toEqual([]);
  });

  test("a target of version 14 is too old", () => {
    expect(codes(checkServer("target", { ...target, major: 14 }))).toEqual(["TARGET_TOO_OLD"]);
  });

  test("a target of an older version than the source", async () => {
    const { connections } = await fixture.createWorld(onTestFinished);
    const swapped = { source: connections.target, target: connections.source };
    expect(summarise(await preflight(swapped))).toContain("blocker TARGET_OLDER_THAN_SOURCE target");
  });

  test("another encoding and collation", async () => {
    const { connections } = await fixture.createWorld(onTestFinished);
    const other = await createDatabase(servers.source);
    onTestFinished(() => other.drop());
    await runSql(servers.source.connection("postgres"), `DROP DATABASE "${other.connection.database}"`);
    await runSql(
      servers.source.connection("postgres"),
      `CREATE DATABASE "${other.connection.database}" TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'`,
    );
    expect(summarise(await preflight({ ...connections, source: other.connection }))).toEqual(
      expect.arrayContaining([
        "blocker ENCODING_DIFFERS target",
        "warning COLLATION_DIFFERS target",
        "warning ENCODING_UNCHECKED source",
      ]),
    );
  });
});

describe("read-only by default", () => {
  test("for the role of the applications, on either side", async () => {
    const { connections } = await fixture.createWorld(onTestFinished);
    for (const { database, ...connection } of Object.values(connections)) {
      await runSql(
        { ...connection, database },
        `ALTER ROLE postgres IN DATABASE "${database}" SET default_transaction_read_only = on`,
      );
    }
    const lines = summarise(await preflight(connections));
    expect(lines).toContain("blocker TARGET_READ_ONLY target");
    expect(lines).toContain("warning SOURCE_READ_ONLY source");
  });

  test("for another role it is a setting like any other", async () => {
    const { connections } = await fixture.createWorld(onTestFinished);
    await runSql(servers.source.connection("postgres"), "CREATE ROLE preflight_reader");
    onTestFinished(() => runSql(servers.source.connection("postgres"), "DROP ROLE preflight_reader"));
    await runSql(
      connections.source,
      `ALTER ROLE preflight_reader IN DATABASE "${connections.source.database}" SET default_transaction_read_only = on`,
    );
    const lines = summarise(await preflight(connections));
    expect(lines.filter((line) => line.includes("READ_ONLY"))).toEqual([]);
    expect(lines).toContain(
      "blocker SETTING_LOST role preflight_reader in this database: default_transaction_read_only",
    );
  });
});

describe("reaching the servers", () => {
  /** The two databases as their TCP proxies lead to them; only the source has TLS. */
  async function lookThrough(transport: Partial<MigrationInputs["transport"]>) {
    const { connections } = await fixture.createWorld(onTestFinished);
    const services = healthyServices(connections).map((service) => {
      const side =
        service.name === "Postgres" ? "source" : service.name === "pgvector" ? "target" : undefined;
      if (side === undefined) return service;
      return {
        ...service,
        variables: { ...service.variables, DATABASE_PUBLIC_URL: databaseUrl(connections[side]) },
      };
    });
    const inputs = healthyInputs(connections);
    return runPreflight({
      railway: scriptRailway({ services }),
      inputs: { ...inputs, transport: { ...inputs.transport, ...transport } },
      mode: "preview",
    });
  }
  const { fingerprint } = sharedServers().source;
  const other = Array(32).fill("AB").join(":");

  test("the pinned certificate", async () => {
    const result = await lookThrough({ source: { via: "tls", fingerprint } });
    expect(summarise(result).filter((line) => line.endsWith(" source"))).toEqual([
      // The server is shared with other tests.
      expect.stringMatching("OTHER_DATABASES"),
    ]);
    expect(result.facts.source?.server?.major).toBe(sharedServers().source.majorVersion);
  });

  test("a certificate that nobody has pinned yet is shown with the line to paste", async () => {
    const result = await lookThrough({ source: { via: "tls", fingerprint: null } });
    expect(result.findings.filter(({ object }) => object === "source")).toMatchObject([
      {
        ...{ code: "CERTIFICATE_NOT_PINNED", severity: "blocker" },
        remedy: expect.stringContaining(`source: { via: tls, fingerprint: "${fingerprint}" }`),
      },
    ]);
    expect(result.facts.source).toBeUndefined();
  });

  test("another certificate than the pinned one", async () => {
    const result = await lookThrough({ source: { via: "tls", fingerprint: other } });
    expect(summarise(result)).toContain("blocker CERTIFICATE_CHANGED source");
    expect(result.facts.source).toBeUndefined();
  });

  test("a server without TLS that must have a certificate", async () => {
    const result = await lookThrough({ target: { via: "tls", fingerprint: other } });
    expect(summarise(result)).toContain("blocker TLS_NOT_OFFERED target");
  });

  test("clear text is warned of, with the certificate that would do instead where there is one", async () => {
    const plaintext = { via: "plaintext", reason: "the rows are made up" } as const;
    const result = await lookThrough({ source: plaintext, target: plaintext });
    expect(result.findings.filter(({ code }) => code === "CLEAR_TEXT")).toMatchObject([
      {
        ...{ object: "source", severity: "warning", why: expect.stringContaining("the rows are made up") },
        remedy: expect.stringContaining(`source: { via: tls, fingerprint: "${fingerprint}" }`),
      },
      { object: "target", remedy: expect.not.stringContaining("fingerprint") },
    ]);
  });

  test.for([
    [certificateMarginMs, ["CERTIFICATE_ENDS"]],
    [-1, ["CERTIFICATE_ENDS"]],
    [certificateMarginMs + 1, []],
  ] as const)("a pinned certificate that ends in %i ms", async ([validForMs, codes]) => {
    const { connections } = await fixture.createWorld(onTestFinished);
    const now = new Date();
    const certificate = { fingerprint: other, validTo: new Date(now.getTime() + validForMs) };
    const findings = await checkTransport(
      "source",
      { via: "tls", fingerprint: other },
      connections.source,
      now,
      async () => certificate,
    );
    expect(findings.map(({ code }) => code)).toEqual(codes);
  });

  test("a server without TLS where the connection must be encrypted", async () => {
    const { connections } = await fixture.createWorld(onTestFinished);
    const result = await runPreflight({
      railway: scriptRailway({ services: healthyServices(connections) }),
      inputs: healthyInputs(connections),
      mode: "preview",
      // It had TLS when it was asked, and has none when the session is opened.
      probe: async (request) => ({ ...(await probeConnection(request)), tls: "require" }),
    });
    expect(summarise(result)).toContain("blocker TLS_NOT_OFFERED target");
  });

  test("a private transport to a service whose URL is public", async () => {
    const { connections } = await fixture.createWorld(onTestFinished);
    const services = healthyServices(connections).map((service) =>
      service.name === "Postgres"
        ? {
            ...service,
            variables: {
              ...service.variables,
              DATABASE_URL: "postgresql://u:p@shuttle.proxy.rlwy.net:15140/x",
            },
          }
        : service,
    );
    const transport = { ...healthyInputs(connections).transport, source: { via: "private" as const } };
    expect(
      summarise(await preflight(connections, { railway: { services }, inputs: { transport } })),
    ).toContain("blocker PRIVATE_URL_NOT_PRIVATE source");
  });

  test("a URL for the services that is not the one that was checked", async () => {
    const { connections } = await fixture.createWorld(onTestFinished);
    const { host, port, user, password, database } = connections.target;
    const services = healthyServices(connections).map((service) =>
      service.name === "pgvector"
        ? {
            ...service,
            variables: {
              ...service.variables,
              DATABASE_URL: "postgresql://postgres:other@pgvector.railway.internal:5432/vectors",
              DATABASE_PUBLIC_URL: `postgresql://${user}:${password}@${host}:${port}/${database}`,
            },
          }
        : service,
    );
    const inputs = healthyInputs(connections);
    const reason = "the local world has no real patients";
    const transport = { ...inputs.transport, target: { via: "plaintext" as const, reason } };
    const { findings } = await preflight(connections, { railway: { services }, inputs: { transport } });
    expect(findings.find(({ code }) => code === "TARGET_URL_DIFFERS")).toMatchObject({
      severity: "blocker",
      why: expect.stringContaining("database and password"),
    });
  });

  test("a check that fails is one finding, names the SQLSTATE, and the others are made", async () => {
    const { connections } = await fixture.createWorld(onTestFinished);
    const result = await runPreflight({
      railway: scriptRailway({ services: healthyServices(connections) }),
      inputs: healthyInputs(connections),
      mode: "preview",
      connect: async (connection, options) => {
        const client = await connect(connection, options);
        const query = client.query.bind(client) as (...all: unknown[]) => Promise<unknown>;
        client.query = ((text: string, ...rest: unknown[]) =>
          query(
            typeof text === "string" && text.includes("pg_available_extensions") ? "SELECT 1 / 0" : text,
            ...rest,
          )) as typeof client.query;
        return client;
      },
    });
    expect(summarise(result)).toContain("unchecked CHECK_FAILED source extensions");
    expect(result.findings.find(({ code }) => code === "CHECK_FAILED")?.why).toContain("22012");
    expect(result.facts.source?.roles).toBeDefined();
  });

  test("a server that refuses the session for a reason of its own", async () => {
    const { connections } = await fixture.createWorld(onTestFinished);
    const result = await runPreflight({
      railway: scriptRailway({ services: healthyServices(connections) }),
      inputs: healthyInputs(connections),
      mode: "preview",
      connect: async () => {
        throw new CutoverError({ code: "CONNECTION_FAILED", message: "57P03", remedy: "Wait." });
      },
    });
    expect(summarise(result)).toContain("unchecked CONNECTION_FAILED target");
  });

  test("services that demand TLS, which the target does not offer", async () => {
    const { connections } = await fixture.createWorld(onTestFinished);
    const services = healthyServices(connections).map((service) =>
      service.name === "@healthcare/api"
        ? {
            ...service,
            variables: { ...service.variables, PGSSLMODE: "require", DB_SSL: "false", USES_SSL: "true" },
          }
        : service,
    );
    const lines = summarise(await preflight(connections, { railway: { services } }));
    expect(lines.filter((line) => line.includes("TLS_DEMANDED"))).toEqual([
      "blocker TLS_DEMANDED @healthcare/api PGSSLMODE",
    ]);
    expect(lines).toContain("warning TLS_NOT_ON_TARGET target");
  });

  test("a volume that is not where the server itself says its data is", async () => {
    const { connections } = await fixture.createWorld(onTestFinished);
    const services = healthyServices(connections).map((service) => {
      const { PGDATA: _unset, ...variables } = service.variables;
      return { ...service, variables };
    });
    expect(summarise(await preflight(connections, { railway: { services } }))).toContain(
      "blocker VOLUME_NOT_AT_PGDATA target",
    );
  });

  test("no pg_dump as new as the servers", async () => {
    const findings: Finding[] = [];
    expect(await checkDumpClient(99, findings)).toBeUndefined();
    expect(findings).toMatchObject([{ code: "DUMP_CLIENT_MISSING", remedy: expect.stringContaining("99") }]);
  });

  test("a volume without room for the source as it is", async () => {
    const { connections } = await fixture.createWorld(onTestFinished);
    const withFreeMegabytes = (free: number) =>
      healthyServices(connections).map((service) => {
        const volume = service.settings?.volume;
        if (!volume) return service;
        const full = { ...volume, sizeMB: 5_000, currentSizeMB: 5_000 - free };
        return { ...service, settings: { ...service.settings, volume: full } };
      });
    const lines = async (free: number) =>
      summarise(await preflight(connections, { railway: { services: withFreeMegabytes(free) } }));
    expect(await lines(5)).toContain("blocker DISK_SPACE target");
    expect(await lines(500)).not.toContain("blocker DISK_SPACE target");
  });
});
