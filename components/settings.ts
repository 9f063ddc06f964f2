import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { CutoverError } from "./errors.ts";
import type { AppServiceInputs } from "./migration/app-service.ts";
import {
  acceptanceSchema,
  backupInputsSchema,
  longestLimitMs,
  type MigrationInputs,
  migrationInputsSchema,
  serviceInputsSchema,
  transportSchema,
} from "./migration/inputs.ts";
import { type PostgresServiceInputs, removalSchema } from "./migration/postgres-service.ts";
import { reference } from "./railway/references.ts";
import { railwayTokenKinds } from "./railway/token.ts";
import { similarNames } from "./similar-names.ts";

const variableName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "not a variable name");

const serviceSchema = z.strictObject({
  name: z.string().min(1),
  variables: z.array(variableName).min(1).default(["DATABASE_URL"]),
  newVariables: z.array(variableName).default([]),
  healthCheckUrl: z.url().nullable().default(null),
  wave: z.int().min(0).default(1),
  startsReadOnly: z.boolean().default(true),
});

/** As text, too: so it stands in a stack's file as soon as Pulumi has written it, and so a program gets it. */
const flagSchema = z.union([
  z.boolean(),
  z.enum(["true", "false"], "neither true nor false").transform((text) => text === "true"),
]);

const settingsSchema = z
  .strictObject({
    phase: z.enum(["adopt", "cutover"]),
    legacyPostgres: z.enum(["keep", "stop", "remove"]),
    project: z.string().min(1),
    environment: z.string().min(1),
    tokenKind: z.enum(railwayTokenKinds),
    source: z.string().min(1),
    target: z.string().min(1),
    createTarget: flagSchema,
    schemas: z.array(z.string().min(1)).min(1),
    protectedSchemas: z.array(z.string().min(1)),
    services: z.array(serviceSchema).min(1),
    accept: z.array(acceptanceSchema.strict()),
    limits: z.strictObject({
      writePauseMs: z
        .int()
        .min(1_000)
        .max(longestLimitMs)
        .default(15 * 60_000),
      lockTimeoutMs: z.int().min(100).max(longestLimitMs).default(30_000),
      deploymentTimeoutMs: z
        .int()
        .min(1_000)
        .max(longestLimitMs)
        .default(10 * 60_000),
      healthyForMs: z.int().min(0).max(longestLimitMs).default(10_000),
      soakDays: z.number().min(0).default(14),
    }),
    onFailure: z.enum(["put-back", "hold"]).default("put-back"),
    backups: backupInputsSchema.prefault({}),
    copy: z.strictObject({ workers: z.int().min(1).max(32).default(4) }),
    hooks: z.strictObject({
      beforeSwitch: z.string().min(1).nullable().default(null),
      afterPromotion: z.string().min(1).nullable().default(null),
    }),
    transport: z.strictObject(
      {
        source: transportSchema.default({ via: "private" }),
        target: transportSchema.default({ via: "private" }),
      },
      { error: explainFormerReason },
    ),
    sensitive: flagSchema.default(false),
    removal: removalSchema,
  })
  .superRefine((settings, context) => {
    const problems = crossChecks.filter(({ isWrong }) => isWrong(settings));
    for (const { path, message } of problems)
      context.addIssue({ code: "custom", path: path.split("."), message });
  });

/** The stack's configuration, complete and checked. Holds no secret: tokens and URLs are read where they are used. */
export type Settings = z.infer<typeof settingsSchema>;

/** Keys of the stack beside the settings, read where they are used. */
const secretKeys = ["railwayToken", "webhookUrl"];

/** The names of the settings among a stack's keys, those that there are none of included: a misspelt one must not be passed over. */
export function settingNames(keys: readonly string[], project: string): string[] {
  const prefix = `${project}:`;
  return keys
    .filter((key) => key.startsWith(prefix))
    .map((key) => key.slice(prefix.length))
    .filter((name) => !secretKeys.includes(name));
}

/**
 * Reads and checks the whole configuration: the only place that does.
 *
 * @throws pulumi.RunError `CONFIGURATION_INVALID` naming every wrong key at once
 */
export function readSettings(config = new pulumi.Config()): Settings {
  const names = settingNames(Object.keys(pulumi.runtime.allConfig()), config.name);
  return orRunError(() =>
    parseSettings({
      // What stands here and not below is no setting, and refused.
      ...Object.fromEntries(names.map((name) => [name, null])),
      phase: config.get("phase") ?? "adopt",
      legacyPostgres: config.get("legacyPostgres") ?? "keep",
      project: config.require("project"),
      environment: config.get("environment") ?? "production",
      tokenKind: config.get("tokenKind") ?? "project",
      source: config.get("source") ?? "Postgres",
      target: config.get("target") ?? "pgvector",
      createTarget: config.get("createTarget") ?? false,
      schemas: config.requireObject("schemas"),
      protectedSchemas: config.getObject("protectedSchemas") ?? [],
      services: config.requireObject("services"),
      accept: config.getObject("accept") ?? [],
      limits: config.getObject("limits") ?? {},
      onFailure: config.get("onFailure") ?? "put-back",
      copy: config.getObject("copy") ?? {},
      backups: config.getObject("backups") ?? {},
      hooks: config.getObject("hooks") ?? {},
      transport: config.getObject("transport") ?? {},
      sensitive: config.get("sensitive") ?? false,
      removal: config.getObject("removal") ?? {},
    }),
  );
}

