import { randomBytes } from "node:crypto";
import { CutoverError, hasCode } from "../../components/errors.ts";
import { applyAndConfirm } from "../../components/railway/confirmed-mutation.ts";
import type { RailwayContext } from "../../components/railway/context.ts";
import { collectPages, pageSize } from "../../components/railway/paging.ts";
import * as operations from "./operations.ts";

/** A project as its workspace lists it. */
export interface ListedProject {
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
}

/** The name of one run's project. Its last part is random, so that nobody else's has it by chance. */
export interface RunName {
  readonly name: string;
  readonly nonce: string;
}

/** A project that an earlier run left behind. */
export interface Leftover extends ListedProject {
  readonly startedAt: Date;
  /** `false`: name and marker are ours, but the run was killed before it could note the project's own id. */
  readonly proven: boolean;
}

/** No run lasts this long: whatever is older belongs to one that was killed. */
export const longestRunMs = 2 * 60 * 60_000;

const prefix = "pgvector-cutover-smoke-";
const marker = "Throw-away project of the smoke test of railway-pgvector-cutover.";
const markPattern = new RegExp(
  `^${marker.replaceAll(".", "\\.")} Run ([0-9a-f]{12}), started (\\d{4}-\\d{2}-\\d{2}T[\\d:.]+Z)\\.(?: Project ([0-9a-f-]{36})\\.)?$`,
);

export function drawName(): RunName {
  const nonce = randomBytes(6).toString("hex");
  return { name: `${prefix}${nonce}`, nonce };
}

/** What the project's description says, so that it can be told from every other project. */
export function describeProject(nonce: string, startedAt: Date, projectId?: string): string {
  const base = `${marker} Run ${nonce}, started ${startedAt.toISOString()}.`;
  return projectId === undefined ? base : `${base} Project ${projectId}.`;
}

/**
 * Recognises what a run of the smoke test made: the name and the run in the description belong together. The description
 * also names the project's own id, so that a copy of it in another project proves nothing. Pure.
 */
export function recognise(project: ListedProject): Leftover | undefined {
  const [, nonce, startedAt = "", projectId] = markPattern.exec(project.description ?? "") ?? [];
  if (nonce === undefined || project.name !== `${prefix}${nonce}`) return undefined;
  if (projectId !== undefined && projectId !== project.id) return undefined;
  return { ...project, startedAt: new Date(startedAt), proven: projectId === project.id };
}

/** What earlier runs left in the workspace. */
export async function findLeftovers(context: RailwayContext, workspaceId: string): Promise<Leftover[]> {
  const projects = await listProjects(context, workspaceId);
  return projects.map(recognise).filter((one) => one !== undefined);
}

/**
 * Creates the project and notes its id in its own description.
 *
 * @param onCreated gets the id as soon as it is known
 * @throws CutoverError `SMOKE_PROJECT_NOT_CREATED`, and those of the transport
 */
export async function createProject(
  context: RailwayContext,
  workspaceId: string,
  { name, nonce }: RunName,
  startedAt: Date,
  onCreated: (id: string) => void,
): Promise<ListedProject> {
  const description = describeProject(nonce, startedAt);
  const input = {
    name,
    description,
    workspaceId,
    isPublic: false,
    prDeploys: false,
    defaultEnvironmentName: "production",
  };
  let createdId: string | undefined;
  const created = await applyAndConfirm(context, {
    name: `create project ${name}`,
    apply: async () => {
      const answer = await context.transport.request(operations.projectCreate, { input });
      createdId = answer.projectCreate.id;
      onCreated(createdId);
    },
    observe: () => findOwn(context, workspaceId, nonce),
  });
  if (created === undefined || (createdId !== undefined && created.id !== createdId)) throw notCreated(name);
  onCreated(created.id);
  const marked = describeProject(nonce, startedAt, created.id);
  const noted = await applyAndConfirm(context, {
    name: `note the id of ${name}`,
    apply: () =>
      context.transport.request(operations.projectUpdate, { id: created.id, input: { description: marked } }),
    observe: async () => {
      const own = await findOwn(context, workspaceId, nonce);
      return own?.proven === true ? own : undefined;
    },
  });
  if (noted === undefined) throw notCreated(name);
  return noted;
}

