import type { ConnectionTarget } from "../../postgres/connection.ts";
import { parseDatabaseUrl } from "../../postgres/connection.ts";
import type { EnvironmentScope, Railway, RailwayService } from "../../railway/railway.ts";
import { reference } from "../../railway/references.ts";
import type { MigrationInputs, ServiceInputs } from "../inputs.ts";
import { probeConnection } from "../transport.ts";

/** One of the two databases as a run works with it. */
export interface ResolvedDatabase {
  readonly service: RailwayService;
  readonly connection: ConnectionTarget;
  /** The raw text that points a service's variable here, such as `${{pgvector.DATABASE_URL}}`. */
  readonly reference: string;
  /** The host that reference renders to inside Railway. */
  readonly privateHost: string;
}

export interface ResolvedService {
  readonly inputs: ServiceInputs;
  readonly service: RailwayService;
}

/** The two databases with their addresses. Held in memory only: it contains passwords. */
export interface ResolvedDatabases {
  readonly scope: EnvironmentScope;
  readonly source: ResolvedDatabase;
  readonly target: ResolvedDatabase;
}

/** Names turned into ids and addresses, once for a run. Held in memory only: it contains passwords. */
export interface ResolvedWorld extends ResolvedDatabases {
  readonly services: readonly ResolvedService[];
}

/** The services of an unfinished migration by the names they had when it began. */
export type NotedServices = Readonly<Record<string, { readonly serviceId: string }>>;

/** Finds the project, the databases and the services on Railway, and how each database is reached. */
export async function resolveWorld(
  railway: Railway,
  inputs: MigrationInputs,
  noted: NotedServices,
): Promise<ResolvedWorld> {
  const databases = await resolveDatabases(railway, inputs);
  return { ...databases, services: await resolveServices(railway, databases.scope, inputs, noted) };
}

/** Finds the project and the databases, and how each is reached; whatever became of the application's services. */
export async function resolveDatabases(
  railway: Railway,
  inputs: Pick<MigrationInputs, "project" | "environment" | "source" | "target" | "transport">,
): Promise<ResolvedDatabases> {
  const scope = await railway.resolveEnvironment(inputs);
  const [source, target] = await Promise.all([
    resolveDatabase(railway, scope, inputs, "source"),
    resolveDatabase(railway, scope, inputs, "target"),
  ]);
  return { scope, source, target };
}

/**
 * Finds the application's services.
 *
 * @param noted what the journal of an unfinished migration knows, by name: such a service is found by its id and keeps the
 *   name it had then, whatever it, or another one, is called on Railway by now
 * @throws CutoverError `SERVICE_NOT_FOUND`, `SERVICE_AMBIGUOUS`
 */
export async function resolveServices(
  railway: Railway,
  scope: EnvironmentScope,
  { services }: Pick<MigrationInputs, "services">,
  noted: NotedServices,
): Promise<ResolvedService[]> {
  const nameById = new Map(Object.entries(noted).map(([name, { serviceId }]) => [serviceId, name]));
  return Promise.all(
    services.map(async (inputs) => {
      const found = await railway.findService(scope, noted[inputs.name]?.serviceId ?? inputs.name);
      return { inputs, service: { ...found, name: nameById.get(found.id) ?? found.name } };
    }),
  );
}

/** Finds one of the two databases on Railway and how it is reached. */
export async function resolveDatabase(
  railway: Railway,
  scope: EnvironmentScope,
  inputs: Pick<MigrationInputs, "source" | "target" | "transport">,
  label: "source" | "target",
): Promise<ResolvedDatabase> {
  const service = await railway.findService(scope, inputs[label]);
  const variables = await railway.renderedVariables(scope, service.id);
  const connection = await probeConnection({ label, variables, transport: inputs.transport[label] });
  return {
    service,
    connection,
    reference: reference(service.name, "DATABASE_URL"),
    privateHost: parseDatabaseUrl(label, variables.get("DATABASE_URL") ?? "", "off").host,
  };
}
