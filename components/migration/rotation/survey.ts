import { parseDatabaseUrl } from "../../postgres/connection.ts";
import type { EnvironmentScope, Railway, RailwayService } from "../../railway/railway.ts";
import { addressesOf, classifyVariable } from "../preflight/railway/addresses.ts";
import { carriesPassword } from "./password-texts.ts";
import type { Holder } from "./record.ts";
import { refersTo } from "./reference-path.ts";

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
  /** Variables by which another server has the same password, such as that of a duplicated environment. */
  readonly sameElsewhere: readonly string[];
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
  const database = services.find(({ id }) => id === databaseId);
  const own = await railway.rawVariables(scope, databaseId);
  const target = addressesOf(database?.name ?? "", await railway.renderedVariables(scope, databaseId));
  const others = services.filter(({ id }) => id !== databaseId);
  const [shared, ...variables] = await Promise.all([
    railway.rawVariables(scope, null),
    ...others.map(({ id }) => railway.serviceVariables(scope, id)),
  ]);
  const texts = new Map([
    ["shared", shared],
    ...others.map(({ name }, index) => [name, variables[index]?.raw ?? new Map()] as const),
  ]);
  const found = others.map((service, index) => {
    const { raw, rendered } = variables[index] ?? { raw: new Map(), rendered: new Map() };
    const byReference = namesWith(rendered, passwords).filter((variable) =>
      refersTo(target.serviceName, { service: service.name, variable }, texts),
    );
    const sealed = records
      .filter(({ serviceId, isSealed }) => serviceId === service.id && isSealed)
      .filter(({ references }) => references.some((text) => text.startsWith(`${target.serviceName}.`)))
      .map(({ name }) => name);
    const name = `${service.name} (${scope.environmentName})`;
    return {
      service,
      place: { name, raw, mayLeadHere: !isDatabase(service) },
      variables: [...new Set([...byReference, ...sealed])],
    };
  });
  const elsewhere = await Promise.all(
    (projectEnvironments ?? [scope]).map((environment) =>
      readElsewhere(railway, environment, environment.environmentId === scope.environmentId),
    ),
  );
  const places = [...found.map(({ place }) => place), ...elsewhere.flat()];
  const copies = places.flatMap(({ name: place, raw, mayLeadHere }) =>
    namesWith(raw, passwords).map((name) => ({
      text: `${place}: ${name}`,
      leadsHere: mayLeadHere || classifyVariable(raw.get(name), undefined, { target }) !== "other",
    })),
  );
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
    copies: copies.filter(({ leadsHere }) => leadsHere).map(({ text }) => text),
    sameElsewhere: copies.filter(({ leadsHere }) => !leadsHere).map(({ text }) => text),
    unfit: [...own.keys()].filter((name) => kindOf(name, own, passwords) === "inside"),
    unreadable: places.flatMap(({ name: place, raw }) =>
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

interface Place {
  readonly name: string;
  readonly raw: Variables;
  /** Whether a copy there may be meant for this server although no address says so. */
  readonly mayLeadHere: boolean;
}

/** Shared variables, and in another environment, which this server's private network does not reach, those of its services. */
async function readElsewhere(
  railway: Railway,
  environment: EnvironmentScope,
  isOwn: boolean,
): Promise<Place[]> {
  const place = (name: string, raw: Variables): Place => ({
    ...{ name: `${name} (${environment.environmentName})`, raw, mayLeadHere: isOwn },
  });
  const shared = place("shared variables", await railway.rawVariables(environment, null));
  if (isOwn) return [shared];
  const services = await railway.listServices(environment);
  const raw = await railway.rawVariablesOf(
    environment,
    services.map(({ id }) => id),
  );
  return [shared, ...services.map(({ id, name }) => place(name, raw.get(id) ?? new Map()))];
}

/** It has a password of its own, which may be the same one. */
function isDatabase({ image }: RailwayService): boolean {
  return /postgres|pgvector|postgis|timescale/i.test(image ?? "");
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
