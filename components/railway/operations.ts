import { z } from "zod";
import {
  connectionOf,
  deploymentAnswer,
  deploymentEventAnswer,
  environmentAnswer,
  environmentPatchAnswer,
  environmentSettingsAnswer,
  memberAnswer,
  namedAnswer,
  serviceInstanceAnswer,
  tcpProxyAnswer,
  variableMapAnswer,
  variableRecordAnswer,
  volumeBackupAnswer,
  volumeInstanceAnswer,
} from "./answers.ts";
import type { Operation } from "./transport.ts";

export {
  deploymentLogs,
  runOnceSettings,
  sandbox,
  sandboxCreate,
  sandboxDestroy,
  sandboxExec,
  sandboxes,
  sandboxHeartbeat,
  serviceInstanceUpdate,
} from "./runner-operations.ts";

const pageInfo = "pageInfo { hasNextPage endCursor }";
const deploymentFields =
  "id status createdAt statusUpdatedAt serviceId environmentId deploymentStopped canRollback instances { id status }";
const serviceInstanceFields = `serviceId serviceName deletedAt source { image repo } healthcheckPath
  healthcheckTimeout overlapSeconds drainingSeconds numReplicas sleepApplication startCommand preDeployCommand
  railwayConfigFile latestDeployment { ${deploymentFields} meta } activeDeployments { ${deploymentFields} }`;
const volumeInstanceFields =
  "id volumeId serviceId mountPath state isPendingDeletion deletedAt currentSizeMB sizeMB";
const tcpProxyFields = "id domain proxyPort applicationPort syncStatus deletedAt";

export const projectToken = query(
  "CutoverProjectToken",
  `query CutoverProjectToken {
    projectToken { projectId environmentId project { id name } environment { id name } }
  }`,
  z.object({
    projectToken: z.object({
      projectId: z.string(),
      environmentId: z.string(),
      project: namedAnswer,
      environment: namedAnswer,
    }),
  }),
);

/** The token's name, never a part of the token. */
export const projectTokenName = query(
  "CutoverProjectTokenName",
  "query CutoverProjectTokenName { projectToken { name } }",
  z.object({ projectToken: z.object({ name: z.string() }) }),
);

export const accountUser = query(
  "CutoverAccountUser",
  "query CutoverAccountUser { me { name email } }",
  z.object({ me: memberAnswer }),
);

export const projects = query(
  "CutoverProjects",
  `query CutoverProjects($first: Int, $after: String) {
    projects(first: $first, after: $after) { edges { node { id name deletedAt } } ${pageInfo} }
  }`,
  z.object({ projects: connectionOf(namedAnswer) }),
);

export const projectEnvironments = query(
  "CutoverProjectEnvironments",
  `query CutoverProjectEnvironments($projectId: String!, $first: Int, $after: String) {
    project(id: $projectId) {
      id name deletedAt
      environments(first: $first, after: $after) { edges { node { id name deletedAt isEphemeral } } ${pageInfo} }
    }
  }`,
  z.object({ project: namedAnswer.extend({ environments: connectionOf(environmentAnswer) }) }),
);

export const environmentState = query(
  "CutoverEnvironmentState",
  `query CutoverEnvironmentState($environmentId: String!, $projectId: String!) {
    environment(id: $environmentId, projectId: $projectId) {
      id name projectId canAccess unmergedChangesCount deletedAt
    }
  }`,
  z.object({
    environment: namedAnswer.extend({
      projectId: z.string(),
      canAccess: z.boolean(),
      unmergedChangesCount: z.number().nullish(),
    }),
  }),
);

/** The settings of every service; values of variables are masked in it. */
export const environmentSettings = query(
  "CutoverEnvironmentSettings",
  `query CutoverEnvironmentSettings($environmentId: String!, $projectId: String!) {
    environment(id: $environmentId, projectId: $projectId) { config(decryptVariables: false) }
  }`,
  z.object({ environment: z.object({ config: environmentSettingsAnswer }) }),
);

