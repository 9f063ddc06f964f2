import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { CutoverError } from "../../../components/errors.ts";
import type { MigrationInputs } from "../../../components/migration/inputs.ts";
import { applyAcceptances } from "../../../components/migration/preflight/acceptances.ts";
import { findingDefinitions } from "../../../components/migration/preflight/registry.ts";
import type { ConnectionTarget } from "../../../components/postgres/connection.ts";
import type { FileSettings, RailwayVolume, VariableRecord } from "../../../components/railway/railway.ts";
import { closedPort } from "./closed-port.ts";
import {
  deployment,
  healthyInputs,
  healthyServices,
  type PreflightWorld,
  preflight,
  type ScriptedService,
  summarise,
} from "./world.ts";

// Railway's side needs no database: both servers are out of reach, which a preview tolerates.
let world: PreflightWorld;

beforeAll(async () => {
  const port = await closedPort();
  const connection = (label: string): ConnectionTarget => ({
    label,
    host: "127.0.0.1",
    port,
    database: "railway",
    user: "postgres",
    password: `secret-${label}`,
    tls: "off",
  });
  world = { source: connection("source"), target: connection("target") };
});

const sourceReference = "${{Postgres.DATABASE_URL}}";

function changed(
  name: string,
  change: Partial<ScriptedService>,
): { railway: { services: ScriptedService[] } } {
  const services = healthyServices(world).map((service) =>
    service.name === name
      ? {
          ...service,
          ...change,
          variables: { ...service.variables, ...change.variables },
          settings: { ...service.settings, ...change.settings },
        }
      : service,
  );
  return { railway: { services } };
}

function withService(service: ScriptedService): { railway: { services: ScriptedService[] } } {
  return { railway: { services: [...healthyServices(world), service] } };
}

const inFile = (settings: Partial<FileSettings>): FileSettings => ({
  file: "/railway.json",
  names: [],
  healthcheckPath: null,
  startCommand: null,
  preDeployCommand: [],
  ...settings,
});

const changedLate = (name: string): VariableRecord => ({
  name,
  serviceId: "id-@healthcare/api",
  isSealed: false,
  references: [],
  updatedAt: new Date("2026-11-20T00:00:00Z"),
});

function withVariables(...variables: string[]): MigrationInputs["services"] {
  return healthyInputs(world).services.map((each) => ({ ...each, variables }));
}

function targetVolume(): RailwayVolume {
  const volume = healthyServices(world).find(({ name }) => name === "pgvector")?.settings?.volume;
  if (!volume) throw new Error("the healthy world's target has a volume");
  return volume;
}

describe("on a healthy Railway", () => {
  test("only the servers are reported as not checked", async () => {
    expect(summarise(await preflight(world))).toEqual([
      "unchecked SERVER_UNREACHABLE source",
      "unchecked SERVER_UNREACHABLE target",
    ]);
  });
});

