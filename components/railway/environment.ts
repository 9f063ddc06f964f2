import { CutoverError, hasCode } from "../errors.ts";
import type { RailwayContext } from "./context.ts";
import * as operations from "./operations.ts";
import { collectPages, pageSize } from "./paging.ts";
import { suggestNames } from "./suggest-names.ts";

/** One environment of one project, pinned by id. */
export interface EnvironmentScope {
  readonly projectId: string;
  readonly projectName: string;
  readonly environmentId: string;
  readonly environmentName: string;
}

export interface EnvironmentFacts {
  /** Whether this token may use the environment (Railway can restrict single ones). */
  readonly canAccess: boolean;
  /** Edits that somebody staged but did not deploy; `variables` does not show them. */
  readonly unmergedChangesCount: number;
  /** Every live environment of the project; `undefined` when the token cannot see them (a project token). */
  readonly projectEnvironments: readonly EnvironmentScope[] | undefined;
}

/** Settings of the environment that no other read shows. */
export interface EnvironmentSettings {
  /** Ids of the services whose image Railway replaces by itself in a maintenance window. */
  readonly autoUpdatedServices: readonly string[];
  readonly privateNetworkDisabled: boolean;
}

interface Named {
  readonly id: string;
  readonly name: string;
  readonly deletedAt?: string | null | undefined;
}

/**
 * Finds the configured project and environment, each by name or id. A project token brings its own; it must be that one.
 *
 * @throws CutoverError `RAILWAY_TOKEN_OF_OTHER_ENVIRONMENT`, `PROJECT_NOT_FOUND`, `PROJECT_AMBIGUOUS`,
 *   `ENVIRONMENT_NOT_FOUND`, `ENVIRONMENT_AMBIGUOUS`, and those of the transport
 */
export async function resolveEnvironment(
  context: RailwayContext,
  names: { readonly project: string; readonly environment: string },
): Promise<EnvironmentScope> {
  if (context.transport.token.kind === "project") return resolveByProjectToken(context, names);
  const projectId = uuidPattern.test(names.project)
    ? names.project
    : await findProject(context, names.project);
  const { project, environments } = await readProject(context, projectId);
  const environment = pickOne(
    environments,
    names.environment,
    "environment",
    ` in the project "${project.name}"`,
  );
  return scopeOf(project, environment);
}

/** What a preflight wants to know about the environment as a whole. */
export async function readEnvironmentFacts(
  context: RailwayContext,
  { projectId, environmentId }: EnvironmentScope,
): Promise<EnvironmentFacts> {
  const { environment } = await context.transport.request(operations.environmentState, {
    environmentId,
    projectId,
  });
  return {
    canAccess: environment.canAccess,
    unmergedChangesCount: environment.unmergedChangesCount ?? 0,
    projectEnvironments: await readProjectEnvironments(context, projectId),
  };
}

/** Reads what is set for the environment and its services as a whole; values of variables are masked by Railway. */
export async function readEnvironmentSettings(
  { transport }: RailwayContext,
  { projectId, environmentId }: EnvironmentScope,
): Promise<EnvironmentSettings> {
  const { environment } = await transport.request(operations.environmentSettings, {
    environmentId,
    projectId,
  });
  const { services, privateNetworkDisabled } = environment.config;
  return {
    autoUpdatedServices: Object.entries(services ?? {})
      .filter(([, service]) => isSwitchedOn(service?.source?.autoUpdates))
      .map(([id]) => id),
    privateNetworkDisabled: privateNetworkDisabled ?? false,
  };
}

/** Its form is not documented beyond a schedule, so that everything counts as on that does not say it is off. */
function isSwitchedOn(autoUpdates: unknown): boolean {
  if (autoUpdates === null || autoUpdates === undefined || autoUpdates === false) return false;
  return (autoUpdates as { type?: unknown }).type !== "disabled";
}

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

