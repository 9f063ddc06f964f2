import { CutoverError } from "../errors.ts";
import { connect, withConnection } from "../postgres/connection.ts";
import { hashTables } from "../postgres/content-hash.ts";
import { readFence, setSeal } from "../postgres/fence.ts";
import { listTables } from "../postgres/relations.ts";
import { isRunning } from "../railway/deployments.ts";
import type { EnvironmentScope, Railway, RailwayService } from "../railway/railway.ts";
import { namesService } from "../railway/references.ts";
import { maintenanceDatabase } from "./maintenance.ts";
import type { PostgresServiceInputs, Retirement } from "./postgres-service.ts";
import { readPrimary } from "./primary.ts";
import type { RecordIn } from "./record.ts";
import type { Reporter } from "./reporter.ts";
import { resolveDatabase } from "./resolve.ts";
import { foreignSessions } from "./source-sessions.ts";

/**
 * Takes the old database's deployment down after proving that nothing needs it: a volume backup is made and seen in
 * Railway's list first. The volume stays, so this can be undone by deploying the service again.
 *
 * @throws CutoverError `RETIREMENT_REFUSED` with every reason at once; nothing was changed
 */
export async function stopLegacy(
  railway: Railway,
  inputs: PostgresServiceInputs,
  serviceId: string,
  reporter: Reporter,
): Promise<Retirement> {
  reporter.step(`Stop ${inputs.source}: prove that nothing needs it`);
  const scope = await railway.resolveEnvironment(inputs);
  const service = await railway.findService(scope, serviceId);
  const { volume } = service;
  const reasons = await reasonsAgainstRetiring(railway, inputs, serviceId);
  if (volume === null) reasons.push(`${inputs.source} has no volume: stopping it would lose its data`);
  const running = service.activeDeployments.filter(isRunning);
  const name = `final-${inputs.source}`;
  const earlier =
    volume === null || running.length > 0
      ? undefined
      : (await railway.listVolumeBackups(volume.instanceId)).find((backup) => backup.name === name);
  if (reasons.length === 0) {
    if (running.length > 0) reasons.push(...(await reasonsOnTheServer(railway, inputs, scope)));
    else if (earlier === undefined)
      reasons.push(`${inputs.source} does not run, so nothing can be proven: deploy it once`);
  }
  if (reasons.length > 0 || volume === null) throw refused("stop", reasons);

  const limits = { timeoutMs: inputs.limits.deploymentTimeoutMs };
  // A stop that was interrupted after the backup had proven everything before it was made.
  const backup = earlier ?? (await railway.backupVolume(scope, volume.instanceId, name, limits));
  reporter.detail(`volume backup ${backup.id} made and listed`);
  for (const { id } of running) await railway.stopDeployment(id);
  const at = new Date().toISOString();
  reporter.detail(`${inputs.source} is stopped; its volume is kept`);
  return {
    state: "stopped",
    evidence: [
      `${at} no variable in this environment names ${inputs.source}; no session, replication slot or subscription on it`,
      `${at} sealed, fenced, and every table equal to what was hashed at the fence`,
      `${at} volume backup ${backup.id} made and listed by Railway`,
      `${at} deployment stopped, volume ${volume.id} kept`,
    ],
  };
}

/**
 * Deletes the stopped database's volume, then its service, in this environment only. Safe to repeat.
 *
 * @throws CutoverError `RETIREMENT_REFUSED` with every reason at once
 */
export async function removeLegacy(
  railway: Railway,
  inputs: PostgresServiceInputs,
  serviceId: string,
  stopped: Retirement,
  reporter: Reporter,
): Promise<Retirement> {
  reporter.step(`Remove ${inputs.source}`);
  const scope = await railway.resolveEnvironment(inputs);
  const reasons = await reasonsAgainstRetiring(railway, inputs, serviceId);
  const service = (await railway.listServices(scope)).find(({ id }) => id === serviceId);
  reasons.push(...reasonsAgainstDeleting(inputs, serviceId, service, stopped));
  const volumeIds = (await railway.listVolumes(scope))
    .filter((volume) => volume.serviceId === serviceId)
    .map(({ id }) => id);
  reasons.push(...(await volumesElsewhere(railway, scope, volumeIds)));
  if (reasons.length > 0) throw refused("remove", reasons);
  // The volume first: once the service is gone, nothing tells any more which volume was its own.
  for (const id of volumeIds) await railway.deleteVolume(scope, id);
  reporter.detail(volumeIds.length === 0 ? "no volume left" : `volume ${volumeIds.join(", ")} deleted`);
  await railway.deleteService(scope, serviceId);
  reporter.detail(`service ${serviceId} deleted in ${scope.environmentName}`);
  const at = new Date().toISOString();
  return {
    state: "removed",
    evidence: [
      ...stopped.evidence,
      `${at} final copy outside the volume, as stated by the operator: ${inputs.removal.finalBackup}`,
      `${at} volume and service ${serviceId} deleted`,
    ],
  };
}

