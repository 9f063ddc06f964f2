import {
  type ProjectAccess,
  readProjectAccess,
  readTokenOwner,
  type TokenOwner,
  tryVariableWrite,
} from "./access.ts";
import { type AppliedEdit, type Edit, listAppliedEdits, readDeployer, readStagedEdit } from "./changes.ts";
import { createContext, type RailwayContext } from "./context.ts";
import {
  cancelDeployment,
  deployService,
  restartDeployment,
  rollBackService,
  stopDeployment,
} from "./deployment-actions.ts";
import { type DeploymentWaitOptions, waitForDeployment, waitUntilRemoved } from "./deployment-wait.ts";
import { type DeploymentWatch, type DeploymentWatchOptions, watchDeployment } from "./deployment-watch.ts";
import { type Deployment, listDeployments, readDeployment, readDeploymentVariables } from "./deployments.ts";
import {
  type EnvironmentFacts,
  type EnvironmentScope,
  type EnvironmentSettings,
  readEnvironmentFacts,
  readEnvironmentSettings,
  resolveEnvironment,
} from "./environment.ts";
import type { FileSettings } from "./file-settings.ts";
import { createPostgresService, type PostgresServiceRequest } from "./postgres-service.ts";
import type { RequestBudget } from "./request-budget.ts";
import {
  deleteService,
  findService,
  type RailwayService,
  type RailwayVolume,
  readInventory,
  readService,
} from "./services.ts";
import { readTcpProxies, type TcpProxy } from "./tcp-proxies.ts";
import type { RailwayToken } from "./token.ts";
import { createTransport, type TransportLimits } from "./transport.ts";
import {
  deleteVariable,
  readRawVariables,
  readRawVariablesOf,
  readRenderedVariables,
  readServiceVariables,
  readVariableRecords,
  type ServiceVariables,
  setVariable,
  type VariableRecord,
} from "./variables.ts";
import { backupVolume, deleteVolume, listVolumeBackups, type VolumeBackup } from "./volumes.ts";

export type {
  AppliedEdit,
  Deployment,
  DeploymentWaitOptions,
  DeploymentWatch,
  DeploymentWatchOptions,
  Edit,
  EnvironmentFacts,
  EnvironmentScope,
  EnvironmentSettings,
  FileSettings,
  PostgresServiceRequest,
  ProjectAccess,
  RailwayService,
  RailwayVolume,
  RequestBudget,
  ServiceVariables,
  TcpProxy,
  VariableRecord,
  VolumeBackup,
};

export const railwayEndpoint = "https://backboard.railway.com/graphql/v2";

export interface RailwayOptions {
  readonly token: RailwayToken;
  /** Default: Railway's public API. */
  readonly endpoint?: string | undefined;
  /** Between two looks at something slow. Default 10 s: four services polled each 3 s use up a Hobby plan's hour. */
  readonly pollIntervalMs?: number | undefined;
  /** For a write of ours to show in Railway's reads. Default 15 s. */
  readonly settleTimeoutMs?: number | undefined;
  readonly limits?: Partial<TransportLimits> | undefined;
  /** Receives retries and waits, one line each, free of secrets. */
  readonly log?: ((line: string) => void) | undefined;
}

/** Railway's API as this project needs it. Every method throws `CutoverError`s that name the operation. */
export interface Railway {
  resolveEnvironment(names: {
    readonly project: string;
    readonly environment: string;
  }): Promise<EnvironmentScope>;
  environmentFacts(scope: EnvironmentScope): Promise<EnvironmentFacts>;
  environmentSettings(scope: EnvironmentScope): Promise<EnvironmentSettings>;
  projectAccess(scope: EnvironmentScope): Promise<ProjectAccess>;
  tokenOwner(): Promise<TokenOwner>;
  /** What is staged in the environment and not deployed. */
  stagedEdit(scope: EnvironmentScope): Promise<Edit>;
  /** The newest edits that were deployed, newest first. */
  appliedEdits(scope: EnvironmentScope): Promise<readonly AppliedEdit[]>;

