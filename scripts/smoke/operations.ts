import { z } from "zod";
import { connectionOf, namedAnswer } from "../../components/railway/answers.ts";
import type { Operation } from "../../components/railway/transport.ts";

/*
 * What only the smoke test sends. It lives here, not in `components/railway/operations.ts`: the program itself can
 * neither create nor delete a project.
 */

const pageInfo = "pageInfo { hasNextPage endCursor }";
const projectFields = "id name description createdAt deletedAt";

const projectAnswer = namedAnswer.extend({ description: z.string().nullish(), createdAt: z.string() });

export const workspaces = query(
  "SmokeWorkspaces",
  "query SmokeWorkspaces { apiToken { workspaces { id name } } }",
  z.object({ apiToken: z.object({ workspaces: z.array(namedAnswer) }) }),
);

export const workspaceProjects = query(
  "SmokeProjects",
  `query SmokeProjects($workspaceId: String!, $first: Int, $after: String) {
    projects(workspaceId: $workspaceId, first: $first, after: $after) { edges { node { ${projectFields} } } ${pageInfo} }
  }`,
  z.object({ projects: connectionOf(projectAnswer) }),
);

export const projectServices = query(
  "SmokeProjectServices",
  `query SmokeProjectServices($id: String!, $first: Int, $after: String) {
    project(id: $id) { services(first: $first, after: $after) { edges { node { id name deletedAt } } ${pageInfo} } }
  }`,
  z.object({ project: z.object({ services: connectionOf(namedAnswer) }) }),
);

export const projectCreate = mutation(
  "SmokeProjectCreate",
  `mutation SmokeProjectCreate($input: ProjectCreateInput!) { projectCreate(input: $input) { ${projectFields} } }`,
  z.object({ projectCreate: projectAnswer }),
);

export const projectUpdate = mutation(
  "SmokeProjectUpdate",
  `mutation SmokeProjectUpdate($id: String!, $input: ProjectUpdateInput!) {
    projectUpdate(id: $id, input: $input) { ${projectFields} }
  }`,
  z.object({ projectUpdate: projectAnswer }),
);

export const projectDelete = mutation(
  "SmokeProjectDelete",
  "mutation SmokeProjectDelete($id: String!) { projectDelete(id: $id) }",
  z.object({ projectDelete: z.boolean() }),
);

export const projectTokenCreate = mutation(
  "SmokeProjectTokenCreate",
  "mutation SmokeProjectTokenCreate($input: ProjectTokenCreateInput!) { projectTokenCreate(input: $input) }",
  z.object({ projectTokenCreate: z.string() }),
);

/** The environment is required here although Railway's is optional: without it every environment would change. */
export const serviceInstanceUpdate = mutation(
  "SmokeServiceInstanceUpdate",
  `mutation SmokeServiceInstanceUpdate($environmentId: String!, $serviceId: String!, $input: ServiceInstanceUpdateInput!) {
    serviceInstanceUpdate(environmentId: $environmentId, serviceId: $serviceId, input: $input)
  }`,
  z.object({ serviceInstanceUpdate: z.boolean() }),
);

export const serviceRename = mutation(
  "SmokeServiceRename",
  `mutation SmokeServiceRename($id: String!, $input: ServiceUpdateInput!) {
    serviceUpdate(id: $id, input: $input) { id name }
  }`,
  z.object({ serviceUpdate: namedAnswer }),
);

export const serviceDomainCreate = mutation(
  "SmokeServiceDomainCreate",
  `mutation SmokeServiceDomainCreate($input: ServiceDomainCreateInput!) {
    serviceDomainCreate(input: $input) { domain }
  }`,
  z.object({ serviceDomainCreate: z.object({ domain: z.string() }) }),
);

export const stageChanges = mutation(
  "SmokeStageChanges",
  `mutation SmokeStageChanges($environmentId: String!, $input: EnvironmentConfig!, $merge: Boolean) {
    environmentStageChanges(environmentId: $environmentId, input: $input, merge: $merge) { id }
  }`,
  z.object({ environmentStageChanges: z.object({ id: z.string() }) }),
);

/** Commits this patch alone, not what others staged. */
export const patchCommit = mutation(
  "SmokePatchCommit",
  `mutation SmokePatchCommit($environmentId: String!, $patch: EnvironmentConfig, $commitMessage: String) {
    environmentPatchCommit(environmentId: $environmentId, patch: $patch, commitMessage: $commitMessage)
  }`,
  z.object({ environmentPatchCommit: z.string() }),
);

export const tcpProxyDelete = mutation(
  "SmokeTcpProxyDelete",
  "mutation SmokeTcpProxyDelete($id: String!) { tcpProxyDelete(id: $id) }",
  z.object({ tcpProxyDelete: z.boolean() }),
);

export const sandboxCreate = mutation(
  "SmokeSandboxCreate",
  "mutation SmokeSandboxCreate($input: SandboxCreateInput!) { sandboxCreate(input: $input) { id } }",
  z.object({ sandboxCreate: z.object({ id: z.string() }) }),
);

export const sandboxDestroy = mutation(
  "SmokeSandboxDestroy",
  `mutation SmokeSandboxDestroy($environmentId: String!, $id: String!) {
    sandboxDestroy(environmentId: $environmentId, id: $id) { id }
  }`,
  z.object({ sandboxDestroy: z.object({ id: z.string() }).nullish() }),
);

function query<Answer>(name: string, document: string, answer: z.ZodType<Answer>): Operation<Answer> {
  return { kind: "query", name, document, answer };
}

function mutation<Answer>(name: string, document: string, answer: z.ZodType<Answer>): Operation<Answer> {
  return { kind: "mutation", name, document, answer };
}