/**
 * What speaks against retiring the old database, as far as it can be told without its server. Reads only.
 *
 * @param adoptedId the service this stack adopted; without it, the one that the journal says was migrated
 */
export async function reasonsAgainstRetiring(
  railway: Railway,
  inputs: PostgresServiceInputs,
  adoptedId?: string,
): Promise<string[]> {
  const { entry, scope, target } = await readPrimary(railway, inputs);
  if (entry?.record.state !== "finished") {
    return [
      `the journal does not say that the cutover is finished (it says ${entry?.record.state ?? "nothing"})`,
    ];
  }
  const serviceId = adoptedId ?? entry.record.context.source.serviceId;
  return [
    ...reasonsOfTheJournal(entry.record, inputs, serviceId, target.service.id),
    ...(await consumersEverywhere(railway, scope, inputs, serviceId)),
  ];
}

/** In every environment that the token can see; a project token sees its own. */
async function consumersEverywhere(
  railway: Railway,
  scope: EnvironmentScope,
  inputs: PostgresServiceInputs,
  serviceId: string,
): Promise<string[]> {
  const { projectEnvironments } = await railway.environmentFacts(scope);
  const found = await Promise.all(
    (projectEnvironments ?? [scope]).map((environment) =>
      consumersOf(railway, environment, inputs, serviceId),
    ),
  );
  return found.flat();
}

/** `volumeDelete` has no environment: it would take the same volume's data in every other one too. */
async function volumesElsewhere(
  railway: Railway,
  scope: EnvironmentScope,
  volumeIds: readonly string[],
): Promise<string[]> {
  const { projectEnvironments } = await railway.environmentFacts(scope);
  if (projectEnvironments === undefined) {
    return [
      "the token sees one environment only, so nothing proves that the volume is in no other: set RAILWAY_REMOVAL_TOKEN to an account or workspace token",
    ];
  }
  const others = projectEnvironments.filter(({ environmentId }) => environmentId !== scope.environmentId);
  const found = await Promise.all(
    others.map(async (other) => {
      const volumes = await railway.listVolumes(other);
      return volumes.some(({ id }) => volumeIds.includes(id))
        ? [`its volume also exists in ${other.environmentName}`]
        : [];
    }),
  );
  return found.flat();
}

function reasonsOfTheJournal(
  { promotion, context }: RecordIn<"finished">,
  inputs: PostgresServiceInputs,
  serviceId: string,
  targetId: string,
): string[] {
  const soakEndsAt = Date.parse(promotion.promotedAt) + inputs.soakDays * 24 * 60 * 60_000;
  return [
    ...(Date.now() < soakEndsAt ? [`the soak lasts until ${new Date(soakEndsAt).toISOString()}`] : []),
    ...(serviceId === targetId ? ["the service to retire is the new database"] : []),
    ...(serviceId === context.source.serviceId
      ? []
      : ["the service to retire is not the one that was migrated"]),
  ];
}

/** Every variable in the environment that still leads to the old database, by reference or by address. */
async function consumersOf(
  railway: Railway,
  scope: EnvironmentScope,
  inputs: PostgresServiceInputs,
  serviceId: string,
): Promise<string[]> {
  const services = await railway.listServices(scope);
  const own = services.some(({ id }) => id === serviceId)
    ? await railway.renderedVariables(scope, serviceId)
    : new Map<string, string | null>();
  const addresses = ["RAILWAY_PRIVATE_DOMAIN", "RAILWAY_TCP_PROXY_DOMAIN"].flatMap(
    (name) => own.get(name) || [],
  );
  const port = own.get("RAILWAY_TCP_PROXY_PORT");
  const isConsumer = (text: string | null) =>
    text !== null &&
    (namesService(text, inputs.source) ||
      addresses.some((address) => namesAddress(text, address, port ?? null)));
  const holders = [{ id: null, name: "shared variables" }, ...services.filter(({ id }) => id !== serviceId)];
  const found = await Promise.all(
    holders.map(async ({ id, name }) => {
      const raw = await railway.rawVariables(scope, id);
      return [...raw]
        .filter(([, text]) => isConsumer(text))
        .map(([variable]) => `${name} (${scope.environmentName}): ${variable} names ${inputs.source}`);
    }),
  );
  return found.flat();
}

