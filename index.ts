import * as pulumi from "@pulumi/pulumi";
import { AfterPromotion } from "./components/after-promotion.ts";
import { AppServiceVariables } from "./components/app-service-variables.ts";
import { DataMigration } from "./components/data-migration.ts";
import { stackOutputs } from "./components/outputs.ts";
import { PostgresService } from "./components/postgres-service.ts";
import { reference } from "./components/railway/references.ts";
import { appServiceArgs, migrationInputs, postgresServiceArgs, readSettings } from "./components/settings.ts";

const settings = readSettings();
const migrated = settings.phase === "cutover";

const target = new PostgresService("target", postgresServiceArgs(settings, "target"), { protect: true });

const migration = migrated
  ? new DataMigration("migration", migrationInputs(settings), { dependsOn: [target], protect: true })
  : undefined;

const services = settings.services.map(
  (service) =>
    new AppServiceVariables(service.name, appServiceArgs(settings, service), {
      dependsOn: migration === undefined ? [target] : [migration],
    }),
);

// After the services: the old database is retired only when everything else has been looked at.
const source = new PostgresService("source", postgresServiceArgs(settings, "source"), {
  protect: settings.legacyPostgres === "keep",
  dependsOn: services,
});

if (migration !== undefined && settings.hooks.afterPromotion !== null) {
  const config = new pulumi.Config();
  new AfterPromotion(
    "after-promotion",
    {
      command: settings.hooks.afterPromotion,
      migrationId: migration.migrationId,
      migration: migrationInputs(settings),
      tokenKind: settings.tokenKind,
      railwayToken: config.getSecret("railwayToken"),
    },
    { dependsOn: services },
  );
}

const active = migrated ? settings.target : settings.source;

const outputs = pulumi
  .output({
    observed: services.map(({ service, observed }) => ({ service, observed })),
    migration: migration === undefined ? null : migration.evidence(),
    retirement: source.retirement,
  })
  .apply(({ observed, ...facts }) =>
    stackOutputs({
      ...facts,
      services: observed,
      activeService: active,
      reference: reference(active, "DATABASE_URL"),
      soakDays: settings.limits.soakDays,
    }),
  );

export const activeDatabase = outputs.activeDatabase;
export const serviceStates = outputs.serviceStates;
export const lastMigration = outputs.lastMigration;
export const remaining = outputs.remaining;