/** Services and volumes together: one request for each page of both. */
export const environmentServices = query(
  "CutoverEnvironmentServices",
  `query CutoverEnvironmentServices(
    $environmentId: String!, $projectId: String!, $first: Int, $servicesAfter: String, $volumesAfter: String
  ) {
    environment(id: $environmentId, projectId: $projectId) {
      serviceInstances(first: $first, after: $servicesAfter) { edges { node { ${serviceInstanceFields} } } ${pageInfo} }
      volumeInstances(first: $first, after: $volumesAfter) { edges { node { ${volumeInstanceFields} } } ${pageInfo} }
    }
  }`,
  z.object({
    environment: z.object({
      serviceInstances: connectionOf(serviceInstanceAnswer),
      volumeInstances: connectionOf(volumeInstanceAnswer),
    }),
  }),
);

export const environmentVariables = query(
  "CutoverEnvironmentVariables",
  `query CutoverEnvironmentVariables($environmentId: String!, $projectId: String!, $first: Int, $after: String) {
    environment(id: $environmentId, projectId: $projectId) {
      variables(first: $first, after: $after) {
        edges { node { name serviceId isSealed references updatedAt } } ${pageInfo}
      }
    }
  }`,
  z.object({ environment: z.object({ variables: connectionOf(variableRecordAnswer) }) }),
);

export const serviceState = query(
  "CutoverServiceState",
  `query CutoverServiceState($environmentId: String!, $serviceId: String!) {
    service(id: $serviceId) { id name projectId deletedAt }
    serviceInstance(environmentId: $environmentId, serviceId: $serviceId) { ${serviceInstanceFields} }
  }`,
  z.object({
    service: namedAnswer.extend({ projectId: z.string() }),
    serviceInstance: serviceInstanceAnswer,
  }),
);

/** Whether deployments are allowed in the project at all; `disallowed` says why not. */
export const projectAccess = query(
  "CutoverProjectAccess",
  `query CutoverProjectAccess($projectId: String!) {
    projectResourceAccess(projectId: $projectId) { deployment { disallowed } }
  }`,
  z.object({
    projectResourceAccess: z.object({ deployment: z.object({ disallowed: z.string().nullish() }) }),
  }),
);

/** Only an account token has a user. */
export const memberRoles = query(
  "CutoverMemberRoles",
  `query CutoverMemberRoles($projectId: String!) { me { id } projectMembers(projectId: $projectId) { id role } }`,
  z.object({
    me: z.object({ id: z.string() }),
    projectMembers: z.array(z.object({ id: z.string(), role: z.string() })),
  }),
);

export const rawVariables = query(
  "CutoverRawVariables",
  `query CutoverRawVariables($projectId: String!, $environmentId: String!, $serviceId: String) {
    variables(projectId: $projectId, environmentId: $environmentId, serviceId: $serviceId, unrendered: true)
  }`,
  z.object({ variables: variableMapAnswer }),
);

export const renderedVariables = query(
  "CutoverRenderedVariables",
  `query CutoverRenderedVariables($projectId: String!, $environmentId: String!, $serviceId: String!) {
    variablesForServiceDeployment(projectId: $projectId, environmentId: $environmentId, serviceId: $serviceId)
  }`,
  z.object({ variablesForServiceDeployment: variableMapAnswer }),
);

/** Both readings of a service's variables in one request. */
export const serviceVariables = query(
  "CutoverServiceVariables",
  `query CutoverServiceVariables($projectId: String!, $environmentId: String!, $serviceId: String!) {
    variables(projectId: $projectId, environmentId: $environmentId, serviceId: $serviceId, unrendered: true)
    variablesForServiceDeployment(projectId: $projectId, environmentId: $environmentId, serviceId: $serviceId)
  }`,
  z.object({ variables: variableMapAnswer, variablesForServiceDeployment: variableMapAnswer }),
);