describe("one bad thing gives its finding", () => {
  const cases: ReadonlyArray<{
    name: string;
    change: () => Parameters<typeof preflight>[1];
    expected: string;
  }> = [
    {
      name: "an unknown source",
      change: () => ({ inputs: { source: "Postgre" } }),
      expected: "blocker SERVICE_NOT_FOUND Postgre",
    },
    {
      name: "two services of one name",
      change: () => withService({ name: "pgvector", variables: {} }),
      expected: "blocker SERVICE_AMBIGUOUS pgvector",
    },
    {
      name: "one service as source and target",
      change: () => ({ inputs: { source: "pgvector" } }),
      expected: "blocker SAME_SERVICE pgvector",
    },
    {
      name: "an application named as the source",
      change: () => ({ inputs: { source: "@healthcare/api" } }),
      expected: "blocker DATABASE_IS_APPLICATION @healthcare/api",
    },
    {
      name: "a service that runs no PostgreSQL",
      change: () => changed("pgvector", { settings: { image: "redis:7" } }),
      expected: "blocker NOT_POSTGRES pgvector",
    },
    {
      name: "staged changes",
      change: () => ({
        railway: { services: healthyServices(world), environment: { unmergedChangesCount: 2 } },
      }),
      expected: "blocker STAGED_CHANGES production",
    },
    {
      name: "an environment that the token may not use",
      change: () => ({ railway: { services: healthyServices(world), environment: { canAccess: false } } }),
      expected: "blocker NO_ACCESS production",
    },
    {
      name: "a deployment under way, also with a status that is not known",
      change: () =>
        changed("@healthcare/api", {
          settings: { latestDeployment: deployment("id-@healthcare/api", "BREWING") },
        }),
      expected: "blocker DEPLOYMENT_IN_PROGRESS @healthcare/api",
    },
    {
      name: "a crashed service",
      change: () =>
        changed("@healthcare/api", {
          settings: { latestDeployment: deployment("id-@healthcare/api", "CRASHED") },
        }),
      expected: "warning SERVICE_NOT_RUNNING @healthcare/api",
    },
    {
      name: "no health check",
      change: () => changed("@healthcare/api", { settings: { healthcheckPath: null } }),
      expected: "warning HEALTH_CHECK_MISSING @healthcare/api",
    },
    {
      name: "a configuration file",
      change: () => changed("@healthcare/api", { settings: { fileSettings: inFile({}) } }),
      expected: "warning SETTINGS_IN_FILE @healthcare/api",
    },
    {
      name: "a health check that only the configuration file sets",
      change: () =>
        changed("@healthcare/api", {
          settings: { healthcheckPath: null, fileSettings: inFile({ healthcheckPath: "/health" }) },
        }),
      expected: "warning HEALTH_CHECK_ONLY_IN_FILE @healthcare/api",
    },
    {
      name: "a pre-deploy command that the configuration file sets",
      change: () =>
        changed("@healthcare/api", {
          settings: { fileSettings: inFile({ preDeployCommand: ["npm run x"] }) },
        }),
      expected: "blocker WRITES_BEFORE_START @healthcare/api",
    },
    {
      name: "an older deployment under way behind one that was skipped",
      change: () =>
        changed("@healthcare/api", {
          settings: {
            latestDeployment: deployment("id-@healthcare/api", "SKIPPED"),
            activeDeployments: [deployment("id-@healthcare/api", "DEPLOYING")],
          },
        }),
      expected: "blocker DEPLOYMENT_IN_PROGRESS @healthcare/api",
    },
    ...["Postgres", "pgvector"].map((name) => ({
      name: `an image of ${name} that Railway replaces by itself`,
      change: () => ({
        railway: { services: healthyServices(world), settings: { autoUpdatedServices: [`id-${name}`] } },
      }),
      expected: `blocker IMAGE_AUTO_UPDATE ${name}`,
    })),
    {
      name: "an environment without a private network",
      change: () => ({
        railway: { services: healthyServices(world), settings: { privateNetworkDisabled: true } },
      }),
      expected: "blocker PRIVATE_NETWORK_DISABLED production",
    },
    {
      name: "settings that Railway does not show to the token",
      change: () => ({
        railway: {
          services: healthyServices(world),
          methods: { environmentSettings: () => Promise.reject(new Error("Not Authorized")) },
        },
      }),
      expected: "warning RAILWAY_DETAILS_UNREADABLE production settings",
    },
    {
      name: "a token of somebody who may only look",
      change: () => ({
        railway: {
          services: healthyServices(world),
          methods: { projectAccess: async () => ({ deploymentsDisallowed: null, role: "VIEWER" }) },
        },
      }),
      expected: "blocker TOKEN_READS_ONLY clinic",
    },
    {
      name: "a project in which Railway allows no deployments",
      change: () => ({
        railway: {
          services: healthyServices(world),
          methods: {
            projectAccess: async () => ({ deploymentsDisallowed: "The trial is over.", role: undefined }),
          },
        },
      }),
      expected: "blocker DEPLOYMENTS_DISALLOWED clinic",
    },
    {
      name: "a token that may not list deployments, where the latest does not tell how long one takes",
      change: () => ({
        railway: {
          services: changed("@healthcare/api", {
            settings: { latestDeployment: deployment("id-@healthcare/api", "SLEEPING") },
          }).railway.services,
          methods: {
            listDeployments: () =>
              Promise.reject(
                new CutoverError({ code: "RAILWAY_NOT_AUTHORIZED", message: "No.", remedy: "Another." }),
              ),
          },
        },
      }),
      expected: "blocker RAILWAY_NOT_AUTHORIZED @healthcare/api deployments",
    },
    {
      name: "a variable that was changed and not deployed",
      change: () => ({
        railway: { services: healthyServices(world), records: [changedLate("LOG_LEVEL")] },
      }),
      expected: "blocker UNDEPLOYED_VARIABLES @healthcare/api",
    },
    {
      name: "a variable that the service does not have",
      change: () => ({ inputs: { services: withVariables("DATABASE_URL", "READ_URL") } }),
      expected: "warning VARIABLE_ABSENT @healthcare/api READ_URL",
    },
    {
      name: "a reference to a service that does not exist",
      change: () => changed("@healthcare/api", { variables: { DATABASE_URL: "${{Postgre.DATABASE_URL}}" } }),
      expected: "blocker UNKNOWN_DATABASE @healthcare/api DATABASE_URL",
    },
    {
      name: "another database of the old server",
      change: () =>
        changed("@healthcare/api", {
          variables: { DATABASE_URL: "postgresql://postgres:p@postgres.railway.internal:5432/billing" },
        }),
      expected: "blocker DATABASE_DIFFERS @healthcare/api DATABASE_URL",
    },
    ...["postgres.railway.internal:5432", "shuttle.proxy.rlwy.net:15140"].map((address) => ({
      name: `another role than the target's, at ${address}`,
      change: () =>
        changed("@healthcare/api", {
          variables: { DATABASE_URL: `postgresql://app:p@${address}/railway` },
        }),
      expected: "blocker LOGIN_DIFFERS @healthcare/api DATABASE_URL",
    })),
    {
      name: "less shared memory than the source has",
      change: () => changed("Postgres", { variables: { RAILWAY_SHM_SIZE_BYTES: "524288000" } }),
      expected: "warning SHARED_MEMORY_SMALLER target",
    },
    {
      name: "a volume that Railway works on",
      change: () => changed("pgvector", { settings: { volume: { ...targetVolume(), state: "MIGRATING" } } }),
      expected: "blocker VOLUME_NOT_READY target",
    },
    {
      name: "a database service in deployment",
      change: () =>
        changed("Postgres", { settings: { latestDeployment: deployment("id-Postgres", "WAITING") } }),
      expected: "blocker DEPLOYMENT_IN_PROGRESS Postgres",
    },
    ...["DATABASE_PRIVATE_URL", "SHADOW_DATABASE_URL"].map((name) => ({
      name: `the private host in ${name}`,
      change: () =>
        changed("@healthcare/api", {
          variables: { [name]: "postgresql://a:b@Postgres.Railway.Internal.:5432/railway" },
        }),
      expected: `blocker OTHER_CONSUMER @healthcare/api ${name}`,
    })),
    {
      name: "the old password by reference",
      change: () => changed("@healthcare/api", { variables: { PGPASSWORD: '${{ "Postgres".PGPASSWORD }}' } }),
      expected: "blocker OTHER_CONSUMER @healthcare/api PGPASSWORD",
    },
    ...(
      [
        ["PROJECT_NOT_FOUND", "blocker"],
        ["PROJECT_AMBIGUOUS", "blocker"],
        ["ENVIRONMENT_NOT_FOUND", "blocker"],
        ["ENVIRONMENT_AMBIGUOUS", "blocker"],
        ["RAILWAY_NOT_FOUND", "blocker"],
        ["RAILWAY_TOKEN_OF_OTHER_ENVIRONMENT", "blocker"],
        ["RAILWAY_SCHEMA_CHANGED", "blocker"],
        ["RAILWAY_ANSWER_UNEXPECTED", "blocker"],
        ["RAILWAY_REQUEST_FAILED", "unchecked"],
        ["RAILWAY_RATE_LIMITED", "unchecked"],
      ] as const
    ).map(([code, severity]) => ({
      name: `Railway's failure ${code}`,
      change: () => ({
        railway: {
          services: healthyServices(world),
          methods: {
            resolveEnvironment: () =>
              Promise.reject(new CutoverError({ code, message: "No.", remedy: "Look." })),
          },
        },
      }),
      expected: `${severity} ${code} clinic production`,
    })),
    {
      name: "a pre-deploy command that may write",
      change: () => changed("@healthcare/api", { settings: { preDeployCommand: ["prisma migrate deploy"] } }),
      expected: "blocker WRITES_BEFORE_START @healthcare/api",
    },
    {
      name: "a start command that migrates",
      change: () =>
        changed("@healthcare/api", { settings: { startCommand: "npx prisma migrate deploy && node ." } }),
      expected: "blocker WRITES_BEFORE_START @healthcare/api",
    },
    {
      name: "no canary that can start read-only",
      change: () => ({
        inputs: {
          services: healthyInputs(world).services.map((each) => ({ ...each, startsReadOnly: false })),
        },
      }),
      expected: "blocker NO_READ_ONLY_CANARY wave 0",
    },
    {
      name: "a sealed variable",
      change: () => changed("@healthcare/api", { variables: { DATABASE_URL: null } }),
      expected: "blocker VARIABLE_SEALED @healthcare/api DATABASE_URL",
    },
    ...["${{pgvector.DATABASE_URL}}", "postgresql://a:b@pgvector.railway.internal:5432/railway"].map(
      (text) => ({
        name: `a variable that names the target already: ${text}`,
        change: () => changed("@healthcare/api", { variables: { DATABASE_URL: text } }),
        expected: "warning VARIABLE_NAMES_TARGET @healthcare/api DATABASE_URL",
      }),
    ),
    {
      name: "an unknown third database",
      change: () =>
        changed("@healthcare/api", { variables: { DATABASE_URL: "postgresql://a:b@elsewhere:5432/x" } }),
      expected: "blocker UNKNOWN_DATABASE @healthcare/api DATABASE_URL",
    },
    {
      name: "connection parameters beside the reference",
      change: () =>
        changed("@healthcare/api", { variables: { DATABASE_URL: `${sourceReference}?connection_limit=5` } }),
      expected: "blocker CONNECTION_PARAMETERS_LOST @healthcare/api DATABASE_URL",
    },
    {
      name: "another variable of the same service",
      change: () => changed("@healthcare/api", { variables: { DIRECT_URL: sourceReference } }),
      expected: "blocker OTHER_CONSUMER @healthcare/api DIRECT_URL",
    },
    {
      name: "another service with the literal private host",
      change: () =>
        withService({ name: "cron", variables: { PGHOST: "postgres.railway.internal" }, settings: {} }),
      expected: "blocker OTHER_CONSUMER cron PGHOST",
    },
    {
      name: "another service with the TCP proxy's address",
      change: () =>
        withService({
          name: "metabase",
          variables: { DB: "postgresql://u:p@shuttle.proxy.rlwy.net:15140/railway" },
        }),
      expected: "blocker OTHER_CONSUMER metabase DB",
    },
    {
      name: "a shared variable",
      change: () => ({
        railway: { services: healthyServices(world), shared: { SHADOW_DATABASE_URL: sourceReference } },
      }),
      expected: "blocker OTHER_CONSUMER shared SHADOW_DATABASE_URL",
    },
    {
      name: "a sealed variable elsewhere",
      change: () => withService({ name: "worker", variables: { TOKEN: null } }),
      expected: "warning UNREADABLE_VARIABLES worker",
    },
    {
      name: "a public DATABASE_URL of the target",
      change: () =>
        changed("pgvector", {
          variables: { DATABASE_URL: "postgresql://u:p@shuttle.proxy.rlwy.net:20000/railway" },
        }),
      expected: "blocker TARGET_URL_PUBLIC target DATABASE_URL",
    },
    {
      name: "an empty host in the target's DATABASE_URL",
      change: () => changed("pgvector", { variables: { DATABASE_URL: "postgresql://postgres:p@:/railway" } }),
      expected: "blocker URL_INVALID target DATABASE_URL",
    },
    {
      name: "an empty host in a public URL",
      change: () => ({
        ...changed("Postgres", { variables: { DATABASE_PUBLIC_URL: "postgresql://postgres:p@:/railway" } }),
        inputs: {
          transport: {
            ...healthyInputs(world).transport,
            source: { via: "tls" as const, fingerprint: null },
          },
        },
      }),
      expected: "blocker URL_INVALID source",
    },
    {
      name: "a target without a volume",
      change: () => changed("pgvector", { settings: { volume: null } }),
      expected: "blocker VOLUME_MISSING target",
    },
    {
      name: "a volume that is not at PGDATA",
      change: () => changed("pgvector", { variables: { PGDATA: "/var/lib/postgresql/18/docker" } }),
      expected: "blocker VOLUME_NOT_AT_PGDATA target",
    },
    {
      name: "an API out of reach",
      change: () => ({
        railway: {
          services: healthyServices(world),
          methods: {
            resolveEnvironment: () =>
              Promise.reject(
                new CutoverError({ code: "RAILWAY_UNREACHABLE", message: "No answer.", remedy: "Wait." }),
              ),
          },
        },
      }),
      expected: "unchecked RAILWAY_UNREACHABLE clinic production",
    },
    {
      name: "a token of the wrong kind",
      change: () => ({
        railway: {
          services: healthyServices(world),
          methods: {
            resolveEnvironment: () =>
              Promise.reject(
                new CutoverError({ code: "RAILWAY_NOT_AUTHORIZED", message: "No.", remedy: "Another." }),
              ),
          },
        },
      }),
      expected: "blocker RAILWAY_NOT_AUTHORIZED clinic production",
    },
  ];

  test.for(cases)("$name", async ({ change, expected }) => {
    const result = await preflight(world, change());
    expect(summarise(result)).toContain(expected);
    const text = JSON.stringify(result.findings);
    expect(text).not.toMatch(/secret-(source|target)/);
    expect(text).not.toContain("postgresql://u:p");
  });

  test("a service that may write while it starts, because it follows after the promotion, is none", async () => {
    const settings = {
      preDeployCommand: ["prisma migrate deploy"],
      startCommand: "npm run migrate && npm start",
    };
    const [service] = healthyInputs(world).services;
    const services = [
      { ...service, startsReadOnly: false },
      { ...service, name: "canary" },
    ] as MigrationInputs["services"];
    const { railway } = changed("@healthcare/api", { settings });
    const canary = { name: "canary", variables: { DATABASE_URL: sourceReference } };
    const result = await preflight(world, {
      railway: { services: [...railway.services, canary] },
      inputs: { services },
    });
    expect(summarise(result).filter((line) => line.includes("WRITES_BEFORE_START"))).toEqual([]);
  });

  test("the cutover's own variable, which an interrupted one leaves set and not deployed, is none", async () => {
    const records = [changedLate("DATABASE_URL"), { ...changedLate("X"), serviceId: "id-pgvector" }];
    const result = await preflight(world, { railway: { services: healthyServices(world), records } });
    expect(summarise(result).join()).not.toContain("UNDEPLOYED_VARIABLES");
  });

  test("a service whose name only contains the old host's is no consumer", async () => {
    const { findings } = await preflight(
      world,
      withService({
        name: "other",
        variables: {
          A: "my-postgres.railway.internal",
          B: "postgres.railway.internal.example",
          C: "${{Postgres2.URL}}",
        },
      }),
    );
    expect(findings.filter(({ code }) => code === "OTHER_CONSUMER")).toEqual([]);
  });
});

