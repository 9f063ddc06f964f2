import type { z } from "zod";
import { CutoverError, hasCode } from "../errors.ts";
import type { serviceInstanceAnswer, volumeInstanceAnswer } from "./answers.ts";
import { applyAndConfirm } from "./confirmed-mutation.ts";
import type { RailwayContext } from "./context.ts";
import { type Deployment, toDeployment } from "./deployments.ts";
import type { EnvironmentScope } from "./environment.ts";
import { unexpectedAnswerError } from "./failures.ts";
import { commandParts, type FileSettings, readFileSettings } from "./file-settings.ts";
import * as operations from "./operations.ts";
import { createPageCollector, pageSize } from "./paging.ts";
import { lookIntoServices } from "./present.ts";
import { suggestNames } from "./suggest-names.ts";

/** A volume as it exists in one environment. */
export interface RailwayVolume {
  readonly id: string;
  /** What backups refer to; differs from `id` in every environment. */
  readonly instanceId: string;
  /** The service it is attached to. */
  readonly serviceId: string | null;
  readonly mountPath: string;
  readonly state: string | null;
  readonly currentSizeMB: number;
  readonly sizeMB: number;
}

/** A service as it exists in one environment. */
export interface RailwayService {
  readonly id: string;
  readonly name: string;
  readonly image: string | null;
  readonly repo: string | null;
  /** Without one, a successful deployment only means that a container was started. */
  readonly healthcheckPath: string | null;
  readonly healthcheckTimeoutSeconds: number | null;
  readonly overlapSeconds: number | null;
  readonly drainingSeconds: number | null;
  readonly numReplicas: number | null;
  readonly sleepApplication: boolean;
  readonly startCommand: string | null;
  readonly preDeployCommand: readonly string[];
  readonly fileSettings: FileSettings | null;
  readonly latestDeployment: Deployment | null;
  readonly activeDeployments: readonly Deployment[];
  readonly volume: RailwayVolume | null;
}

export interface EnvironmentInventory {
  readonly services: readonly RailwayService[];
  readonly volumes: readonly RailwayVolume[];
}

/** Reads all live services and volumes of an environment, one request for each page of both. */
export async function readInventory(
  { transport }: RailwayContext,
  { environmentId, projectId }: EnvironmentScope,
): Promise<EnvironmentInventory> {
  const { name } = operations.environmentServices;
  const instances = createPageCollector<z.infer<typeof serviceInstanceAnswer>>(name);
  const volumeInstances = createPageCollector<z.infer<typeof volumeInstanceAnswer>>(name);
  do {
    const { environment } = await transport.request(operations.environmentServices, {
      environmentId,
      projectId,
      first: pageSize,
      servicesAfter: instances.after,
      volumesAfter: volumeInstances.after,
    });
    instances.accept(environment.serviceInstances);
    volumeInstances.accept(environment.volumeInstances);
  } while (!instances.complete || !volumeInstances.complete);
  const volumes = volumeInstances.nodes.filter(isLiveVolume).map(toVolume);
  return { volumes, services: instances.nodes.filter(isLive).map((node) => toService(node, volumes)) };
}

/**
 * Finds exactly one live service by its exact name or id.
 *
 * @throws CutoverError `SERVICE_NOT_FOUND`, `SERVICE_AMBIGUOUS`, and those of the transport
 */
export async function findService(
  context: RailwayContext,
  scope: EnvironmentScope,
  wanted: string,
): Promise<RailwayService> {
  const { services } = await readInventory(context, scope);
  const matches = services.filter(({ id, name }) => id === wanted || name === wanted);
  const [match] = matches;
  const where = `the environment "${scope.environmentName}" of the project "${scope.projectName}"`;
  if (match === undefined) {
    throw new CutoverError({
      code: "SERVICE_NOT_FOUND",
      message: `There is no service "${wanted}" in ${where}.${suggestNames(
        wanted,
        services.map(({ name }) => name),
      )}`,
      remedy: "Correct the service's name in the stack's configuration; names are case-sensitive.",
    });
  }
  if (matches.length > 1) {
    throw new CutoverError({
      code: "SERVICE_AMBIGUOUS",
      message: `${matches.length} services in ${where} are named "${wanted}": ${matches.map(({ id }) => id).join(", ")}.`,
      remedy: "Configure the service by its id, or rename one of them.",
    });
  }
  return match;
}

