import { z } from "zod";
import { CutoverError } from "../errors.ts";
import { isNotPinned } from "../postgres/secure-socket.ts";
import type { EnvironmentScope, Railway } from "../railway/railway.ts";
import { normaliseReference } from "../railway/references.ts";
import { type Primary, readPrimary } from "./decide/primary.ts";
import { type ResolvedDatabase, resolveDatabase } from "./decide/resolve.ts";
import { migrationInputsSchema } from "./inputs.ts";
import type { Reporter } from "./reporter.ts";
import {
  applyVariables,
  deployWithVariables,
  proveDeployment,
  type ServiceSwitch,
  waitUntilAlone,
} from "./switch/service-switch.ts";

/** One application service and the database its variables shall name: the inputs of AppServiceVariables. */
export const appServiceInputsSchema = migrationInputsSchema
  .pick({ project: true, environment: true, source: true, target: true, transport: true })
  .extend({
    service: z.string().min(1),
    /** Which of the two databases the service runs on. */
    database: z.enum(["source", "target"]),
    /** Variable name → the reference it holds, such as `${{pgvector.DATABASE_URL}}`. */
    variables: z.record(z.string(), z.string()),
    /** `true`: observe and change nothing, whatever form the variables have. */
    observeOnly: z.boolean(),
    healthCheckUrl: z.url().nullable(),
    deploymentTimeoutMs: z.int(),
  });

export type AppServiceInputs = z.infer<typeof appServiceInputsSchema>;

/** What a service was seen to run on. Values never appear: a literal is only named as such. */
export const appServiceObservationSchema = z.object({
  serviceId: z.string(),
  /** Variable name → its reference, or `(literal)`, `(sealed)`, `(absent)`. */
  variables: z.record(z.string(), z.string()),
  /** Whether the running deployment was given what the variables hold now. */
  deployed: z.boolean(),
  deploymentId: z.string().nullable(),
});

export type AppServiceObservation = z.infer<typeof appServiceObservationSchema>;

/** Looks at the service's variables and its running deployment. Reads only. */
export async function observeAppService(
  railway: Railway,
  inputs: AppServiceInputs,
  scope?: EnvironmentScope,
): Promise<AppServiceObservation> {
  const environment = scope ?? (await railway.resolveEnvironment(inputs));
  const service = await railway.findService(environment, inputs.service);
  const { raw, rendered } = await railway.serviceVariables(environment, service.id);
  // In an overlap there are two, and nothing says in which order.
  const [active] = service.activeDeployments.toSorted(
    (left, right) => right.createdAt.getTime() - left.createdAt.getTime(),
  );
  const given = active === undefined ? undefined : await railway.deploymentVariables(active.id);
  const names = Object.keys(inputs.variables);
  return {
    serviceId: service.id,
    variables: Object.fromEntries(names.map((name) => [name, describeValue(raw, name)])),
    deployed:
      given === undefined ||
      names.every((name) => [rendered.get(name), raw.get(name), null].includes(given.get(name))),
    deploymentId: active?.id ?? null,
  };
}

/** Whether a service is as its inputs want it. What is only observed cannot be wrong. */
export function isAsDesired(inputs: AppServiceInputs, observed: AppServiceObservation): boolean {
  if (inputs.observeOnly) return true;
  return (
    observed.deployed &&
    Object.entries(inputs.variables).every(
      ([name, text]) => observed.variables[name] === normaliseReference(text),
    )
  );
}

/**
 * Makes the service run on the database its inputs name: observe, set without deploying, read back, deploy once, wait,
 * prove. Does nothing where all is right, which is the case right after a cutover. Asks the journal first.
 *
 * @throws CutoverError `NOT_THE_PRIMARY` for any database but the one that accepts the application's writes
 */
export async function reconcileAppService(
  railway: Railway,
  inputs: AppServiceInputs,
  reporter: Reporter,
): Promise<AppServiceObservation> {
  const asked = await askJournal(railway, inputs, reporter);
  if (asked === undefined) return observeAppService(railway, inputs);
  const { primary, scope, target } = asked;
  if (primary !== inputs.database) throw notThePrimary(inputs, primary);
  const observed = await observeAppService(railway, inputs, scope);
  if (isAsDesired(inputs, observed)) return observed;
  const database =
    inputs.database === "target" ? target : await resolveDatabase(railway, scope, inputs, "source");
  const move = serviceSwitch(inputs, scope, observed.serviceId, database, reporter);
  reporter.detail(
    `${inputs.service}: pointing ${Object.keys(inputs.variables).join(", ")} at ${database.service.name}`,
  );
  await applyVariables(railway, move);
  const deploymentId = await deployWithVariables(railway, move, null, {});
  await proveDeployment(railway, move, deploymentId);
  await waitUntilAlone(railway, move, deploymentId, []);
  return observeAppService(railway, inputs, scope);
}

/** `undefined` where the journal's server must not be logged in to yet; what is only observed does not depend on it. */
async function askJournal(
  railway: Railway,
  inputs: AppServiceInputs,
  reporter: Reporter,
): Promise<Primary | undefined> {
  try {
    return await readPrimary(railway, inputs);
  } catch (error) {
    if (!inputs.observeOnly || !isNotPinned(error)) throw error;
    reporter.detail(
      `${inputs.service}: the journal was not asked, because ${inputs.target}'s certificate is not pinned`,
    );
    return undefined;
  }
}

function serviceSwitch(
  inputs: AppServiceInputs,
  scope: EnvironmentScope,
  serviceId: string,
  database: ResolvedDatabase,
  reporter: Reporter,
): ServiceSwitch {
  return {
    scope,
    serviceId,
    name: inputs.service,
    desired: new Map(
      Object.entries(inputs.variables).map(([name, text]) => [name, { text, host: database.privateHost }]),
    ),
    healthCheckUrl: inputs.healthCheckUrl,
    deploymentTimeoutMs: inputs.deploymentTimeoutMs,
    reporter,
  };
}

function describeValue(raw: ReadonlyMap<string, string | null>, name: string): string {
  const value = raw.get(name);
  if (value === undefined) return "(absent)";
  if (value === null) return "(sealed)";
  const normalised = normaliseReference(value);
  return /^\$\{\{[^{}]*\}\}$/.test(normalised) ? normalised : "(literal)";
}

function notThePrimary(inputs: AppServiceInputs, primary: "source" | "target"): CutoverError {
  return new CutoverError({
    code: "NOT_THE_PRIMARY",
    message: `${inputs.service} was to be pointed at ${inputs[inputs.database]}, but the journal says that ${inputs[primary]} accepts the application's writes. Nothing was changed.`,
    remedy:
      primary === "target"
        ? "Keep phase: cutover in the configuration. There is no way back: what was written since is on the new database alone."
        : "Let the migration finish first (`pulumi up` without --target).",
  });
}