/** The project of one run, by its random name; `undefined` where Railway's reads show none. */
export async function findOwn(
  context: RailwayContext,
  workspaceId: string,
  nonce: string,
): Promise<Leftover | undefined> {
  const all = await findLeftovers(context, workspaceId);
  return all.find(({ name }) => name === `${prefix}${nonce}`);
}

/**
 * Deletes a project that the smoke test made, after it was read once more: its name, its description and everything in it
 * must be what a run makes.
 *
 * @param notedId the id that its creator noted
 * @param ownServices names of the services that a run makes
 * @returns whether it was there: that Railway's reads show none does not prove that there is none
 * @throws CutoverError `SMOKE_PROJECT_NOT_OURS`, `SMOKE_PROJECT_NOT_DELETED`, and those of the transport
 */
export async function removeProject(
  context: RailwayContext,
  workspaceId: string,
  notedId: string,
  ownServices: ReadonlySet<string>,
): Promise<boolean> {
  const find = async () => (await listProjects(context, workspaceId)).find(({ id }) => id === notedId);
  // One that was made a moment ago may not show yet.
  const project = await context.settle(find);
  if (project === undefined) return false;
  if (recognise(project) === undefined)
    throw notOurs(project, "its name and its description are not those that a run gives");
  const strangers = (await serviceNames(context, notedId)).filter((name) => !ownServices.has(name));
  if (strangers.length > 0) throw notOurs(project, `it holds ${strangers.join(", ")}, which no run makes`);
  const gone = await applyAndConfirm(context, {
    name: `delete project ${project.name}`,
    apply: async () => {
      try {
        await context.transport.request(operations.projectDelete, { id: project.id });
      } catch (error) {
        if (!hasCode(error, "RAILWAY_NOT_FOUND")) throw error;
      }
    },
    // Read by its id, one that is gone may be not found or not authorised.
    observe: async () => ((await find()) === undefined ? true : undefined),
    timeoutMs: deletionTimeoutMs,
  });
  if (gone === undefined) throw notDeleted(project);
  return true;
}

const deletionTimeoutMs = 60_000;

async function listProjects(context: RailwayContext, workspaceId: string): Promise<ListedProject[]> {
  const projects = await collectPages(operations.workspaceProjects.name, async (after) => {
    const page = { workspaceId, first: pageSize, after };
    return (await context.transport.request(operations.workspaceProjects, page)).projects;
  });
  return projects
    .filter(({ deletedAt }) => !deletedAt)
    .map(({ id, name, description }) => ({ id, name, description: description ?? null }));
}

async function serviceNames(context: RailwayContext, id: string): Promise<string[]> {
  const services = await collectPages(operations.projectServices.name, async (after) => {
    const page = { id, first: pageSize, after };
    return (await context.transport.request(operations.projectServices, page)).project.services;
  });
  return services.filter(({ deletedAt }) => !deletedAt).map(({ name }) => name);
}

function notCreated(name: string): CutoverError {
  return new CutoverError({
    code: "SMOKE_PROJECT_NOT_CREATED",
    message: `Railway accepted the creation of the project ${name}, but it does not show as it was made.`,
    remedy: "Look for it in Railway's dashboard and delete it there if it exists; then run again.",
  });
}

function notOurs({ id, name }: ListedProject, why: string): CutoverError {
  return new CutoverError({
    code: "SMOKE_PROJECT_NOT_OURS",
    message: `The project ${name} (${id}) was not deleted: ${why}.`,
    remedy: "Look at it in Railway's dashboard, and delete it there if nobody needs it.",
  });
}

/** Of one that was made, and that Railway's reads do not show when it is to be deleted. */
export function notFound(id: string): CutoverError {
  return new CutoverError({
    code: "SMOKE_PROJECT_NOT_DELETED",
    message: `Railway does not show the project ${id} among those of the workspace, so it could not be deleted.`,
    remedy:
      "Look for it in Railway's dashboard and delete it there if it exists, or run `npm run smoke -- --clean` a few minutes later.",
  });
}

function notDeleted({ id, name }: ListedProject): CutoverError {
  return new CutoverError({
    code: "SMOKE_PROJECT_NOT_DELETED",
    message: `Railway accepted the deletion of the project ${name} (${id}), but it is still there. It goes on costing money.`,
    remedy: "Delete it in Railway's dashboard, or run `npm run smoke -- --clean` a few minutes later.",
  });
}
