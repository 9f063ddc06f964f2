import { randomUUID } from "node:crypto";
import { type Caller, requireCaller } from "./authorization.ts";
import { patchObject, projectObject, serviceObject } from "./graphql-objects.ts";
import type { LaggingStore } from "./lagging-store.ts";
import {
  lookUpDeployment,
  lookUpEnvironment,
  lookUpInstance,
  lookUpService,
  missing,
  type RequestContext,
} from "./lookup.ts";
import type { Pace } from "./pace.ts";
import type { Platform } from "./platform.ts";
import type { Quirks } from "./quirks.ts";
import { notAuthorized, notFound, railwayError } from "./railway-errors.ts";
import { deleteService } from "./service-deletion.ts";
import { findServiceByName, hasSource, type ProjectState } from "./state.ts";
import { findVariable, removeVariable, storeVariable } from "./variable-store.ts";

export interface ProjectMutationDependencies {
  readonly store: LaggingStore;
  readonly platform: Platform;
  readonly pace: Pace;
  readonly quirks: Quirks;
  /** Tokens made at run time, and the environment of each. */
  readonly madeTokens: Map<string, string>;
  /** Opens a public domain of a service and says which. */
  readonly openDomain: (serviceId: string, environmentId: string) => Promise<string>;
}

interface ServiceChanges {
  readonly source?: { readonly image?: string | null } | null;
  readonly startCommand?: string | null;
  readonly healthcheckPath?: string | null;
}

/** What an edit of the dashboard or an agent does to variables, as far as it is simulated. */
interface PatchInput {
  readonly services?: Readonly<
    Record<
      string,
      {
        readonly variables?: Readonly<
          Record<string, { readonly value: string; readonly isSealed?: boolean } | null>
        >;
      }
    >
  >;
}