test("several bad things are reported together", async () => {
  const { railway } = changed("@healthcare/api", { variables: { DATABASE_URL: null } });
  const result = await preflight(world, {
    railway: { ...railway, environment: { unmergedChangesCount: 1 } },
    inputs: { target: "pgvecto", schemas: ["public", "llm_assistant"] },
  });
  expect(summarise(result)).toEqual(
    expect.arrayContaining([
      "blocker SCHEMA_MOVED_AND_PROTECTED llm_assistant",
      "blocker SERVICE_NOT_FOUND pgvecto",
      "blocker STAGED_CHANGES production",
      "blocker VARIABLE_SEALED @healthcare/api DATABASE_URL",
    ]),
  );
});

test("a variable that the service is to get with the cutover is no news", async () => {
  const services = withVariables("DATABASE_URL", "READ_URL").map((each) => ({
    ...each,
    newVariables: ["READ_URL"],
  }));
  expect(summarise(await preflight(world, { inputs: { services } })).join()).not.toContain("VARIABLE_ABSENT");
});

test("a source that is not found is told once, and not of every service whose database it is", async () => {
  const codes = summarise(await preflight(world, { inputs: { source: "Postgre" } }));
  expect(codes.filter((line) => line.startsWith("blocker"))).toEqual(["blocker SERVICE_NOT_FOUND Postgre"]);
});

