/** Everything the simulated Railway remembers: plain data, so that readers can be handed an older copy. */
export interface RailwayState {
  project: ProjectState;
  /** Projects of the same workspace of which nothing but this is known here. */
  otherProjects: ProjectState[];
  environments: EnvironmentState[];
  services: ServiceState[];
  instances: InstanceState[];
  variables: VariableState[];
  deployments: DeploymentState[];
  volumes: VolumeState[];
  volumeInstances: VolumeInstanceState[];
  backups: BackupState[];
  workflows: WorkflowState[];
  proxies: ProxyState[];
  patches: PatchState[];
  sandboxes: SandboxState[];
}

export interface ProjectState {
  id: string;
  name: string;
  description: string | null;
  workspaceId: string;
  createdAt: string;
  deletedAt: string | null;
}

/** Whoever uses the dashboard. */
export interface MemberState {
  id: string;
  name: string | null;
  email: string;
}

/** A set of edits from the dashboard: staged until it is deployed. A change through the API is none. */
export interface PatchState {
  id: string;
  environmentId: string;
  /** `null` while it is staged. */
  appliedAt: string | null;
  appliedBy: MemberState | null;
  config: PatchConfig;
}

/** What an edit touches, as `EnvironmentConfig` has it; values are masked. */
export interface PatchConfig {
  services?: Record<string, { variables?: Record<string, null>; [setting: string]: unknown }>;
  sharedVariables?: Record<string, null>;
}

export interface SandboxState {
  id: string;
  environmentId: string;
  status: "CREATING" | "RUNNING" | "FAILED" | "DESTROYED";
  networkIsolation: "ISOLATED" | "PRIVATE";
  idleTimeoutMinutes: number;
  region: string;
  createdAt: string;
}

export interface EnvironmentState {
  id: string;
  name: string;
  isEphemeral: boolean;
  /** Edits staged in the dashboard and not deployed yet. */
  unmergedChangesCount: number;
  createdAt: string;
}

export interface ServiceState {
  id: string;
  name: string;
  createdAt: string;
  updatedAt: string;
  deletedAt: string | null;
}

export interface InstanceState {
  id: string;
  serviceId: string;
  environmentId: string;
  image: string | null;
  repo: string | null;
  startCommand: string | null;
  healthcheckPath: string | null;
  /** What happens when the process ends; ON_FAILURE, with at most 10 restarts, where it is not set. */
  restartPolicyType?: "ALWAYS" | "NEVER" | "ON_FAILURE";
  drainingSeconds?: number | null;
  /** Whether Railway replaces the image by itself. */
  autoUpdates?: boolean;
  /** Keeps the label it got at creation: a rename does not move it. */
  privateDomain: string;
  createdAt: string;
  deletedAt: string | null;
}

export interface VariableState {
  id: string;
  environmentId: string;
  /** `null`: shared by the environment. */
  serviceId: string | null;
  name: string;
  value: string;
  isSealed: boolean;
  createdAt: string;
  updatedAt: string;
}

export type DeploymentStatus =
  | "INITIALIZING"
  | "QUEUED"
  | "WAITING"
  | "NEEDS_APPROVAL"
  | "BUILDING"
  | "DEPLOYING"
  | "SUCCESS"
  | "FAILED"
  | "CRASHED"
  | "SKIPPED"
  | "SLEEPING"
  | "REMOVING"
  | "REMOVED";

export interface DeploymentState {
  id: string;
  serviceId: string;
  environmentId: string;
  status: DeploymentStatus;
  createdAt: string;
  statusUpdatedAt: string;
  /** What the container gets, rendered at creation. Values of sealed variables included. */
  variables: Record<string, string>;
  sealedNames: string[];
  instanceId: string;
  instanceStatus: "CREATED" | "RUNNING" | "RESTARTING" | "STOPPED" | "EXITED" | "CRASHED" | "REMOVED" | null;
  events: DeploymentEventState[];
  /** What caused it: the API, a push, a variable, the platform. */
  reason: string;
  /** Who caused it; `null`: a token, or the platform. */
  creator: MemberState | null;
}

export interface DeploymentEventState {
  id: string;
  step: "BUILD_IMAGE" | "PRE_DEPLOY_COMMAND" | "CREATE_CONTAINER" | "HEALTHCHECK" | "DRAIN_INSTANCES";
  createdAt: string;
  completedAt: string | null;
  error: string | null;
}

export interface VolumeState {
  id: string;
  name: string;
  createdAt: string;
}

export interface VolumeInstanceState {
  id: string;
  volumeId: string;
  environmentId: string;
  serviceId: string | null;
  mountPath: string;
  state: "READY" | "DELETING";
  isPendingDeletion: boolean;
  currentSizeMB: number;
  sizeMB: number;
  createdAt: string;
}

export interface BackupState {
  id: string;
  volumeInstanceId: string;
  name: string;
  createdAt: string;
}

export interface WorkflowState {
  id: string;
  status: "NotFound" | "Running" | "Complete" | "Error";
  error: string | null;
}

export interface ProxyState {
  id: string;
  serviceId: string;
  environmentId: string;
  applicationPort: number;
  domain: string;
  proxyPort: number;
  createdAt: string;
}

/** Not decided yet: the deployment may still start running. */
export const inProgressStatuses: ReadonlySet<DeploymentStatus> = new Set([
  "INITIALIZING",
  "QUEUED",
  "WAITING",
  "NEEDS_APPROVAL",
  "BUILDING",
  "DEPLOYING",
]);

/** The service of that name which is not deleted: names are unique and case-sensitive in a project. */
export function findServiceByName(state: RailwayState, name: string): ServiceState | undefined {
  return state.services.find((service) => service.name === name && service.deletedAt === null);
}

export function findInstance(
  state: RailwayState,
  serviceId: string,
  environmentId: string,
): InstanceState | undefined {
  return state.instances.find(
    (instance) =>
      instance.serviceId === serviceId &&
      instance.environmentId === environmentId &&
      instance.deletedAt === null,
  );
}

/** The deployments of one service instance, the newest first. */
export function deploymentsOf(
  state: RailwayState,
  serviceId: string,
  environmentId: string,
): DeploymentState[] {
  return state.deployments
    .filter((one) => one.serviceId === serviceId && one.environmentId === environmentId)
    .toReversed();
}

/** Whether the service has anything to deploy: an image or a repository. */
export function hasSource(state: RailwayState, serviceId: string, environmentId: string): boolean {
  const instance = findInstance(state, serviceId, environmentId);
  return instance !== undefined && (instance.image !== null || instance.repo !== null);
}