/** The engine shows a RunError's text alone; of any other error it shows the stack as well. */
function orRunError<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    throw error instanceof CutoverError ? new pulumi.RunError(error.describe()) : error;
  }
}

/** The same from plain values, for the scripts that run without the engine. */
export function parseSettings(values: unknown): Settings {
  const parsed = settingsSchema.safeParse(values);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => {
    const isKey = issue.code === "unrecognized_keys" && issue.path.length === 0;
    return `${issue.path.join(".") || "configuration"}: ${isKey ? issue.keys.map(unknownKey).join(", ") : issue.message}`;
  });
  throw new CutoverError({
    code: "CONFIGURATION_INVALID",
    message: `The stack's configuration is not valid. ${problems.join("; ")}.`,
    remedy: "Correct the keys named; `Pulumi.yaml` describes each of them.",
  });
}

function unknownKey(key: string): string {
  const [meant] = similarNames(key, Object.keys(settingsSchema.shape));
  return `there is no ${key}${meant === undefined ? "" : `; ${meant} may be meant`}`;
}

/** What the migration needs of the settings. */
export function migrationInputs(settings: Settings): MigrationInputs {
  const { soakDays: _soakDays, ...limits } = settings.limits;
  return migrationInputsSchema.parse({
    ...settings,
    services: settings.services.map(({ variables, newVariables, ...service }) =>
      serviceInputsSchema.parse({
        ...service,
        variables: [...new Set([...variables, ...newVariables])],
        newVariables,
      }),
    ),
    limits,
    hooks: { beforeSwitch: settings.hooks.beforeSwitch },
  });
}

/** The inputs of one of the two database resources. */
export function postgresServiceArgs(settings: Settings, role: "source" | "target"): PostgresServiceInputs {
  return {
    ...migrationInputs(settings),
    role,
    phase: settings.phase,
    create: role === "target" && settings.createTarget,
    lifecycle: role === "source" ? settings.legacyPostgres : "keep",
    soakDays: settings.limits.soakDays,
    removal: settings.removal,
  };
}

/** The inputs of one service: before the cutover it is only observed, afterwards it follows the target. */
export function appServiceArgs(settings: Settings, service: Settings["services"][number]): AppServiceInputs {
  const migrated = settings.phase === "cutover";
  const names = migrated ? [...new Set([...service.variables, ...service.newVariables])] : service.variables;
  const text = reference(migrated ? settings.target : settings.source, "DATABASE_URL");
  const { project, environment, source, target, transport, limits } = settings;
  return {
    project,
    environment,
    source,
    target,
    transport,
    service: service.name,
    database: migrated ? "target" : "source",
    variables: Object.fromEntries(names.map((name) => [name, text])),
    observeOnly: !migrated,
    healthCheckUrl: service.healthCheckUrl,
    deploymentTimeoutMs: limits.deploymentTimeoutMs,
  };
}

/** The key of former versions that stood for both databases. */
function explainFormerReason(issue: { readonly code?: string; readonly keys?: unknown }): string | undefined {
  const isFormer = issue.code === "unrecognized_keys" && String(issue.keys).includes("plaintextReason");
  return isFormer
    ? "plaintextReason is now said for each database: { via: plaintext, reason: … }"
    : undefined;
}

type Unchecked = z.input<typeof settingsSchema> & z.output<typeof settingsSchema>;

const crossChecks: ReadonlyArray<{
  path: string;
  message: string;
  isWrong: (settings: Pick<Unchecked, keyof Unchecked>) => boolean;
}> = [
  {
    path: "target",
    message: "source and target are the same service",
    isWrong: ({ source, target }) => source === target,
  },
  {
    path: "protectedSchemas",
    message: "a schema is both moved and protected",
    isWrong: ({ schemas, protectedSchemas }) => schemas.some((schema) => protectedSchemas.includes(schema)),
  },
  {
    path: "services",
    message: "a service is named twice",
    isWrong: ({ services }) => new Set(services.map(({ name }) => name)).size < services.length,
  },
  {
    path: "services",
    message:
      "no service can start read-only (startsReadOnly), so none could be the canary before the promotion",
    isWrong: ({ services }) => services.every(({ startsReadOnly }) => !startsReadOnly),
  },
  ...(["source", "target"] as const).map((side) => ({
    path: `transport.${side}.via`,
    message: "plaintext is refused, because the configuration says that the data is sensitive",
    isWrong: ({ sensitive, transport }: Pick<Unchecked, keyof Unchecked>) =>
      sensitive && transport[side].via === "plaintext",
  })),
  {
    path: "legacyPostgres",
    message: "the old database can only be stopped or removed in phase cutover",
    isWrong: ({ phase, legacyPostgres }) => phase === "adopt" && legacyPostgres !== "keep",
  },
  {
    path: "removal.finalBackup",
    message: "legacyPostgres: stop and remove need to know where the final backup goes",
    isWrong: ({ legacyPostgres, removal }) => legacyPostgres !== "keep" && removal.finalBackup === null,
  },
  {
    path: "removal.confirmServiceId",
    message: "legacyPostgres: remove needs the old service's id, typed by hand",
    isWrong: ({ legacyPostgres, removal }) => legacyPostgres === "remove" && removal.confirmServiceId === "",
  },
];