  listServices(scope: EnvironmentScope): Promise<readonly RailwayService[]>;
  /** Every live volume, attached or not. */
  listVolumes(scope: EnvironmentScope): Promise<readonly RailwayVolume[]>;
  findService(scope: EnvironmentScope, nameOrId: string): Promise<RailwayService>;
  readService(
    scope: EnvironmentScope,
    serviceId: string,
  ): Promise<Omit<RailwayService, "volume"> | undefined>;
  createPostgresService(scope: EnvironmentScope, request: PostgresServiceRequest): Promise<RailwayService>;
  deleteService(scope: EnvironmentScope, serviceId: string): Promise<void>;
  tcpProxies(scope: EnvironmentScope, serviceId: string): Promise<readonly TcpProxy[]>;

  variableRecords(scope: EnvironmentScope): Promise<readonly VariableRecord[]>;
  rawVariables(
    scope: EnvironmentScope,
    serviceId: string | null,
  ): Promise<ReadonlyMap<string, string | null>>;
  /** The stored texts of many services in few requests, by service id. */
  rawVariablesOf(
    scope: EnvironmentScope,
    serviceIds: readonly string[],
  ): Promise<ReadonlyMap<string, ReadonlyMap<string, string | null>>>;
  renderedVariables(scope: EnvironmentScope, serviceId: string): Promise<ReadonlyMap<string, string | null>>;
  /** Both readings in one request. */
  serviceVariables(scope: EnvironmentScope, serviceId: string): Promise<ServiceVariables>;
  /** Throws when the token may not set variables of the service; changes none. */
  tryVariableWrite(scope: EnvironmentScope, serviceId: string): Promise<void>;
  setVariable(scope: EnvironmentScope, serviceId: string, name: string, value: string): Promise<void>;
  deleteVariable(scope: EnvironmentScope, serviceId: string, name: string): Promise<void>;

  deploy(scope: EnvironmentScope, serviceId: string): Promise<string>;
  /** Deploys once more what an earlier deployment ran, without a build and with the variables that it was given. */
  rollBack(scope: EnvironmentScope, serviceId: string, deploymentId: string): Promise<string>;
  deployment(id: string): Promise<Deployment>;
  listDeployments(scope: EnvironmentScope, serviceId: string, limit: number): Promise<readonly Deployment[]>;
  deploymentVariables(id: string): Promise<ReadonlyMap<string, string | null> | undefined>;
  /** Who caused a deployment; `null` where Railway does not tell. */
  deployer(id: string): Promise<string | null>;
  waitForDeployment(
    scope: EnvironmentScope,
    serviceId: string,
    deploymentId: string,
    options: DeploymentWaitOptions,
  ): Promise<Deployment>;
  watchDeployment(
    scope: EnvironmentScope,
    serviceId: string,
    deploymentId: string,
    options: DeploymentWatchOptions,
  ): Promise<DeploymentWatch>;
  waitUntilRemoved(
    deploymentIds: readonly string[],
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
  ): Promise<void>;
  cancelDeployment(id: string): Promise<boolean>;
  restartDeployment(id: string): Promise<void>;
  stopDeployment(id: string): Promise<void>;

  backupVolume(
    scope: EnvironmentScope,
    volumeInstanceId: string,
    name: string,
    options: { readonly timeoutMs: number },
  ): Promise<VolumeBackup>;
  listVolumeBackups(volumeInstanceId: string): Promise<readonly VolumeBackup[]>;
  deleteVolume(scope: EnvironmentScope, volumeId: string, owner: string): Promise<void>;

  /** What Railway said last about this token's request limit; `undefined` before the first answer. */
  requestBudget(): RequestBudget | undefined;
  /** Looks again and again for as long as a write may take to show in reads; `undefined` when it never showed. */
  settle<Seen>(look: () => Promise<Seen | undefined>): Promise<Seen | undefined>;
  /**
   * The same client, whose waits and requests end with the signal's reason. Only a mutation that was sent is waited for:
   * what it did must be known before anything is put back.
   */
  within(signal: AbortSignal): Railway;
  /** The same client with a check before each mutation that is sent, a repeated one included. What it throws stops that. */
  guarded(check: () => Promise<void>): Railway;
}