export const deployments = query(
  "CutoverDeployments",
  `query CutoverDeployments($input: DeploymentListInput!, $first: Int, $after: String) {
    deployments(input: $input, first: $first, after: $after) { edges { node { ${deploymentFields} } } ${pageInfo} }
  }`,
  z.object({ deployments: connectionOf(deploymentAnswer) }),
);

export const deployment = query(
  "CutoverDeployment",
  `query CutoverDeployment($id: String!) { deployment(id: $id) { ${deploymentFields} } }`,
  z.object({ deployment: deploymentAnswer }),
);

export const deploymentEvents = query(
  "CutoverDeploymentEvents",
  `query CutoverDeploymentEvents($id: String!, $first: Int, $after: String) {
    deploymentEvents(id: $id, first: $first, after: $after) {
      edges { node { step completedAt payload { error reason skipped } } } ${pageInfo}
    }
  }`,
  z.object({ deploymentEvents: connectionOf(deploymentEventAnswer) }),
);

export const deploymentSnapshot = query(
  "CutoverDeploymentSnapshot",
  `query CutoverDeploymentSnapshot($id: String!) { deploymentSnapshot(deploymentId: $id) { variables } }`,
  z.object({ deploymentSnapshot: z.object({ variables: variableMapAnswer }).nullish() }),
);

export const deploymentCreator = query(
  "CutoverDeploymentCreator",
  `query CutoverDeploymentCreator($id: String!) { deployment(id: $id) { creator { email name } } }`,
  z.object({ deployment: z.object({ creator: memberAnswer.nullish() }) }),
);

/** What is staged and not deployed; without any it answers with an empty one. */
export const stagedChanges = query(
  "CutoverStagedChanges",
  `query CutoverStagedChanges($environmentId: String!) {
    environmentStagedChanges(environmentId: $environmentId) { patch(decryptVariables: false) }
  }`,
  z.object({ environmentStagedChanges: z.object({ patch: environmentPatchAnswer }) }),
);

/** Edits that were deployed from the dashboard or by an agent. A variable set through the API is none. */
export const environmentPatches = query(
  "CutoverEnvironmentPatches",
  `query CutoverEnvironmentPatches($environmentId: String!, $first: Int, $after: String) {
    environmentPatches(environmentId: $environmentId, first: $first, after: $after) {
      edges { node { appliedAt appliedBy { email name } patch(decryptVariables: false) } } ${pageInfo}
    }
  }`,
  z.object({
    environmentPatches: connectionOf(
      z.object({
        appliedAt: z.string().nullish(),
        appliedBy: memberAnswer.nullish(),
        patch: environmentPatchAnswer,
      }),
    ),
  }),
);

export const tcpProxies = query(
  "CutoverTcpProxies",
  `query CutoverTcpProxies($environmentId: String!, $serviceId: String!) {
    tcpProxies(environmentId: $environmentId, serviceId: $serviceId) { ${tcpProxyFields} }
  }`,
  z.object({ tcpProxies: z.array(tcpProxyAnswer) }),
);

export const volumeBackups = query(
  "CutoverVolumeBackups",
  `query CutoverVolumeBackups($volumeInstanceId: String!) {
    volumeInstanceBackupList(volumeInstanceId: $volumeInstanceId) { id name createdAt expiresAt scheduleId usedMB }
  }`,
  z.object({ volumeInstanceBackupList: z.array(volumeBackupAnswer) }),
);

export const workflowStatus = query(
  "CutoverWorkflowStatus",
  `query CutoverWorkflowStatus($workflowId: String!) { workflowStatus(workflowId: $workflowId) { status error } }`,
  z.object({ workflowStatus: z.object({ status: z.string(), error: z.string().nullish() }) }),
);

export const variableUpsert = mutation(
  "CutoverVariableUpsert",
  `mutation CutoverVariableUpsert($input: VariableUpsertInput!) { variableUpsert(input: $input) }`,
  z.object({ variableUpsert: z.boolean() }),
);

