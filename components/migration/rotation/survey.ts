import { parseDatabaseUrl } from "../../postgres/connection.ts";
import type { EnvironmentScope, Railway, RailwayService } from "../../railway/railway.ts";
import { carriesPassword } from "./password-texts.ts";
import type { Holder } from "./record.ts";

/** Everything on Railway that has to do with the password. No value is in it. */
export interface RotationSurvey {
  /** The database's own variables that hold it. */
  readonly holders: readonly Holder[];
  /** Services that get it through a reference and run: each is deployed once. */
  readonly dependents: readonly Dependent[];
  /** Services that would get it, but have no deployment. */
  readonly idle: readonly string[];
  /** Variables with a copy that no rotation reaches: `metrics (production): DATABASE_URL`. */
  readonly copies: readonly string[];
  /** Variables of the database that hold it in a way that cannot be rewritten. */
  readonly unfit: readonly string[];
  /** Sealed variables, which cannot be searched. */
  readonly unreadable: readonly string[];
  /** Whether every environment of the project was searched. */
  readonly everywhere: boolean;
}

export interface Dependent {
  readonly service: RailwayService;
  /** Its variables that render to the password. */
  readonly variables: readonly string[];
}

type Variables = ReadonlyMap<string, string | null>;

/**
 * Looks through the variables of every service and environment that the token sees. Reads only.
 *
 * @param passwords the present one, and in the middle of a rotation the other one as well
 */
export async function surveyPassword(
  railway: Railway,
  scope: EnvironmentScope,
  databaseId: string,
  passwords: readonly string[],
): Promise<RotationSurvey> {
  const [services, { projectEnvironments }, records] = await Promise.all([
    railway.listServices(scope),
    railway.environmentFacts(scope),
    railway.variableRecords(scope),
  ]);
  const others = services.filter(({ id }) => id !== databaseId);
  const own = await railway.rawVariables(scope, databaseId);
  const databaseName = services.find(({ id }) => id === databaseId)?.name ?? "";
  const found = await Promise.all(
    others.map(async (service) => {
      const [raw, rendered] = await Promise.all([
        railway.rawVariables(scope, service.id),
        railway.renderedVariables(scope, service.id),
      ]);
      const sealed = records
        .filter((one) => one.serviceId === service.id && one.isSealed)
        .filter(({ references }) => references.some((text) => text.startsWith(`${databaseName}.`)))
        .map(({ name }) => name);
      const byReference = namesWith(rendered, passwords).filter((name) => !carries(name, raw, passwords));
      return {
        service,
        place: `${service.name} (${scope.environmentName})`,
        raw,
        variables: [...new Set([...byReference.filter((name) => raw.has(name)), ...sealed])],
      };
    }),
  );
  const elsewhere = await Promise.all(
    (projectEnvironments ?? [scope]).map((environment) =>
      readElsewhere(railway, environment, environment.environmentId === scope.environmentId),
    ),
  );
  const places = [...found, ...elsewhere.flat()];
  const affected = found.filter(({ variables }) => variables.length > 0);
  return {
    holders: [...own.keys()].flatMap((name): Holder[] => {
      const kind = kindOf(name, own, passwords);
      return kind === "whole" || kind === "url" ? [{ name, kind }] : [];
    }),
    dependents: affected.filter(({ service }) => service.activeDeployments.length > 0),
    idle: affected
      .filter(({ service }) => service.activeDeployments.length === 0)
      .map(({ service }) => service.name),
    copies: places.flatMap(({ place, raw }) => namesWith(raw, passwords).map((name) => `${place}: ${name}`)),
    unfit: [...own.keys()].filter((name) => kindOf(name, own, passwords) === "inside"),
    unreadable: places.flatMap(({ place, raw }) =>
      [...raw].filter(([, text]) => text === null).map(([name]) => `${place}: ${name}`),
    ),
    everywhere: projectEnvironments !== undefined,
  };
}

/** The password of a service's `DATABASE_URL` as it is rendered now. */
export async function renderedPassword(
  railway: Railway,
  scope: EnvironmentScope,
  serviceId: string,
): Promise<string> {
  const rendered = await railway.renderedVariables(scope, serviceId);
  return parseDatabaseUrl("target", rendered.get("DATABASE_URL") ?? "", "off").password;
}

/** Shared variables, and in another environment those of its services. */
async function readElsewhere(
  railway: Railway,
  environment: EnvironmentScope,
  isOwn: boolean,
): Promise<{ place: string; raw: Variables }[]> {
  const { environmentName } = environment;
  const shared = {
    place: `shared variables (${environmentName})`,
    raw: await railway.rawVariables(environment, null),
  };
  if (isOwn) return [shared];
  const services = await railway.listServices(environment);
  const raw = await railway.rawVariablesOf(
    environment,
    services.map(({ id }) => id),
  );
  return [
    shared,
    ...services.map(({ id, name }) => ({
      place: `${name} (${environmentName})`,
      raw: raw.get(id) ?? new Map(),
    })),
  ];
}

function namesWith(variables: Variables, passwords: readonly string[]): string[] {
  return [...variables.keys()].filter((name) => carries(name, variables, passwords));
}

function carries(name: string, variables: Variables, passwords: readonly string[]): boolean {
  return kindOf(name, variables, passwords) !== null;
}

function kindOf(name: string, variables: Variables, passwords: readonly string[]) {
  const kinds = passwords.map((password) => carriesPassword(name, variables.get(name), password));
  return kinds.find((kind) => kind !== null) ?? null;
}
