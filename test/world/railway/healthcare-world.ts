import { randomUUID } from "node:crypto";
import { appCommand } from "../apps/app-command.ts";
import { type WriterSettings, writerVariables } from "../apps/writer-settings.ts";
import type { AppServiceModel, BystanderServiceModel, DatabaseServer, WorldModel } from "./world-model.ts";

/** A running PostgreSQL server and the account that the service's variables name. */
export interface DatabaseAccount {
  readonly server: DatabaseServer;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** Where the way from outside leads, if not straight to the server. */
  readonly proxyPort?: number;
}

export interface HealthcareWorldOptions {
  /** Behind the service `Postgres`, which the four app services use. */
  readonly postgres: DatabaseAccount;
  /** Behind the service `pgvector`; left out, the service does not exist and has to be created. */
  readonly pgvector?: DatabaseAccount;
  /** An existing folder for the ledgers of the app processes. */
  readonly ledgerFolder: string;
  readonly createDatabaseServer?: WorldModel["createDatabaseServer"];
  /** How each of the four app services writes, where it is not by default. */
  readonly writers?: Partial<WriterSettings>;
  /** Gives each service an instance in a second environment, `staging`, where nothing runs. */
  readonly withStaging?: boolean;
}

/** Names of the four app services, as in the real project. */
export const healthcareServiceNames = [
  "@healthcare/api",
  "@healthcare/doctor",
  "@healthcare/admin",
  "@healthcare/public",
] as const;

/**
 * The project as it is before the cutover. More services than fit on one page of the API, and the ones that matter are
 * not all on the first.
 */
export function buildHealthcareWorld(options: HealthcareWorldOptions): WorldModel {
  const environments = ["production", ...(options.withStaging === true ? ["staging"] : [])];
  const common = () => ({ id: randomUUID(), environments });
  const bystanders = bystanderServices.map(
    ([name, image]): BystanderServiceModel => ({
      ...common(),
      kind: "bystander",
      name,
      image,
      variables: {},
    }),
  );
  const apps = healthcareServiceNames.map(
    (name): AppServiceModel => ({
      ...common(),
      kind: "app",
      name,
      variables: {
        DATABASE_URL: "${{Postgres.DATABASE_URL}}",
        NODE_ENV: "production",
        ...writerVariables(options.writers),
      },
      healthcheckPath: "/health",
      command: appCommand,
    }),
  );
  return {
    workspaceId: randomUUID(),
    project: { id: randomUUID(), name: "DOCTORES-SEO-PACIENTE-MGMT" },
    otherProjects: [{ id: randomUUID(), name: "marketing-site" }],
    environments: environments.map((name) => ({ id: randomUUID(), name })),
    ledgerFolder: options.ledgerFolder,
    ...(options.createDatabaseServer === undefined
      ? {}
      : { createDatabaseServer: options.createDatabaseServer }),
    services: [
      ...bystanders,
      ...apps,
      {
        ...common(),
        kind: "database",
        name: "Postgres",
        image: "ghcr.io/railwayapp-templates/postgres-ssl:15",
        volumeMountPath: "/var/lib/postgresql/data",
        variables: officialTemplateVariables(options.postgres),
        ...proxyOf(options.postgres),
        server: options.postgres.server,
      },
      ...(options.pgvector === undefined
        ? []
        : [
            {
              ...common(),
              kind: "database" as const,
              name: "pgvector",
              image: "pgvector/pgvector:pg17",
              startCommand: '/bin/sh -c "unset PGPORT; docker-entrypoint.sh postgres --port=5432"',
              volumeMountPath: "/var/lib/postgresql/data/",
              variables: pgvectorTemplateVariables(options.pgvector),
              ...proxyOf(options.pgvector),
              server: options.pgvector.server,
            },
          ]),
    ],
  };
}

const bystanderServices = [
  ["redis", "redis:8"],
  ["web-analytics", "ghcr.io/umami-software/umami:latest"],
  ["object-storage", "minio/minio:latest"],
  ["mail-relay", "boky/postfix:latest"],
  ["uptime", "louislam/uptime-kuma:2"],
  ["metrics", "grafana/grafana:12"],
] as const;

/** The variables of Railway's own PostgreSQL template. */
function officialTemplateVariables(account: DatabaseAccount): Record<string, string> {
  return {
    ...accountVariables(account),
    PGDATA: "/var/lib/postgresql/data/pgdata",
    PGHOST: "${{RAILWAY_PRIVATE_DOMAIN}}",
    PGPORT: "5432",
    PGUSER: "${{POSTGRES_USER}}",
    PGPASSWORD: "${{POSTGRES_PASSWORD}}",
    PGDATABASE: "${{POSTGRES_DB}}",
    SSL_CERT_DAYS: "820",
    RAILWAY_DEPLOYMENT_DRAINING_SECONDS: "60",
    DATABASE_URL: `postgresql://\${{PGUSER}}:${inUrl(account)}@\${{RAILWAY_PRIVATE_DOMAIN}}:5432/\${{PGDATABASE}}`,
    DATABASE_PUBLIC_URL: `postgresql://\${{PGUSER}}:${inUrl(account)}@\${{RAILWAY_TCP_PROXY_DOMAIN}}:\${{RAILWAY_TCP_PROXY_PORT}}/\${{PGDATABASE}}`,
  };
}

/** The variables of the template "pgvector-pg17", whose `DATABASE_URL` is the private one. */
function pgvectorTemplateVariables(account: DatabaseAccount): Record<string, string> {
  return {
    ...accountVariables(account),
    PGDATA: "/var/lib/postgresql/data/pgdata",
    DATABASE_URL: `postgresql://\${{POSTGRES_USER}}:${inUrl(account)}@\${{RAILWAY_PRIVATE_DOMAIN}}:5432/\${{POSTGRES_DB}}`,
    DATABASE_PUBLIC_URL: `postgresql://\${{POSTGRES_USER}}:${inUrl(account)}@\${{RAILWAY_TCP_PROXY_DOMAIN}}:\${{RAILWAY_TCP_PROXY_PORT}}/\${{POSTGRES_DB}}`,
  };
}

/** Railway puts a variable into a URL as it is: where that breaks the URL, people write the password out, encoded. */
function inUrl({ password }: DatabaseAccount): string {
  const encoded = encodeURIComponent(password);
  return encoded === password ? "${{POSTGRES_PASSWORD}}" : encoded;
}

function proxyOf({ proxyPort }: DatabaseAccount): { proxyPort?: number } {
  return proxyPort === undefined ? {} : { proxyPort };
}

function accountVariables({ user, password, database }: DatabaseAccount): Record<string, string> {
  return { POSTGRES_USER: user, POSTGRES_PASSWORD: password, POSTGRES_DB: database };
}
