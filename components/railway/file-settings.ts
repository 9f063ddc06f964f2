import type { z } from "zod";
import type { serviceInstanceAnswer } from "./answers.ts";

/** What a service takes from `railway.json` or `railway.toml`, as far as its latest deployment tells. */
export interface FileSettings {
  /** Path of the file; `null` where only its settings are known. */
  readonly file: string | null;
  /** Names such as `deploy.healthcheckPath`; empty where only the file is known. */
  readonly names: readonly string[];
  readonly healthcheckPath: string | null;
  readonly startCommand: string | null;
  readonly preDeployCommand: readonly string[];
}

/**
 * Reads the path that the service is told to use and what its latest deployment found in the file (`fileServiceManifest`
 * in the deployment's `meta`, which Railway does not document). `null` when neither says anything.
 */
export function readFileSettings(answer: z.infer<typeof serviceInstanceAnswer>): FileSettings | null {
  const meta = answer.latestDeployment?.meta;
  const { build, deploy } = meta?.fileServiceManifest ?? {};
  const names = [...settingNames("build", build), ...settingNames("deploy", deploy)];
  const file = answer.railwayConfigFile || (names.length > 0 && meta?.configFile) || null;
  if (file === null && names.length === 0) return null;
  return {
    file,
    names,
    healthcheckPath: text(deploy?.healthcheckPath),
    startCommand: text(deploy?.startCommand),
    preDeployCommand: commandParts(deploy?.preDeployCommand),
  };
}

/** The field is free JSON: a text, a list of texts, or nothing. */
export function commandParts(command: unknown): string[] {
  if (command === null || command === undefined) return [];
  if (Array.isArray(command)) return command.flatMap(commandParts);
  const written = typeof command === "string" ? command : JSON.stringify(command);
  return written.trim() === "" ? [] : [written];
}

function settingNames(
  part: string,
  settings: Readonly<Record<string, unknown>> | null | undefined,
): string[] {
  return Object.entries(settings ?? {})
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([name]) => `${part}.${name}`);
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}
