import type { MigrationInputs } from "../../../components/migration/inputs.ts";
import { type PreflightResult, runPreflight } from "../../../components/migration/preflight/run-preflight.ts";
import type { ConnectionTarget } from "../../../components/postgres/connection.ts";
import type {
  EnvironmentSettings,
  Railway,
  RailwayService,
  VariableRecord,
} from "../../../components/railway/railway.ts";
import { parseReferences } from "../../../components/railway/references.ts";

/** A service of the scripted Railway that the preflight's tests read from. */
export interface ScriptedService {
  readonly name: string;
  readonly variables: Readonly<Record<string, string | null>>;
  readonly settings?: Partial<RailwayService>;
}

export interface ScriptedRailway {
  readonly services: readonly ScriptedService[];
  readonly shared?: Readonly<Record<string, string | null>>;
  readonly environment?: { readonly canAccess?: boolean; readonly unmergedChangesCount?: number };
  readonly settings?: Partial<EnvironmentSettings>;
  readonly records?: readonly VariableRecord[];
  /** Replaces single methods, for example with one that fails. */
  readonly methods?: Partial<Railway>;
}

const created = new Date("2026-11-01T12:00:00Z");

/** A Railway that answers the preflight's questions and throws at everything else, above all at every mutation. */
export function scriptRailway({
  services,
  shared = {},
  environment = {},
  settings = {},
  records = [],
  methods = {},
}: ScriptedRailway): Railway {
  const byId = (id: string | null) => services.find(({ name }) => `id-${name}` === id);
  const answers: Partial<Railway> = {
    resolveEnvironment: async () => ({
      projectId: "project",
      projectName: "clinic",
      environmentId: "environment",
      environmentName: "production",
    }),
    environmentFacts: async () => ({
      canAccess: true,
      unmergedChangesCount: 0,
      projectEnvironments: undefined,
      ...environment,
    }),
    environmentSettings: async () => ({
      autoUpdatedServices: [],
      privateNetworkDisabled: false,
      ...settings,
    }),
    variableRecords: async () => records,
    listServices: async () => services.map(asService),
    rawVariables: async (_scope, id) =>
      new Map(Object.entries(id === null ? shared : (byId(id)?.variables ?? {}))),
    rawVariablesOf: async (_scope, ids) =>
      new Map(ids.map((id) => [id, new Map(Object.entries(byId(id)?.variables ?? {}))])),
    serviceVariables: async (_scope, id) => {
      const variables = Object.entries(byId(id)?.variables ?? {});
      const rendered = variables.map(
        ([name, text]) => [name, text === null ? null : render(text, services, shared)] as const,
      );
      return { raw: new Map(variables), rendered: new Map(rendered) };
    },
    projectAccess: async () => ({ deploymentsDisallowed: null, role: undefined }),
    tryVariableWrite: async () => {},
    listVolumeBackups: async () => [],
    ...methods,
  };
  return new Proxy(answers as Railway, {
    get(target, name) {
      if (name in target) return Reflect.get(target, name);
      throw new Error(`the preflight must not call ${String(name)}`);
    },
  });
}

export interface PreflightWorld {
  readonly source: ConnectionTarget;
  readonly target: ConnectionTarget;
}

/** Two databases and one application service in the best order; tests break one thing each. */
export function healthyServices({ source, target }: PreflightWorld): ScriptedService[] {
  return [
    {
      name: "Postgres",
      variables: {
        DATABASE_URL: privateUrl(source, "postgres.railway.internal"),
        RAILWAY_PRIVATE_DOMAIN: "postgres.railway.internal",
        RAILWAY_TCP_PROXY_DOMAIN: "shuttle.proxy.rlwy.net",
        RAILWAY_TCP_PROXY_PORT: "15140",
      },
      settings: {
        image: "ghcr.io/railwayapp-templates/postgres-ssl:16",
        volume: {
          id: "old-volume",
          instanceId: "old-volume-instance",
          serviceId: "id-Postgres",
          mountPath: "/var/lib/postgresql/data",
          state: "READY",
          currentSizeMB: 100,
          sizeMB: 5_000,
        },
      },
    },
    {
      name: "pgvector",
      variables: {
        DATABASE_URL: privateUrl(target, "pgvector.railway.internal"),
        RAILWAY_PRIVATE_DOMAIN: "pgvector.railway.internal",
        PGDATA: "/var/lib/postgresql/data/pgdata",
      },
      settings: {
        image: "pgvector/pgvector:pg17",
        volume: {
          id: "volume",
          instanceId: "volume-instance",
          serviceId: "id-pgvector",
          mountPath: "/var/lib/postgresql/data/",
          state: "READY",
          currentSizeMB: 100,
          sizeMB: 5_000,
        },
      },
    },
    {
      name: "@healthcare/api",
      variables: { DATABASE_URL: "${{Postgres.DATABASE_URL}}", PORT: "3000" },
      settings: { healthcheckPath: "/health" },
    },
  ];
}

