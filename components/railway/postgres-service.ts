import { CutoverError, hasCode } from "../errors.ts";
import { applyAndConfirm } from "./confirmed-mutation.ts";
import type { RailwayContext } from "./context.ts";
import { deployService } from "./deployment-actions.ts";
import { waitForDeployment } from "./deployment-wait.ts";
import type { EnvironmentScope } from "./environment.ts";
import * as operations from "./operations.ts";
import { findService, type RailwayService, readInventory } from "./services.ts";
import { readTcpProxies } from "./tcp-proxies.ts";
import { readRawVariables, setVariable } from "./variables.ts";

export interface PostgresServiceRequest {
  readonly name: string;
  readonly image: string;
  /** Where the image keeps its data (PGDATA or above). */
  readonly mountPath: string;
  /** Raw texts; given to Railway with the creation, and never overwritten afterwards. */
  readonly variables: Readonly<Record<string, string>>;
  /** The port to open to the public network, or `null` for none. */
  readonly tcpProxyPort: number | null;
  /** For the first deployment to become healthy. */
  readonly deploymentTimeoutMs?: number | undefined;
}

/**
 * Marks a service that this project creates. While it reads `started`, a creation was interrupted and the next one goes
 * on with it; a service without the mark is somebody else's and is not touched.
 */
export const creationMark = "PGVECTOR_CUTOVER_CREATION";
const defaultDeploymentTimeoutMs = 900_000;

/**
 * Creates a PostgreSQL service with its volume, variables and public proxy, deploys it once and waits for it. May be
 * repeated: it does only what is missing. An existing service of that name is returned as it is when image and volume
 * fit. A project whose environments are not forks gets the service in all of them (Railway's rule for new services).
 *
 * @throws CutoverError `SERVICE_NAME_TAKEN`, `SERVICE_NOT_CREATED`, those of a deployment and of the transport
 */
export async function createPostgresService(
  context: RailwayContext,
  scope: EnvironmentScope,
  request: PostgresServiceRequest,
): Promise<RailwayService> {
  const created =
    (await lookUp(context, scope, request.name)) ?? (await createService(context, scope, request));
  if (!sameImage(created.image, request.image)) throw nameTakenError(request, "runs another image");
  const variables = await readRawVariables(context, scope, created.id);
  if (variables.get(creationMark) !== "started") {
    if (!sameVolume(created, request)) throw nameTakenError(request, "has no volume at the expected path");
    return created;
  }
  for (const [name, value] of Object.entries(request.variables)) {
    // Present ones stay: the database was initialised with the password that is stored.
    if (!variables.has(name)) await setVariable(context, scope, created.id, name, value);
  }
  await ensureVolume(context, scope, created, request);
  await ensureTcpProxy(context, scope, created.id, request.tcpProxyPort);
  const deploymentId = await deployService(context, scope, created.id);
  const timeoutMs = request.deploymentTimeoutMs ?? defaultDeploymentTimeoutMs;
  await waitForDeployment(context, scope, created.id, deploymentId, { timeoutMs });
  await setVariable(context, scope, created.id, creationMark, "finished");
  return findService(context, scope, created.id);
}

async function createService(
  context: RailwayContext,
  scope: EnvironmentScope,
  { name, image, variables }: PostgresServiceRequest,
): Promise<RailwayService> {
  const { projectId, environmentId } = scope;
  const input = {
    projectId,
    environmentId,
    name,
    source: { image },
    variables: { ...variables, [creationMark]: "started" },
  };
  const service = await applyAndConfirm(context, {
    name: `create service ${name}`,
    apply: async () => {
      try {
        await context.transport.request(operations.serviceCreate, { input });
      } catch (error) {
        // Ours, when the creation before this one took effect late; what it is will be looked at.
        if (!hasCode(error, "RAILWAY_ALREADY_EXISTS")) throw error;
      }
    },
    observe: () => lookUp(context, scope, name),
  });
  if (service === undefined) throw notCreatedError("service", name);
  return service;
}

async function ensureVolume(
  context: RailwayContext,
  scope: EnvironmentScope,
  service: RailwayService,
  request: PostgresServiceRequest,
): Promise<void> {
  if (service.volume !== null) {
    if (!sameVolume(service, request)) throw nameTakenError(request, "has a volume at another path");
    return;
  }
  const { projectId, environmentId } = scope;
  const input = { projectId, environmentId, serviceId: service.id, mountPath: request.mountPath };
  const attached = await applyAndConfirm(context, {
    name: `create volume of ${request.name}`,
    apply: () => context.transport.request(operations.volumeCreate, { input }),
    observe: async () => (await lookUp(context, scope, request.name))?.volume ?? undefined,
  });
  if (attached === undefined) throw notCreatedError("volume of the service", request.name);
}

async function ensureTcpProxy(
  context: RailwayContext,
  scope: EnvironmentScope,
  serviceId: string,
  applicationPort: number | null,
): Promise<void> {
  if (applicationPort === null) return;
  const observe = async () => {
    const proxies = await readTcpProxies(context, scope, serviceId);
    return proxies.find((proxy) => proxy.applicationPort === applicationPort);
  };
  if (await observe()) return;
  const input = { applicationPort, environmentId: scope.environmentId, serviceId };
  const proxy = await applyAndConfirm(context, {
    name: `create TCP proxy of ${serviceId}`,
    apply: () => context.transport.request(operations.tcpProxyCreate, { input }),
    observe,
  });
  if (proxy === undefined) throw notCreatedError("TCP proxy of the service", serviceId);
}

async function lookUp(context: RailwayContext, scope: EnvironmentScope, name: string) {
  const { services } = await readInventory(context, scope);
  return services.find((service) => service.name === name);
}

function sameVolume({ volume }: RailwayService, { mountPath }: PostgresServiceRequest): boolean {
  return volume !== null && withoutTrailingSlash(volume.mountPath) === withoutTrailingSlash(mountPath);
}

function sameImage(actual: string | null, wanted: string): boolean {
  const short = (image: string) => image.replace(/^(docker\.io\/|index\.docker\.io\/)/, "");
  return actual !== null && short(actual) === short(wanted);
}

function withoutTrailingSlash(path: string): string {
  return path.replace(/\/+$/, "");
}

function nameTakenError({ name, image, mountPath }: PostgresServiceRequest, why: string): CutoverError {
  return new CutoverError({
    code: "SERVICE_NAME_TAKEN",
    message: `A service "${name}" exists already and ${why} (expected: image ${image}, volume at ${mountPath}). Nothing was changed on it.`,
    remedy: "Adopt it as it is instead of creating it, or choose another name.",
  });
}

function notCreatedError(what: string, name: string): CutoverError {
  return new CutoverError({
    code: "SERVICE_NOT_CREATED",
    message: `Railway accepted the creation of the ${what} "${name}", but it did not appear.`,
    remedy: "Look for staged changes in Railway's dashboard, then run the same command again.",
  });
}
