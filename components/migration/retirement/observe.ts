import { openStore } from "../../backup/store.ts";
import { describeError, hasCode } from "../../errors.ts";
import { withConnection } from "../../postgres/connection.ts";
import { isRunning } from "../../railway/deployments.ts";
import { lookIntoEnvironments, lookIntoServices } from "../../railway/present.ts";
import type { EnvironmentScope, RailwayVolume } from "../../railway/railway.ts";
import type { Primary } from "../decide/primary.ts";
import { resolveDatabase } from "../decide/resolve.ts";
import { maintenanceDatabase } from "../fence/maintenance.ts";
import type { RecordIn } from "../journal/record.ts";
import { addressesOf, type DatabaseAddresses } from "../preflight/railway/addresses.ts";
import { consumersOf, type VariableHolder } from "./consumers.ts";
import type { RetirementFacts, StoredBackupFacts, VolumeFacts } from "./facts.ts";
import { backupName } from "./final-backup.ts";
import type { FinishedEntry } from "./finished-entry.ts";
import type { RetirementRun } from "./run.ts";
import { readServerFacts, type ServerFacts } from "./server-facts.ts";

/** Looks at Railway, and at the old server where it runs. Reads only. */
export async function observeRetirement(
  run: RetirementRun,
  { scope, target }: Pick<Primary, "scope" | "target">,
  record: RecordIn<"finished">,
): Promise<RetirementFacts> {
  const { railway, inputs, serviceId } = run;
  const { projectEnvironments } = await railway.environmentFacts(scope);
  const environments = projectEnvironments ?? [scope];
  const [services, volumes, consumers] = await Promise.all([
    railway.listServices(scope),
    railway.listVolumes(scope),
    lookIntoEnvironments(railway, scope, environments, (present) => readConsumers(run, present)),
  ]);
  const service = services.find(({ id }) => id === serviceId);
  const running = service?.activeDeployments.some(isRunning) ?? false;
  const volume = volumes.find((one) => one.serviceId === serviceId);
  return {
    now: new Date(),
    record,
    serviceId,
    targetId: target.service.id,
    soakDays: inputs.soakDays,
    consumers,
    environmentId: scope.environmentId,
    environments: projectEnvironments?.map(({ environmentName }) => environmentName),
    isRunning: running,
    deployments:
      service === undefined ? [] : await railway.listDeployments(scope, serviceId, mostDeployments),
    isThere: service !== undefined,
    volume: volume === undefined ? null : volumeFacts(volume),
    recordedVolume: volumes.find(({ id }) => id === record.retirement?.volumeBackup.volumeId),
    volumeElsewhere: await environmentsWith(run, volumeIds(record, volume), environments, scope),
    server: running ? await lookAtServer(run, scope) : null,
  };
}

/** Looks at the final backup where the journal says that it is. Reads nothing of its content. */
export async function observeBackup(
  { inputs, credentials }: Pick<RetirementRun, "inputs" | "credentials">,
  entry: Pick<FinishedEntry, "id" | "record">,
): Promise<StoredBackupFacts> {
  const evidence = entry.record.retirement?.finalBackup;
  if (evidence === undefined || evidence.to === "own") return { kind: "missing" };
  const destination = inputs.removal.finalBackup;
  if (destination === null || destination.to === "own") {
    return { kind: "unknown", why: "removal.finalBackup does not name its place any more" };
  }
  try {
    const store = openStore(destination, backupName(entry), credentials);
    if (store.place !== evidence.place) {
      return { kind: "unknown", why: `removal.finalBackup names another place now (${store.place})` };
    }
    const object = await store.look();
    return object === undefined ? { kind: "missing" } : { kind: "stored", object };
  } catch (error) {
    return { kind: "unknown", why: describeError(error) };
  }
}

/** As many as can have been made of a database since its evidence without anybody noticing. */
const mostDeployments = 50;

function volumeFacts({ id, instanceId, sizeMB, currentSizeMB }: RailwayVolume): VolumeFacts {
  return { id, instanceId, freeBytes: (sizeMB - currentSizeMB) * 1_000_000 };
}