describe("acceptances", () => {
  const reason = "agreed with the team on Monday";
  const staged = () => ({ services: healthyServices(world), environment: { unmergedChangesCount: 1 } });

  test("turn an acceptable blocker into a warning with the reason", async () => {
    const { findings } = await preflight(world, {
      railway: staged(),
      inputs: { accept: [{ code: "STAGED_CHANGES", object: "production", reason }] },
    });
    const finding = findings.find(({ code }) => code === "STAGED_CHANGES");
    expect(finding).toMatchObject({ severity: "warning", acceptedBecause: reason });
  });

  test("are called stale when nothing is found for them and everything was looked at", () => {
    const accept = [{ code: "STAGED_CHANGES", object: "production", reason }];
    expect(applyAcceptances([], accept, findingDefinitions)).toMatchObject([
      { code: "ACCEPTANCE_STALE", severity: "warning", object: "STAGED_CHANGES production" },
    ]);
    const unknown = {
      code: "SERVER_UNREACHABLE",
      severity: "unchecked",
      object: "",
      why: "",
      remedy: "",
    } as const;
    expect(applyAcceptances([unknown], accept, findingDefinitions)).toEqual([unknown]);
  });

  test("hold for exactly one object", async () => {
    const { findings } = await preflight(world, {
      railway: staged(),
      inputs: { accept: [{ code: "STAGED_CHANGES", object: "staging", reason }] },
    });
    expect(findings.find(({ code }) => code === "STAGED_CHANGES")?.severity).toBe("blocker");
  });

  test("do not move what cannot be accepted, and say so", async () => {
    const result = await preflight(world, {
      ...changed("@healthcare/api", { variables: { DATABASE_URL: null } }),
      inputs: { accept: [{ code: "VARIABLE_SEALED", object: "@healthcare/api DATABASE_URL", reason }] },
    });
    expect(summarise(result)).toEqual(
      expect.arrayContaining([
        "blocker VARIABLE_SEALED @healthcare/api DATABASE_URL",
        "warning ACCEPTANCE_IMPOSSIBLE VARIABLE_SEALED @healthcare/api DATABASE_URL",
      ]),
    );
  });
});