/** The resolvers for projects that come and go, and for what only whoever builds one needs. One project at a time has insides. */
export function buildProjectMutations(dependencies: ProjectMutationDependencies) {
  const { store, platform, pace, quirks, madeTokens, openDomain } = dependencies;
  const { live } = store;
  let lastCreatedAt = Number.NEGATIVE_INFINITY;

  return {
    projectCreate(
      {
        input,
      }: {
        input: { name?: string; description?: string; workspaceId?: string; defaultEnvironmentName?: string };
      },
      { caller }: RequestContext,
    ) {
      requireWide(caller);
      if (input.workspaceId !== undefined && input.workspaceId !== live.project.workspaceId)
        throw notAuthorized();
      if (Date.now() - lastCreatedAt < pace.projectCreationMs)
        throw railwayError("You are creating projects too quickly");
      if (live.project.deletedAt === null)
        throw railwayError("this simulator has room for one project at a time");
      lastCreatedAt = Date.now();
      const createdAt = new Date().toISOString();
      store.commit(() => {
        live.project = {
          id: randomUUID(),
          name: input.name ?? "project",
          description: input.description ?? null,
          workspaceId: live.project.workspaceId,
          createdAt,
          deletedAt: null,
        };
        live.environments.push({
          id: randomUUID(),
          name: input.defaultEnvironmentName ?? "production",
          isEphemeral: false,
          unmergedChangesCount: 0,
          createdAt,
        });
      });
      return projectObject(live, requireCaller(caller));
    },

    projectUpdate(
      { id, input }: { id: string; input: { description?: string } },
      { caller }: RequestContext,
    ) {
      const project = lookUpProject(caller, id);
      store.commit(() => {
        if (input.description !== undefined) project.description = input.description;
      });
      return projectObject({ ...live, project }, requireCaller(caller));
    },

    /** Takes everything in it at once, volumes and backups too. */
    projectDelete({ id }: { id: string }, { caller }: RequestContext) {
      const project = lookUpProject(caller, id);
      if (project === live.project) {
        for (const service of live.services.filter(({ deletedAt }) => deletedAt === null))
          deleteService(store, platform, service, null);
        for (const [token] of madeTokens) madeTokens.set(token, "an environment that is gone");
      }
      store.commit(() => {
        project.deletedAt = new Date().toISOString();
        if (project !== live.project) return;
        const nothing = { environments: [], services: [], instances: [], variables: [], deployments: [] };
        const noStorage = { volumes: [], volumeInstances: [], backups: [], proxies: [], patches: [] };
        Object.assign(live, nothing, noStorage);
      });
      return true;
    },

    projectTokenCreate(
      { input }: { input: { projectId: string; environmentId: string } },
      { caller }: RequestContext,
    ) {
      requireWide(caller);
      lookUpEnvironment(live, caller, input.environmentId, input.projectId);
      const token = randomUUID();
      madeTokens.set(token, input.environmentId);
      return token;
    },

    /** Takes effect with the next deployment. */
    serviceInstanceUpdate(
      {
        serviceId,
        environmentId,
        input,
      }: { serviceId: string; environmentId?: string | null; input: ServiceChanges },
      { caller }: RequestContext,
    ) {
      const instance = lookUpInstance(live, caller, serviceId, environmentId ?? "");
      store.commit(() => {
        if (input.source?.image != null) instance.image = input.source.image;
        if (input.startCommand !== undefined) instance.startCommand = input.startCommand;
        if (input.healthcheckPath !== undefined) instance.healthcheckPath = input.healthcheckPath;
      });
      return true;
    },

    serviceUpdate(
      { id, input }: { id: string; input: { name?: string | null } },
      { caller }: RequestContext,
    ) {
      const service = lookUpService(live, caller, id, 0);
      const { name } = input;
      if (name == null || name === service.name) return serviceObject(live, service);
      if (findServiceByName(live, name) !== undefined)
        throw railwayError(`A service named "${name}" already exists in this project`);
      const former = service.name;
      store.commit(() => {
        service.name = name;
        service.updatedAt = new Date().toISOString();
        if (!quirks.renameRewritesReferences) return;
        for (const variable of live.variables)
          variable.value = variable.value.replaceAll(`\${{${former}.`, `\${{${name}.`);
      });
      return serviceObject(live, service);
    },

    async serviceDomainCreate(
      { input }: { input: { serviceId: string; environmentId: string } },
      { caller }: RequestContext,
    ) {
      lookUpInstance(live, caller, input.serviceId, input.environmentId);
      return { domain: await openDomain(input.serviceId, input.environmentId) };
    },

    /** A new deployment with what an earlier one was given. What is stored stays. */
    deploymentRollback({ id }: { id: string }, { caller }: RequestContext) {
      const restores = lookUpDeployment(live, caller, id);
      platform.deploy(restores.serviceId, restores.environmentId, "rollback", { restores });
      return true;
    },

    environmentStageChanges(
      { environmentId, input, merge }: { environmentId: string; input: PatchInput; merge?: boolean | null },
      { caller }: RequestContext,
    ) {
      const environment = lookUpEnvironment(live, caller, environmentId);
      const isStaged = (one: { environmentId: string; appliedAt: string | null }) =>
        one.environmentId === environmentId && one.appliedAt === null;
      const patch = { id: randomUUID(), environmentId, appliedAt: null, appliedBy: null };
      const staged = { ...patch, config: maskedConfig(input) };
      store.commit(() => {
        if (merge !== true) live.patches = live.patches.filter((one) => !isStaged(one));
        if (Object.keys(input).length > 0) live.patches.push(staged);
        environment.unmergedChangesCount = live.patches.filter(isStaged).length;
      });
      return patchObject(staged);
    },

    environmentPatchCommit(
      { environmentId, patch }: { environmentId: string; patch?: PatchInput | null },
      { caller }: RequestContext,
    ) {
      lookUpEnvironment(live, caller, environmentId);
      const id = randomUUID();
      const services = Object.entries(patch?.services ?? {});
      store.commit(() => {
        for (const [serviceId, { variables = {} }] of services) {
          for (const [name, variable] of Object.entries(variables)) {
            const place = { environmentId, serviceId, name };
            if (variable === null) {
              removeVariable(live, place);
              continue;
            }
            storeVariable(live, place, variable.value);
            const stored = findVariable(live, place);
            if (stored !== undefined && variable.isSealed === true) stored.isSealed = true;
          }
        }
        live.patches.push({
          id,
          environmentId,
          appliedAt: new Date().toISOString(),
          appliedBy: null,
          config: maskedConfig(patch ?? {}),
        });
      });
      for (const [serviceId] of services) {
        if (hasSource(live, serviceId, environmentId)) platform.deploy(serviceId, environmentId, "patch");
      }
      return id;
    },

    tcpProxyDelete({ id }: { id: string }, { caller }: RequestContext) {
      const proxy = live.proxies.find((one) => one.id === id);
      if (proxy === undefined) throw notFound("TCPProxy");
      lookUpEnvironment(live, caller, proxy.environmentId);
      store.commit(() => {
        live.proxies = live.proxies.filter((one) => one !== proxy);
      });
      return true;
    },
  };

  function lookUpProject(caller: Caller | null, id: string): ProjectState {
    requireWide(caller);
    const found = [live.project, ...live.otherProjects].find(
      (one) => one.id === id && one.deletedAt === null,
    );
    if (found === undefined) throw missing(live, caller, id, "Project");
    return found;
  }
}

function requireWide(caller: Caller | null): void {
  if (requireCaller(caller).kind === "project") throw notAuthorized();
}

function maskedConfig({ services = {} }: PatchInput) {
  const masked = Object.entries(services).map(([id, { variables = {} }]) => [
    id,
    { variables: Object.fromEntries(Object.keys(variables).map((name) => [name, null])) },
  ]);
  return { services: Object.fromEntries(masked) };
}
