import type { RailwayContext } from "./context.ts";
import { type Deployment, readDeployment } from "./deployments.ts";
import type { EnvironmentScope } from "./environment.ts";
import { createRailwayContext, type RailwayOptions } from "./railway.ts";
import { watchDelayMs } from "./request-budget.ts";
import {
  type LogLine,
  type RunOnceRequest,
  readLogs,
  requestStop,
  runOnce,
  setVariables,
} from "./runner-service.ts";
import {
  type CommandResult,
  createSandbox,
  destroySandbox,
  execInSandbox,
  heartbeatSandbox,
  listSandboxes,
  type Sandbox,
  type SandboxRequest,
  waitUntilMade,
} from "./sandboxes.ts";
import { deleteService, type RailwayService, readInventory } from "./services.ts";
import { readRawVariablesOf } from "./variables.ts";
import { pause } from "./waiting.ts";

export type { CommandResult, Deployment, LogLine, RunOnceRequest, Sandbox, SandboxRequest };

/** Everything that is needed to run a command inside Railway, in a sandbox or as a service that runs once. */
export interface RunnerClient {
  listSandboxes(scope: EnvironmentScope): Promise<readonly Sandbox[]>;
  createSandbox(
    scope: EnvironmentScope,
    request: SandboxRequest,
    isOurs: (sandbox: Sandbox) => Promise<boolean>,
    timeoutMs: number,
  ): Promise<Sandbox>;
  /** Waits for one that is being made; `undefined` when it still is. */
  sandboxMade(scope: EnvironmentScope, id: string, timeoutMs: number): Promise<Sandbox | undefined>;
  exec(
    scope: EnvironmentScope,
    id: string,
    command: string,
    timeoutSeconds?: number | undefined,
  ): Promise<CommandResult>;
  heartbeat(scope: EnvironmentScope, id: string): Promise<void>;
  destroySandbox(scope: EnvironmentScope, id: string): Promise<void>;

  listServices(scope: EnvironmentScope): Promise<readonly RailwayService[]>;
  /** The stored texts of a service's variables; `undefined` when it is gone. */
  variables(
    scope: EnvironmentScope,
    serviceId: string,
  ): Promise<ReadonlyMap<string, string | null> | undefined>;
  runOnce(
    scope: EnvironmentScope,
    request: RunOnceRequest,
  ): Promise<{ readonly serviceId: string; readonly deploymentId: string }>;
  setVariables(
    scope: EnvironmentScope,
    serviceId: string,
    variables: Readonly<Record<string, string>>,
  ): Promise<void>;
  deployment(id: string): Promise<Deployment>;
  logs(deploymentId: string, since: string | undefined): Promise<readonly LogLine[]>;
  /** Asks for the end and waits for nothing. */
  requestStop(deploymentId: string): Promise<void>;
  deleteService(scope: EnvironmentScope, serviceId: string): Promise<void>;

  /**
   * Waits between two looks, long when little of the request budget is left, which belongs to what runs inside; `signal` ends
   * it early, without an error.
   */
  rest(signal?: AbortSignal | undefined): Promise<void>;
}

/** At most 480 requests an hour for a service, whose look takes two, of 1,000 on Hobby: the cutover inside needs the rest. */
const defaultWatchIntervalMs = 15_000;

/** Creates the client. Every method throws `CutoverError`s that name the operation. */
export function createRunnerClient(options: RailwayOptions): RunnerClient {
  const context: RailwayContext = createRailwayContext(options);
  const watchIntervalMs = options.pollIntervalMs ?? defaultWatchIntervalMs;
  return {
    listSandboxes: (scope) => listSandboxes(context, scope),
    createSandbox: (scope, request, isOurs, timeoutMs) =>
      createSandbox(context, scope, request, isOurs, timeoutMs),
    sandboxMade: (scope, id, timeoutMs) => waitUntilMade(context, scope, id, timeoutMs),
    exec: (scope, id, command, timeoutSeconds) => execInSandbox(context, scope, id, command, timeoutSeconds),
    heartbeat: (scope, id) => heartbeatSandbox(context, scope, id),
    destroySandbox: (scope, id) => destroySandbox(context, scope, id),
    listServices: async (scope) => (await readInventory(context, scope)).services,
    variables: async (scope, serviceId) =>
      (await readRawVariablesOf(context, scope, [serviceId])).get(serviceId),
    runOnce: (scope, request) => runOnce(context, scope, request),
    setVariables: (scope, serviceId, variables) => setVariables(context, scope, serviceId, variables),
    deployment: (id) => readDeployment(context, id),
    logs: (deploymentId, since) => readLogs(context, deploymentId, since),
    requestStop: (deploymentId) => requestStop(context, deploymentId),
    deleteService: (scope, serviceId) => deleteService(context, scope, serviceId),
    rest: (signal) =>
      pause(watchDelayMs(watchIntervalMs, context.transport.requestBudget(), new Date()), signal).catch(
        () => {},
      ),
  };
}