describe("the configured health check", () => {
  test.for([
    [200, []],
    [503, ["warning HEALTH_CHECK_FAILING @healthcare/api"]],
    [302, ["warning HEALTH_CHECK_FAILING @healthcare/api"]],
  ] as const)("that answers %i", async ([status, expected]) => {
    const server = createServer((_request, response) => response.writeHead(status).end()).listen(
      0,
      "127.0.0.1",
    );
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const services = healthyInputs(world).services.map((each) => ({
      ...each,
      healthCheckUrl: `http://127.0.0.1:${port}/health`,
    }));
    const lines = summarise(await preflight(world, { inputs: { services } }));
    expect(lines.filter((line) => line.includes("HEALTH"))).toEqual(expected);
  });

  test("that does not answer at all", async () => {
    const services = healthyInputs(world).services.map((each) => ({
      ...each,
      healthCheckUrl: `http://127.0.0.1:${world.source.port}/health`,
    }));
    const lines = summarise(await preflight(world, { inputs: { services } }));
    expect(lines).toContain("warning HEALTH_CHECK_FAILING @healthcare/api");
  });
});

describe("how long a deployment takes is learnt from the last successful one", () => {
  const lasting = (ms: number) => {
    const listed = deployment("id-@healthcare/api", "SUCCESS");
    return { ...listed, statusUpdatedAt: new Date(listed.createdAt.getTime() + ms) };
  };

  test.for([
    ["its own time, without asking for others", lasting(42_000), null, 42_000],
    [
      "not from one that woke up days later",
      lasting(172_800_000),
      [lasting(172_800_000), lasting(50_000)],
      50_000,
    ],
    ["nor from one without a duration", lasting(0), [lasting(0)], undefined],
  ] as const)("%s", async ([, latestDeployment, listed, expected]) => {
    const { services } = changed("@healthcare/api", { settings: { latestDeployment } }).railway;
    const methods = listed === null ? {} : { listDeployments: async () => [...listed] };
    const { facts } = await preflight(world, { railway: { services, methods } });
    expect(facts.services.apps[0]?.deploymentMs).toBe(expected);
  });
});

test("every code is upper case and has a remedy", () => {
  for (const [code, { remedy }] of Object.entries(findingDefinitions)) {
    expect(code).toMatch(/^[A-Z][A-Z_]+$/);
    expect(remedy.length).toBeGreaterThan(10);
  }
});