/** The one that is attached, and the one that was when everything was proven. */
function volumeIds({ retirement }: RecordIn<"finished">, volume: RailwayVolume | undefined): string[] {
  return [volume?.id, retirement?.volumeBackup.volumeId].filter((id) => id !== undefined);
}

/** `volumeDelete` has no environment: it would take the same volume's data in every other one, too. */
async function environmentsWith(
  { railway }: RetirementRun,
  ids: readonly string[],
  environments: readonly EnvironmentScope[],
  own: EnvironmentScope,
): Promise<string[]> {
  const others = environments.filter(({ environmentId }) => environmentId !== own.environmentId);
  const look = async (other: EnvironmentScope) => {
    const volumes = await railway.listVolumes(other);
    return volumes.some(({ id }) => ids.includes(id)) ? [other.environmentName] : [];
  };
  const found = await lookIntoEnvironments(railway, own, others, (present) => Promise.all(present.map(look)));
  return found.flat();
}

async function readConsumers(
  run: RetirementRun,
  environments: readonly EnvironmentScope[],
): Promise<string[]> {
  const found = await Promise.all(
    environments.map(async (environment) => ({
      holders: await readHolders(run, environment),
      ...(await readAddresses(run, environment)),
    })),
  );
  const everywhere = found.map(({ addresses }) => addresses);
  return consumersOf(
    found.flatMap(({ holders }) => holders),
    [...new Set([...found.flatMap(({ name }) => name ?? []), run.inputs.source])],
    {
      hosts: [...new Set(everywhere.flatMap(({ hosts }) => hosts))],
      endpoints: [...new Set(everywhere.flatMap(({ endpoints }) => endpoints))],
      logins: [],
    },
  );
}

/** What the service is called, and by which addresses it is reached in one environment; nothing where it does not exist there. */
async function readAddresses(
  { railway, inputs, serviceId }: RetirementRun,
  environment: EnvironmentScope,
): Promise<{ name?: string; addresses: DatabaseAddresses }> {
  const service = (await railway.listServices(environment)).find(({ id }) => id === serviceId);
  if (service === undefined) return { addresses: addressesOf(inputs.source, new Map()) };
  const { name } = service;
  const addresses = addressesOf(name, await railway.renderedVariables(environment, serviceId));
  const proxies = await railway.tcpProxies(environment, serviceId);
  const endpoints = proxies.map(({ domain, proxyPort }) => `${domain.toLowerCase()}:${proxyPort}`);
  return { name, addresses: { ...addresses, endpoints: [...addresses.endpoints, ...endpoints] } };
}

/** Every service's variables but the old database's own, and the shared ones. */
async function readHolders(
  { railway, serviceId }: RetirementRun,
  environment: EnvironmentScope,
): Promise<VariableHolder[]> {
  const [services, records] = await Promise.all([
    railway.listServices(environment),
    railway.variableRecords(environment),
  ]);
  const others = services.filter(({ id }) => id !== serviceId);
  const read = async ({ id, name }: { readonly id: string | null; readonly name: string }) => ({
    name,
    environment: environment.environmentName,
    raw: await railway.rawVariables(environment, id),
    rendered: id === null ? new Map() : await railway.renderedVariables(environment, id),
    sealed: new Map(
      records
        .filter((one) => one.serviceId === id && one.isSealed)
        .map((one) => [one.name, one.references] as const),
    ),
  });
  return lookIntoServices(railway, environment, others, (present) =>
    Promise.all([{ id: null, name: "shared variables" }, ...present].map(read)),
  );
}

/** `null` where it does not answer: a deployment that runs says nothing about the server in it. */
async function lookAtServer(
  { railway, inputs, serviceId }: RetirementRun,
  scope: EnvironmentScope,
): Promise<ServerFacts | null> {
  try {
    // By its id, as it is stopped and deleted: by its name another service may be found.
    const { connection } = await resolveDatabase(railway, scope, { ...inputs, source: serviceId }, "source");
    const database = maintenanceDatabase(connection);
    return await withConnection(connection, { purpose: "observe", readOnly: true, database }, (client) =>
      readServerFacts(client, connection.database),
    );
  } catch (error) {
    if (hasCode(error, "SERVER_UNREACHABLE")) return null;
    throw error;
  }
}