async function resolveByProjectToken(
  { transport }: RailwayContext,
  names: { readonly project: string; readonly environment: string },
): Promise<EnvironmentScope> {
  const { projectToken } = await transport.request(operations.projectToken);
  const { project, environment } = projectToken;
  if (![project.id, project.name].includes(names.project)) {
    throw otherEnvironmentError("project", project.name, names.project);
  }
  if (![environment.id, environment.name].includes(names.environment)) {
    throw otherEnvironmentError("environment", environment.name, names.environment);
  }
  return scopeOf(project, environment);
}

async function findProject({ transport }: RailwayContext, name: string): Promise<string> {
  const projects = await collectPages(operations.projects.name, async (after) => {
    const answer = await transport.request(operations.projects, { first: pageSize, after });
    return answer.projects;
  });
  return pickOne(projects, name, "project", " that this token can see").id;
}

async function readProject({ transport }: RailwayContext, projectId: string) {
  let project: Named | undefined;
  const environments = await collectPages(operations.projectEnvironments.name, async (after) => {
    const answer = await transport.request(operations.projectEnvironments, {
      projectId,
      first: pageSize,
      after,
    });
    project = answer.project;
    return answer.project.environments;
  });
  if (project === undefined || isDeleted(project)) throw notFoundError("project", projectId, [], "");
  return { project, environments: environments.filter((environment) => !isDeleted(environment)) };
}

async function readProjectEnvironments(context: RailwayContext, projectId: string) {
  // It may be shown a part of them, which would read as "this is all there is".
  if (context.transport.token.kind === "project") return undefined;
  try {
    const { project, environments } = await readProject(context, projectId);
    return environments.map((environment) => scopeOf(project, environment));
  } catch (error) {
    if (hasCode(error, "RAILWAY_NOT_AUTHORIZED", "RAILWAY_NOT_FOUND")) return undefined;
    throw error;
  }
}

function pickOne<Candidate extends Named>(
  candidates: readonly Candidate[],
  wanted: string,
  what: "project" | "environment",
  where: string,
): Candidate {
  const live = candidates.filter((candidate) => !isDeleted(candidate));
  const matches = live.filter(({ id, name }) => id === wanted || name === wanted);
  const [match] = matches;
  if (match === undefined) {
    throw notFoundError(
      what,
      wanted,
      live.map(({ name }) => name),
      where,
    );
  }
  if (matches.length > 1) {
    throw new CutoverError({
      code: `${what.toUpperCase()}_AMBIGUOUS`,
      message: `${matches.length} ${what}s${where} are named "${wanted}": ${matches.map(({ id }) => id).join(", ")}.`,
      remedy: `Configure the ${what} by its id.`,
    });
  }
  return match;
}

function notFoundError(
  what: "project" | "environment",
  wanted: string,
  names: readonly string[],
  where: string,
) {
  return new CutoverError({
    code: `${what.toUpperCase()}_NOT_FOUND`,
    message: `There is no ${what} "${wanted}"${where}.${suggestNames(wanted, names)}`,
    remedy: `Correct the name in the stack's configuration (names are case-sensitive), or give the ${what}'s id.`,
  });
}

function otherEnvironmentError(
  what: "project" | "environment",
  tokens: string,
  configured: string,
): CutoverError {
  return new CutoverError({
    code: "RAILWAY_TOKEN_OF_OTHER_ENVIRONMENT",
    message: `The project token belongs to the ${what} "${tokens}", but the configuration names the ${what} "${configured}".`,
    remedy: "Use a project token of the configured environment, or correct the configuration.",
  });
}

function scopeOf(project: Named, environment: Named): EnvironmentScope {
  return {
    projectId: project.id,
    projectName: project.name,
    environmentId: environment.id,
    environmentName: environment.name,
  };
}

function isDeleted({ deletedAt }: Named): boolean {
  return deletedAt !== null && deletedAt !== undefined;
}
