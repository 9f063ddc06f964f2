import { requireCaller, requireEnvironment } from "./authorization.ts";
import {
  deploymentEventObjects,
  deploymentObject,
  emptyPatch,
  environmentObject,
  instanceObject,
  patchObject,
  projectObject,
  proxyObject,
  serviceObject,
  snapshotObject,
} from "./graphql-objects.ts";
import type { JobHost } from "./job-host.ts";
import {
  isGone,
  lookUpDeployment,
  lookUpEnvironment,
  lookUpInstance,
  lookUpService,
  lookUpVolumeInstance,
  missing,
  type RequestContext,
} from "./lookup.ts";
import type { Pace } from "./pace.ts";
import { type PageArguments, toConnection } from "./pages.ts";
import type { Quirks } from "./quirks.ts";
import { notAuthorized, notFound, railwayError } from "./railway-errors.ts";
import { renderForDeployment, renderVariables } from "./references.ts";
import type { ProjectState, RailwayState } from "./state.ts";

interface VariablesArguments {
  readonly projectId: string;
  readonly environmentId: string;
  readonly serviceId?: string | null;
  readonly unrendered?: boolean | null;
}

interface DeploymentsArguments extends PageArguments {
  readonly input: {
    readonly projectId?: string | null;
    readonly environmentId?: string | null;
    readonly serviceId?: string | null;
    readonly status?: {
      readonly in?: readonly string[] | null;
      readonly notIn?: readonly string[] | null;
    } | null;
  };
}

/** Whom the account token belongs to. */
const accountUserId = "user-of-the-account-token";

