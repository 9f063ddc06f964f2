import { isDeepStrictEqual } from "node:util";
import { CutoverError, hasCode } from "../errors.ts";
import { applyAndConfirm } from "./confirmed-mutation.ts";
import type { RailwayContext } from "./context.ts";
import { deployService } from "./deployment-actions.ts";
import type { EnvironmentScope } from "./environment.ts";
import * as operations from "./operations.ts";
import { type RailwayService, readInventory } from "./services.ts";
import { readRawVariables } from "./variables.ts";

/** A service that runs one command once, in one environment. */
export interface RunOnceRequest {
  readonly name: string;
  readonly image: string;
  readonly startCommand: string;
  /** From SIGTERM to SIGKILL, when somebody stops it. */
  readonly drainingSeconds: number;
  /** Variables that tell whose service it is. They may be seen in every environment. */
  readonly marks: Readonly<Record<string, string>>;
  /** May be secret. */
  readonly variables: Readonly<Record<string, string>>;
  /** Called when everything is there but the deployment; what it throws prevents that. */
  readonly beforeDeployment: (serviceId: string) => Promise<void>;
}

export interface LogLine {
  readonly text: string;
  readonly timestamp: string;
}

/**
 * Creates a service without a source, which Railway does not deploy, then gives it image, command and variables, then
 * deploys it: in this order nothing starts half configured. By Railway's schema a new service appears in every environment
 * that is no fork; only this one's gets a source, and the variables, which hold secrets.
 *
 * @returns ids of the service and of its deployment
 * @throws CutoverError `RUNNER_SERVICE_NOT_CREATED`, `DEPLOYMENT_NOT_STARTED`, what `beforeDeployment` throws, and those of the
 *   transport
 */
export async function runOnce(
  context: RailwayContext,
  scope: EnvironmentScope,
  request: RunOnceRequest,
): Promise<{ readonly serviceId: string; readonly deploymentId: string }> {
  const { projectId, environmentId } = scope;
  const { name, image, startCommand, drainingSeconds, variables } = request;
  let attempts = 0;
  const service = await applyAndConfirm(context, {
    name: `create service ${name}`,
    apply: async () => {
      attempts += 1;
      try {
        await context.transport.request(operations.serviceCreate, {
          input: { projectId, environmentId, name, variables: request.marks },
        });
      } catch (error) {
        // Ours, when the creation before this one took effect late; at the first attempt it is somebody else's.
        if (attempts === 1 || !hasCode(error, "RAILWAY_ALREADY_EXISTS")) throw error;
      }
    },
    observe: () => findByName(context, scope, name),
  });
  if (service === undefined) throw notCreated(name, "did not appear");
  const serviceId = service.id;
  const configured = await applyAndConfirm(context, {
    name: `configure ${name}`,
    apply: () =>
      context.transport.request(operations.serviceInstanceUpdate, {
        environmentId,
        serviceId,
        // Without a number of replicas Railway sets it to 1 anyway; a job that runs twice must never happen.
        input: { source: { image }, startCommand, drainingSeconds, ...once },
      }),
    observe: async () => {
      const where = { environmentId, serviceId };
      const { serviceInstance } = await context.transport.request(operations.runOnceSettings, where);
      const { source, ...seen } = serviceInstance;
      return isDeepStrictEqual({ image: source?.image, ...seen }, { image, startCommand, ...once })
        ? true
        : undefined;
    },
  });
  if (configured === undefined) {
    throw notCreated(name, "did not take its image, its command, or that it is started once and never again");
  }
  await setVariables(context, scope, serviceId, variables);
  await request.beforeDeployment(serviceId);
  return { serviceId, deploymentId: await deployService(context, scope, serviceId) };
}

/** Railway's own default starts a command that failed again, ten times. */
const once = { restartPolicyType: "NEVER", numReplicas: 1 };

/** Sets several variables of a service at once, without a deployment, and reads until they are there. */
export async function setVariables(
  context: RailwayContext,
  scope: EnvironmentScope,
  serviceId: string,
  variables: Readonly<Record<string, string>>,
): Promise<void> {
  const { projectId, environmentId } = scope;
  const input = { projectId, environmentId, serviceId, variables, replace: false, skipDeploys: true };
  const applied = await applyAndConfirm(context, {
    name: `set variables of ${serviceId}`,
    apply: () => context.transport.request(operations.variableCollectionUpsert, { input }),
    observe: async () => {
      const stored = await readRawVariables(context, scope, serviceId);
      return Object.entries(variables).every(([name, value]) => stored.get(name) === value)
        ? true
        : undefined;
    },
  });
  if (applied === undefined) throw notCreated(serviceId, "did not take its variables");
}

/** Asks for the end of a deployment (SIGTERM, then a time to drain) and waits for nothing. */
export async function requestStop({ transport }: RailwayContext, deploymentId: string): Promise<void> {
  await transport.request(operations.deploymentStop, { id: deploymentId });
}

/**
 * What a deployment wrote, from an instant on, the oldest first. At most 5,000 lines, Railway's limit of one answer.
 *
 * @param since a timestamp that an earlier answer carried; its own line comes again
 */
export async function readLogs(
  { transport }: RailwayContext,
  deploymentId: string,
  since: string | undefined,
): Promise<LogLine[]> {
  const variables = { deploymentId, limit: 5_000, startDate: since };
  const { deploymentLogs } = await transport.request(operations.deploymentLogs, variables);
  return deploymentLogs
    .map(({ message, timestamp }) => ({ text: message, timestamp }))
    .sort((one, other) => compare(one.timestamp, other.timestamp));
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

async function findByName(
  context: RailwayContext,
  scope: EnvironmentScope,
  name: string,
): Promise<RailwayService | undefined> {
  return (await readInventory(context, scope)).services.find((service) => service.name === name);
}

function notCreated(what: string, how: string): CutoverError {
  return new CutoverError({
    code: "RUNNER_SERVICE_NOT_CREATED",
    message: `Railway accepted the temporary service "${what}", but it ${how}. Nothing was begun on the databases.`,
    remedy: "Look for staged changes in Railway's dashboard, then run the same command again.",
  });
}
