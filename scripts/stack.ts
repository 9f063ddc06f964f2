import { readFile } from "node:fs/promises";
import { parse } from "yaml";
import { z } from "zod";
import { railwayOptions } from "../components/dynamic/session.ts";
import { CutoverError, presentError } from "../components/errors.ts";
import { ignoreErrors } from "../components/ignore-errors.ts";
import type { MigrationInputs } from "../components/migration/inputs.ts";
import { createRailway, type Railway } from "../components/railway/railway.ts";
import { migrationInputs, parseSettings, type Settings, settingNames } from "../components/settings.ts";

const projectSchema = z.object({
  name: z.string(),
  config: z.record(z.string(), z.object({ default: z.unknown().optional() })),
});

const stackSchema = z.object({ config: z.record(z.string(), z.unknown()).default({}) });

/** What the scripts work with: the same settings as the program's, read from the stack's file, without the engine. */
export interface StackContext {
  readonly railway: Railway;
  readonly inputs: MigrationInputs;
  readonly settings: Settings;
}

/**
 * Reads `Pulumi.<stack>.yaml` over the defaults of `Pulumi.yaml`. The token comes from the environment: a stack's
 * encrypted secret can only be read by the engine.
 *
 * @throws CutoverError `STACK_NOT_FOUND`, `CONFIGURATION_INVALID`, `RAILWAY_TOKEN_MISSING`
 */
export async function readStack(stack: string): Promise<StackContext> {
  const project = projectSchema.parse(parse(await readFile("Pulumi.yaml", "utf8")));
  const file = `Pulumi.${stack}.yaml`;
  const text = await readFile(file, "utf8").catch((cause) => {
    throw new CutoverError({
      code: "STACK_NOT_FOUND",
      message: `There is no ${file} in this folder.`,
      remedy: "Run the script in the project's folder and name the stack: --stack prod.",
      cause,
    });
  });
  const own = readConfig(file, text);
  const names = [...Object.keys(project.config), ...settingNames(Object.keys(own), project.name)];
  const values = names.map((name) => [name, own[`${project.name}:${name}`] ?? project.config[name]?.default]);
  const settings = parseSettings(Object.fromEntries(values));
  const railway = createRailway({
    ...railwayOptions({ kind: settings.tokenKind, secret: undefined }),
    log: (line) => console.error(line),
  });
  return { railway, inputs: migrationInputs(settings), settings };
}

/** The keys of a stack's file: none in one that `pulumi stack init` has just made. */
function readConfig(file: string, text: string): Record<string, unknown> {
  try {
    return stackSchema.parse(parse(text)).config;
  } catch (cause) {
    throw new CutoverError({
      code: "CONFIGURATION_INVALID",
      message: `${file} cannot be read as a stack's configuration.`,
      remedy: "Mend the file: under `config:` stands a key a line, as in Pulumi.prod.yaml.",
      cause,
    });
  }
}

/**
 * Runs a script's body; prints an error as one line with its remedy and sets the exit code.
 *
 * @param usageExitCode of wrong arguments, for a script whose 2 says something else
 */
export async function runScript(main: () => Promise<number>, usageExitCode = 2): Promise<void> {
  ignoreErrors(process.stdout, process.stderr);
  try {
    process.exitCode = await main();
  } catch (error) {
    const isUsage = (error as { code?: string }).code?.startsWith("ERR_PARSE_ARGS") ?? false;
    console.error(isUsage ? `${(error as Error).message}. Try --help.` : presentError(error));
    process.exitCode = isUsage ? usageExitCode : 1;
  }
}

/** Arguments that are right one by one and wrong together: ends a script as `parseArgs` does. */
export function wrongArguments(message: string): Error {
  return Object.assign(new Error(message), { code: "ERR_PARSE_ARGS_COMBINATION" });
}