/** The resolvers of the root queries. Each reads the request's views, never the live state. */
export function buildQueries(pace: Pace, quirks: Quirks, jobs: JobHost) {
  return {
    projectToken(_: unknown, { caller, view }: RequestContext) {
      if (caller?.kind !== "project") throw railwayError("Project Token not found");
      const environment = lookUpEnvironment(view, caller, caller.environmentId);
      return {
        id: caller.environmentId,
        name: "simulated",
        projectId: view.project.id,
        environmentId: environment.id,
        project: projectObject(view, caller),
        environment: environmentObject(view, environment),
      };
    },

    apiToken(_: unknown, { caller, view }: RequestContext) {
      if (requireCaller(caller).kind === "project") throw notAuthorized();
      return { workspaces: [{ id: view.project.workspaceId, name: "clinic-workspace" }] };
    },

    me(_: unknown, { caller }: RequestContext) {
      if (caller?.kind !== "account") throw notAuthorized();
      return { id: accountUserId, name: "Ada", email: "ada@clinic.example" };
    },

    projectMembers({ projectId }: { projectId: string }, { caller, view }: RequestContext) {
      if (projectId !== view.project.id) throw missing(view, caller, projectId, "Project");
      if (requireCaller(caller).kind === "project") throw notAuthorized();
      return [
        { id: "somebody-else", role: "ADMIN" },
        { id: accountUserId, role: quirks.tokensReadOnly ? "VIEWER" : "MEMBER" },
      ];
    },

    projectResourceAccess({ projectId }: { projectId: string }, { caller, view }: RequestContext) {
      if (projectId !== view.project.id) throw missing(view, caller, projectId, "Project");
      return { deployment: { disallowed: quirks.deploymentsDisallowed } };
    },

    projects(page: PageArguments, { caller, view }: RequestContext) {
      if (requireCaller(caller).kind === "project") throw notAuthorized();
      const all = [...view.otherProjects.map((project) => ofAnother(view, project)), view];
      const live = all.filter(({ project }) => project.deletedAt === null);
      return toConnection(
        live.map((one) => projectObject(one, requireCaller(caller))),
        page,
      );
    },

    project({ id }: { id: string }, { caller, view }: RequestContext) {
      const other = view.otherProjects.find((project) => project.id === id && project.deletedAt === null);
      if (other !== undefined && caller?.kind !== "project")
        return projectObject(ofAnother(view, other), requireCaller(caller));
      if (id !== view.project.id) throw missing(view, caller, id, "Project");
      if (view.project.deletedAt !== null) throw notFound("Project");
      const visible = {
        ...view,
        services: view.services.filter((one) => !isGone(one, pace.deletedVisibleMs)),
      };
      return projectObject(visible, requireCaller(caller));
    },

    environment({ id, projectId }: { id: string; projectId?: string | null }, context: RequestContext) {
      return environmentObject(context.view, lookUpEnvironment(context.view, context.caller, id, projectId));
    },

    service({ id }: { id: string }, { caller, view }: RequestContext) {
      return serviceObject(view, lookUpService(view, caller, id, pace.deletedVisibleMs));
    },

    serviceInstance(where: { environmentId: string; serviceId: string }, { caller, view }: RequestContext) {
      return instanceObject(view, lookUpInstance(view, caller, where.serviceId, where.environmentId));
    },

    variables(where: VariablesArguments, { caller, view, renderedView }: RequestContext) {
      lookUpEnvironment(view, caller, where.environmentId, where.projectId);
      const scope = { environmentId: where.environmentId, serviceId: where.serviceId ?? null };
      if (scope.serviceId !== null) lookUpInstance(view, caller, scope.serviceId, scope.environmentId);
      return where.unrendered === true
        ? rawVariables(view, scope)
        : renderVariables(renderedView, scope, false);
    },

    variablesForServiceDeployment(where: VariablesArguments, context: RequestContext) {
      const { caller, view, renderedView } = context;
      lookUpEnvironment(view, caller, where.environmentId, where.projectId);
      const instance = lookUpInstance(view, caller, where.serviceId ?? "", where.environmentId);
      return renderForDeployment(renderedView, instance, false);
    },

    deployments({ input, ...page }: DeploymentsArguments, { caller, view }: RequestContext) {
      if (input.environmentId != null) requireEnvironment(caller, input.environmentId);
      else if (requireCaller(caller).kind === "project") throw notAuthorized();
      const { projectId, environmentId, serviceId, status } = input;
      if (projectId != null && projectId !== view.project.id) throw notAuthorized();
      const found = view.deployments
        .filter((one) => environmentId == null || one.environmentId === environmentId)
        .filter((one) => serviceId == null || one.serviceId === serviceId)
        .filter((one) => status?.in == null || status.in.includes(one.status))
        .filter((one) => status?.notIn == null || !status.notIn.includes(one.status));
      return toConnection(found.toReversed().map(deploymentObject), page);
    },

    deployment({ id }: { id: string }, { caller, view }: RequestContext) {
      return deploymentObject(lookUpDeployment(view, caller, id));
    },

    deploymentEvents({ id, ...page }: PageArguments & { id: string }, { caller, view }: RequestContext) {
      return toConnection(deploymentEventObjects(lookUpDeployment(view, caller, id)), page);
    },

    deploymentLogs(
      where: { deploymentId: string; limit?: number | null; startDate?: string | null },
      { caller, view }: RequestContext,
    ) {
      const { id } = lookUpDeployment(view, caller, where.deploymentId);
      const lines = jobs
        .logs(id)
        .filter(({ timestamp }) => where.startDate == null || timestamp >= where.startDate);
      return lines.slice(-Math.min(where.limit ?? 100, 5_000));
    },

    deploymentSnapshot({ deploymentId }: { deploymentId: string }, { caller, view }: RequestContext) {
      return snapshotObject(lookUpDeployment(view, caller, deploymentId));
    },

    environmentStagedChanges({ environmentId }: { environmentId: string }, { caller, view }: RequestContext) {
      const { id } = lookUpEnvironment(view, caller, environmentId);
      const staged = view.patches.find((one) => one.environmentId === id && one.appliedAt === null);
      return staged === undefined ? emptyPatch : patchObject(staged);
    },

    environmentPatches(
      { environmentId, ...page }: PageArguments & { environmentId: string },
      { caller, view }: RequestContext,
    ) {
      const { id } = lookUpEnvironment(view, caller, environmentId);
      const applied = view.patches.filter((one) => one.environmentId === id && one.appliedAt !== null);
      return toConnection(applied.map(patchObject), page);
    },

    tcpProxies(where: { environmentId: string; serviceId: string }, { caller, view }: RequestContext) {
      const instance = lookUpInstance(view, caller, where.serviceId, where.environmentId);
      return view.proxies
        .filter((one) => one.serviceId === instance.serviceId && one.environmentId === instance.environmentId)
        .map((proxy) => proxyObject(proxy, quirks.proxyDomainHasTrailingDot));
    },

    volumeInstanceBackupList(
      { volumeInstanceId }: { volumeInstanceId: string },
      { caller, view }: RequestContext,
    ) {
      const { id } = lookUpVolumeInstance(view, caller, volumeInstanceId);
      return view.backups
        .filter((backup) => backup.volumeInstanceId === id)
        .map((backup) => ({ ...backup, expiresAt: null, externalId: backup.id, usedMB: 1 }));
    },

    /** One that is gone is `null`, as one that never was. */
    sandbox(where: { environmentId: string; id: string }, { caller, view }: RequestContext) {
      return sandboxesOf(view, lookUpEnvironment(view, caller, where.environmentId)).find(
        (one) => one.id === where.id,
      );
    },

    sandboxes(
      { environmentId, ...page }: PageArguments & { environmentId: string },
      { caller, view }: RequestContext,
    ) {
      return toConnection(sandboxesOf(view, lookUpEnvironment(view, caller, environmentId)), page);
    },

    workflowStatus({ workflowId }: { workflowId: string }, { caller, view }: RequestContext) {
      requireCaller(caller);
      const workflow = view.workflows.find((one) => one.id === workflowId);
      return workflow ?? { status: "NotFound", error: null };
    },
  };
}

/** The same Railway as seen from another project, of which nothing is known but its name. */
function ofAnother(view: RailwayState, project: ProjectState): RailwayState {
  return { ...view, project, environments: [], services: [], volumes: [] };
}

function sandboxesOf(view: RailwayState, { id }: { id: string }) {
  return view.sandboxes.filter((one) => one.environmentId === id && one.status !== "DESTROYED");
}

/** The stored text of the user's own variables; a sealed one is a key without a value. */
function rawVariables(
  view: RailwayState,
  scope: { environmentId: string; serviceId: string | null },
): Record<string, string | null> {
  const own = view.variables.filter(
    (one) => one.environmentId === scope.environmentId && one.serviceId === scope.serviceId,
  );
  return Object.fromEntries(own.map((one) => [one.name, one.isSealed ? null : one.value]));
}