export function healthyInputs({ source, target }: PreflightWorld): MigrationInputs {
  return {
    project: "clinic",
    environment: "production",
    source: "Postgres",
    target: "pgvector",
    schemas: ["public", "medical_records", "practice_management"],
    protectedSchemas: ["llm_assistant"],
    services: [
      {
        name: "@healthcare/api",
        variables: ["DATABASE_URL"],
        healthCheckUrl: null,
        wave: 0,
        startsReadOnly: true,
      },
    ],
    accept: [],
    limits: {
      writePauseMs: 300_000,
      lockTimeoutMs: 10_000,
      deploymentTimeoutMs: 300_000,
      healthyForMs: 10_000,
    },
    onFailure: "put-back",
    copy: { workers: 2 },
    backups: { beforeCutover: "required", reason: null, reuseForMs: 3_600_000, timeoutMs: 60_000 },
    hooks: { beforeSwitch: null },
    transport: {
      source: { via: "tunnel", port: source.port },
      target: { via: "tunnel", port: target.port },
    },
  };
}

/** Runs the preflight on a world in which `change` broke something. */
export async function preflight(
  world: PreflightWorld,
  change: {
    readonly railway?: Partial<ScriptedRailway>;
    readonly inputs?: Partial<MigrationInputs>;
    readonly mode?: "preview" | "run";
  } = {},
): Promise<PreflightResult> {
  return runPreflight({
    railway: scriptRailway({ services: healthyServices(world), ...change.railway }),
    inputs: { ...healthyInputs(world), ...change.inputs },
    mode: change.mode ?? "preview",
  });
}

/** `severity CODE object` of every finding, for comparisons. */
export function summarise({ findings }: PreflightResult): string[] {
  return findings.map(({ severity, code, object }) => `${severity} ${code} ${object}`);
}

export function deployment(serviceId: string, status: string) {
  return {
    id: `deployment-${serviceId}`,
    status,
    createdAt: created,
    statusUpdatedAt: new Date(created.getTime() + 42_000),
    serviceId,
    environmentId: "environment",
    stopped: false,
    canRollBack: false,
    instances: [],
  };
}

function privateUrl({ user, password, database }: ConnectionTarget, host: string): string {
  return `postgresql://${user}:${encodeURIComponent(password)}@${host}:5432/${database}`;
}

function asService({ name, settings }: ScriptedService): RailwayService {
  const latest = deployment(`id-${name}`, "SUCCESS");
  return {
    id: `id-${name}`,
    name,
    image: null,
    repo: null,
    healthcheckPath: null,
    healthcheckTimeoutSeconds: null,
    overlapSeconds: null,
    drainingSeconds: null,
    numReplicas: 1,
    sleepApplication: false,
    startCommand: null,
    preDeployCommand: [],
    fileSettings: null,
    latestDeployment: latest,
    activeDeployments: [latest],
    volume: null,
    ...settings,
  };
}

function render(
  text: string,
  services: readonly ScriptedService[],
  shared: Readonly<Record<string, string | null>>,
): string {
  return parseReferences(text).reduce((rendered, { namespace, variable, text: written }) => {
    const variables =
      namespace === "shared" ? shared : services.find(({ name }) => name === namespace)?.variables;
    return rendered.replace(written, render(variables?.[variable] ?? "", services, shared));
  }, text);
}