/** Creates a client for one token. */
export function createRailway(options: RailwayOptions): Railway {
  return clientOf(createRailwayContext(options));
}

/** What the parts of a client share, for one token. */
export function createRailwayContext(options: RailwayOptions): RailwayContext {
  const { token, limits, log = () => {} } = options;
  const transport = createTransport({ token, endpoint: options.endpoint ?? railwayEndpoint, limits, log });
  return createContext({
    transport,
    pollIntervalMs: options.pollIntervalMs ?? 10_000,
    settleTimeoutMs: options.settleTimeoutMs,
    log,
  });
}

function clientOf(context: RailwayContext): Railway {
  return {
    resolveEnvironment: (names) => resolveEnvironment(context, names),
    environmentFacts: (scope) => readEnvironmentFacts(context, scope),
    environmentSettings: (scope) => readEnvironmentSettings(context, scope),
    projectAccess: (scope) => readProjectAccess(context, scope),
    tokenOwner: () => readTokenOwner(context),
    stagedEdit: (scope) => readStagedEdit(context, scope),
    appliedEdits: (scope) => listAppliedEdits(context, scope),
    listServices: async (scope) => (await readInventory(context, scope)).services,
    listVolumes: async (scope) => (await readInventory(context, scope)).volumes,
    findService: (scope, nameOrId) => findService(context, scope, nameOrId),
    readService: (scope, serviceId) => readService(context, scope, serviceId),
    createPostgresService: (scope, request) => createPostgresService(context, scope, request),
    deleteService: (scope, serviceId) => deleteService(context, scope, serviceId),
    tcpProxies: (scope, serviceId) => readTcpProxies(context, scope, serviceId),
    variableRecords: (scope) => readVariableRecords(context, scope),
    rawVariables: (scope, serviceId) => readRawVariables(context, scope, serviceId),
    rawVariablesOf: (scope, serviceIds) => readRawVariablesOf(context, scope, serviceIds),
    renderedVariables: (scope, serviceId) => readRenderedVariables(context, scope, serviceId),
    serviceVariables: (scope, serviceId) => readServiceVariables(context, scope, serviceId),
    tryVariableWrite: (scope, serviceId) => tryVariableWrite(context, scope, serviceId),
    setVariable: (scope, serviceId, name, value) => setVariable(context, scope, serviceId, name, value),
    deleteVariable: (scope, serviceId, name) => deleteVariable(context, scope, serviceId, name),
    deploy: (scope, serviceId) => deployService(context, scope, serviceId),
    rollBack: (scope, serviceId, deploymentId) => rollBackService(context, scope, serviceId, deploymentId),
    deployment: (id) => readDeployment(context, id),
    listDeployments: (scope, serviceId, limit) => listDeployments(context, scope, serviceId, limit),
    deploymentVariables: (id) => readDeploymentVariables(context, id),
    deployer: (id) => readDeployer(context, id),
    waitForDeployment: (scope, serviceId, id, wait) => waitForDeployment(context, scope, serviceId, id, wait),
    watchDeployment: (scope, serviceId, id, watch) => watchDeployment(context, scope, serviceId, id, watch),
    waitUntilRemoved: (ids, wait) => waitUntilRemoved(context, ids, wait),
    cancelDeployment: (id) => cancelDeployment(context, id),
    restartDeployment: (id) => restartDeployment(context, id),
    stopDeployment: (id) => stopDeployment(context, id),
    backupVolume: (_scope, volumeInstanceId, name, wait) =>
      backupVolume(context, volumeInstanceId, name, wait),
    listVolumeBackups: (volumeInstanceId) => listVolumeBackups(context, volumeInstanceId),
    deleteVolume: (scope, volumeId, owner) => deleteVolume(context, scope, volumeId, owner),
    requestBudget: () => context.transport.requestBudget(),
    settle: (look) => context.settle(look),
    within: (signal) => clientOf(context.within(signal)),
    guarded: (check) => clientOf(context.guarded(check)),
  };
}