export const variableCollectionUpsert = mutation(
  "CutoverVariableCollectionUpsert",
  `mutation CutoverVariableCollectionUpsert($input: VariableCollectionUpsertInput!) {
    variableCollectionUpsert(input: $input)
  }`,
  z.object({ variableCollectionUpsert: z.boolean() }),
);

export const variableDelete = mutation(
  "CutoverVariableDelete",
  `mutation CutoverVariableDelete($input: VariableDeleteInput!) { variableDelete(input: $input) }`,
  z.object({ variableDelete: z.boolean() }),
);

export const serviceDeploy = mutation(
  "CutoverServiceDeploy",
  `mutation CutoverServiceDeploy($environmentId: String!, $serviceId: String!) {
    serviceInstanceDeployV2(environmentId: $environmentId, serviceId: $serviceId)
  }`,
  z.object({ serviceInstanceDeployV2: z.string() }),
);

export const deploymentCancel = mutation(
  "CutoverDeploymentCancel",
  `mutation CutoverDeploymentCancel($id: String!) { deploymentCancel(id: $id) }`,
  z.object({ deploymentCancel: z.boolean() }),
);

export const deploymentRestart = mutation(
  "CutoverDeploymentRestart",
  `mutation CutoverDeploymentRestart($id: String!) { deploymentRestart(id: $id) }`,
  z.object({ deploymentRestart: z.boolean() }),
);

export const deploymentRollback = mutation(
  "CutoverDeploymentRollback",
  `mutation CutoverDeploymentRollback($id: String!) { deploymentRollback(id: $id) }`,
  z.object({ deploymentRollback: z.boolean() }),
);

export const deploymentStop = mutation(
  "CutoverDeploymentStop",
  `mutation CutoverDeploymentStop($id: String!) { deploymentStop(id: $id) }`,
  z.object({ deploymentStop: z.boolean() }),
);

export const volumeBackupCreate = mutation(
  "CutoverVolumeBackupCreate",
  `mutation CutoverVolumeBackupCreate($volumeInstanceId: String!, $name: String) {
    volumeInstanceBackupCreate(volumeInstanceId: $volumeInstanceId, name: $name) { workflowId }
  }`,
  z.object({ volumeInstanceBackupCreate: z.object({ workflowId: z.string().nullish() }) }),
);

export const volumeDelete = mutation(
  "CutoverVolumeDelete",
  `mutation CutoverVolumeDelete($volumeId: String!) { volumeDelete(volumeId: $volumeId) }`,
  z.object({ volumeDelete: z.boolean() }),
);

/** The environment is required here although Railway's is optional: without it the service goes everywhere. */
export const serviceDelete = mutation(
  "CutoverServiceDelete",
  `mutation CutoverServiceDelete($id: String!, $environmentId: String!) {
    serviceDelete(id: $id, environmentId: $environmentId)
  }`,
  z.object({ serviceDelete: z.boolean() }),
);

export const serviceCreate = mutation(
  "CutoverServiceCreate",
  `mutation CutoverServiceCreate($input: ServiceCreateInput!) { serviceCreate(input: $input) { id name } }`,
  z.object({ serviceCreate: namedAnswer }),
);

export const volumeCreate = mutation(
  "CutoverVolumeCreate",
  `mutation CutoverVolumeCreate($input: VolumeCreateInput!) { volumeCreate(input: $input) { id name } }`,
  z.object({ volumeCreate: namedAnswer }),
);

export const tcpProxyCreate = mutation(
  "CutoverTcpProxyCreate",
  `mutation CutoverTcpProxyCreate($input: TCPProxyCreateInput!) { tcpProxyCreate(input: $input) { ${tcpProxyFields} } }`,
  z.object({ tcpProxyCreate: tcpProxyAnswer }),
);

function query<Answer>(name: string, document: string, answer: z.ZodType<Answer>): Operation<Answer> {
  return { kind: "query", name, document, answer };
}

function mutation<Answer>(name: string, document: string, answer: z.ZodType<Answer>): Operation<Answer> {
  return { kind: "mutation", name, document, answer };
}
