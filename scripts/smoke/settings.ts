import type { MigrationInputs } from "../../components/migration/inputs.ts";
import { migrationInputs, parseSettings } from "../../components/settings.ts";

export const sourceName = "Postgres";
export const targetName = "pgvector";
export const applicationNames = ["@smoke/public", "@smoke/api", "@smoke/doctor", "@smoke/admin"] as const;

/** How the databases are reached from outside: the one place where the smoke test says so. */
const clearText = {
  via: "plaintext",
  reason: "Every row is made up by the smoke test, in a project that lives for minutes.",
};
const transport = { source: clearText, target: clearText };

/** The stack's configuration as an operator would write it, in phase adopt. */
export function stackConfig(
  projectId: string,
  healthUrl: (service: string) => string,
): Record<string, unknown> {
  return {
    phase: "adopt",
    project: projectId,
    environment: "production",
    tokenKind: "project",
    source: sourceName,
    target: targetName,
    schemas: ["public", "medical_records", "practice_management"],
    protectedSchemas: ["llm_assistant"],
    services: applicationNames.map((name) => ({
      name,
      healthCheckUrl: healthUrl(name),
      wave: name === "@smoke/public" ? 0 : 1,
      newVariables: name === "@smoke/doctor" ? ["LLM_DATABASE_URL"] : [],
    })),
    limits: { writePauseMs: 600_000, deploymentTimeoutMs: 600_000, healthyForMs: 5_000, soakDays: 0 },
    transport,
  };
}

/** The same for the parts of the program that the smoke test calls itself. */
export function inputsOf(config: Record<string, unknown>): MigrationInputs {
  return migrationInputs(
    parseSettings({
      legacyPostgres: "keep",
      createTarget: false,
      accept: [],
      copy: {},
      hooks: {},
      removal: {},
      ...config,
    }),
  );
}