/** The TCP proxy's domain is shared by many services; only together with its port it means this one. */
function namesAddress(text: string, address: string, proxyPort: string | null): boolean {
  return address.endsWith(".railway.internal")
    ? text.includes(address)
    : proxyPort !== null && text.includes(`${address}:${proxyPort}`);
}

/** What only the running server can tell. The seal is lifted for the look inside; the fence holds meanwhile. */
async function reasonsOnTheServer(
  railway: Railway,
  inputs: PostgresServiceInputs,
  scope: EnvironmentScope,
): Promise<string[]> {
  const { entry } = await readPrimary(railway, inputs);
  const { connection } = await resolveDatabase(railway, scope, inputs, "source");
  const { fence } = (entry as { record: RecordIn<"finished"> }).record;
  return withConnection(
    connection,
    { purpose: "control", database: maintenanceDatabase(connection) },
    async (outside) => {
      // A look inside that was interrupted leaves it open; its fence and its content tell whether it was written.
      await setSeal(outside, connection.database, true);
      const sessions = await foreignSessions(outside, connection.database);
      const { rows: links } = await outside.query(
        `select 'replication slot ' || slot_name as name from pg_replication_slots where database = $1
       union all select 'subscription ' || subname from pg_subscription
        where subdbid = (select oid from pg_database where datname = $1)`,
        [connection.database],
      );
      await setSeal(outside, connection.database, false);
      try {
        return [
          ...sessions.map(({ name }) => `a session of ${name || "an unnamed application"} is on it`),
          ...links.map(({ name }) => `${name} is on it`),
          ...(await reasonsInside(connection, inputs.schemas, fence)),
        ];
      } finally {
        await setSeal(outside, connection.database, true);
      }
    },
  );
}

async function reasonsInside(
  connection: Parameters<typeof withConnection>[0],
  schemas: readonly string[],
  fence: RecordIn<"finished">["fence"],
): Promise<string[]> {
  const { tables, unfenced, eventTriggers } = await withConnection(
    connection,
    { purpose: "observe", readOnly: true },
    async (client) => ({ tables: await listTables(client, schemas), ...(await readFence(client, schemas)) }),
  );
  const digests = await hashTables({
    connect: () => connect(connection, { purpose: "observe", readOnly: true }),
    tables: tables.filter(({ kind }) => kind === "table"),
    workers: 2,
  });
  const atTheFence = new Map(
    fence.tables.map(({ schema, name, source }) => [`${schema}.${name}`, `${source.rows} ${source.hash}`]),
  );
  const changed = digests.filter(
    ({ schema, name, rows, hash }) => atTheFence.get(`${schema}.${name}`) !== `${rows} ${hash}`,
  );
  return [
    ...(unfenced.length === 0 && eventTriggers ? [] : ["its fence is not whole any more"]),
    ...changed.map(({ schema, name }) => `table ${schema}.${name} is not as it was hashed at the fence`),
  ];
}

function reasonsAgainstDeleting(
  inputs: PostgresServiceInputs,
  serviceId: string,
  service: RailwayService | undefined,
  stopped: Retirement,
): string[] {
  const { confirmServiceId, finalBackup } = inputs.removal;
  const running = service?.activeDeployments.filter(isRunning) ?? [];
  return [
    ...(stopped.state === "stopped" ? [] : ["it was not stopped by legacyPostgres: stop before"]),
    ...(confirmServiceId === serviceId
      ? []
      : [`removal.confirmServiceId is not the old service's id (${serviceId})`]),
    ...(finalBackup === "" ? ["removal.finalBackup does not say where the final copy is"] : []),
    ...(running.length === 0 ? [] : ["it was deployed again since it was stopped"]),
  ];
}

function refused(what: "stop" | "remove", reasons: readonly string[]): CutoverError {
  return new CutoverError({
    code: "RETIREMENT_REFUSED",
    message: `Refused to ${what} the old database, nothing was changed: ${reasons.join("; ")}.`,
    remedy: "Clear each reason, then run again. legacyPostgres: keep leaves it alone.",
  });
}