/**
 * Reads one service by id, without its volume's listing being paged; `undefined` when it is gone from the environment. The
 * list has the last word: an answer that only lags, or a token without the right, must not make a service pass for gone.
 */
export async function readService(
  context: RailwayContext,
  scope: EnvironmentScope,
  serviceId: string,
): Promise<Omit<RailwayService, "volume"> | undefined> {
  const { environmentId } = scope;
  return lookIntoServices(listing(context), scope, [{ id: serviceId }], async ([present]) => {
    if (present === undefined) return undefined;
    const answer = await context.transport.request(operations.serviceState, { environmentId, serviceId });
    if (!isLive(answer.service) || !isLive(answer.serviceInstance)) return undefined;
    const { volume: _volume, ...service } = toService(answer.serviceInstance, []);
    return service;
  });
}

/** The part of a client that looks into lists need. */
export function listing(context: RailwayContext): Parameters<typeof lookIntoServices>[0] {
  return {
    listServices: async (scope) => (await readInventory(context, scope)).services,
    settle: (look) => context.settle(look),
  };
}

/**
 * Deletes a service from this environment only and reads until it is gone. Does nothing when it is gone already.
 *
 * @throws CutoverError `SERVICE_NOT_DELETED`, and those of the transport
 */
export async function deleteService(
  context: RailwayContext,
  scope: EnvironmentScope,
  serviceId: string,
): Promise<void> {
  const observe = async () => {
    const { services } = await readInventory(context, scope);
    return services.some(({ id }) => id === serviceId) ? undefined : true;
  };
  if (await observe()) return;
  const { environmentId } = scope;
  const gone = await applyAndConfirm(context, {
    name: `delete service ${serviceId}`,
    apply: async () => {
      try {
        await context.transport.request(operations.serviceDelete, { id: serviceId, environmentId });
      } catch (error) {
        if (!hasCode(error, "RAILWAY_NOT_FOUND")) throw error;
      }
    },
    observe,
  });
  if (gone) return;
  throw new CutoverError({
    code: "SERVICE_NOT_DELETED",
    message: `Railway accepted the deletion of the service ${serviceId}, but it is still there.`,
    remedy: "Look for staged changes in Railway's dashboard, then run the same command again.",
  });
}

function toService(
  answer: z.infer<typeof serviceInstanceAnswer>,
  volumes: readonly RailwayVolume[],
): RailwayService {
  const attached = volumes.filter(({ serviceId }) => serviceId === answer.serviceId);
  // Railway allows one volume a service; choosing among several could delete the wrong one later.
  if (attached.length > 1)
    throw unexpectedAnswerError(operations.environmentServices.name, "volumeInstances");
  return {
    id: answer.serviceId,
    name: answer.serviceName,
    image: answer.source?.image ?? null,
    repo: answer.source?.repo ?? null,
    healthcheckPath: answer.healthcheckPath || null,
    healthcheckTimeoutSeconds: answer.healthcheckTimeout ?? null,
    overlapSeconds: answer.overlapSeconds ?? null,
    drainingSeconds: answer.drainingSeconds ?? null,
    numReplicas: answer.numReplicas ?? null,
    sleepApplication: answer.sleepApplication ?? false,
    startCommand: answer.startCommand || null,
    preDeployCommand: commandParts(answer.preDeployCommand),
    fileSettings: readFileSettings(answer),
    latestDeployment: answer.latestDeployment ? toDeployment(answer.latestDeployment) : null,
    activeDeployments: answer.activeDeployments.map(toDeployment),
    volume: attached[0] ?? null,
  };
}

function toVolume(answer: z.infer<typeof volumeInstanceAnswer>): RailwayVolume {
  return {
    id: answer.volumeId,
    instanceId: answer.id,
    serviceId: answer.serviceId ?? null,
    mountPath: answer.mountPath,
    state: answer.state ?? null,
    currentSizeMB: answer.currentSizeMB,
    sizeMB: answer.sizeMB,
  };
}

function isLive({ deletedAt }: { readonly deletedAt?: string | null | undefined }): boolean {
  return deletedAt === null || deletedAt === undefined;
}

/** A deleted volume stays listed for up to 48 hours, in which it can be restored by a link sent by e-mail. */
function isLiveVolume(volume: z.infer<typeof volumeInstanceAnswer>): boolean {
  return (
    isLive(volume) && !volume.isPendingDeletion && volume.state !== "DELETED" && volume.state !== "DELETING"
  );
}
