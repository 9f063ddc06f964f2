import { parseDatabaseUrl } from "../../postgres/connection.ts";
import { isPending } from "../../railway/deployment-verdict.ts";
import { lookIntoEnvironments, lookIntoServices } from "../../railway/present.ts";
import type { EnvironmentScope, Railway, RailwayService } from "../../railway/railway.ts";
import { addressesOf, classifyVariable, type DatabaseAddresses } from "../preflight/railway/addresses.ts";
import { carriesPassword } from "./password-texts.ts";
import type { Holder } from "./record.ts";
import { refersTo } from "./reference-path.ts";

/** Everything on Railway that has to do with the password. No value is in it. */
export interface RotationSurvey {
  /** The database's own variables that hold it. */
  readonly holders: readonly Holder[];
  /** Services that get it through a reference and run, or are about to: each is deployed once. */
  readonly dependents: readonly Dependent[];
  /** Services that would get it, but have no deployment that runs or may. */
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
  const others = services.filter(({ id }) => id !== databaseId);
  const name = services.find(({ id }) => id === databaseId)?.name ?? "";
  const [own, shared, read] = await Promise.all([
    railway.serviceVariables(scope, databaseId),
    railway.rawVariables(scope, null),
    lookIntoServices(railway, scope, others, (present) =>
      Promise.all(
        present.map(async (service) => ({ service, ...(await railway.serviceVariables(scope, service.id)) })),
      ),
    ),
  ]);
  const addresses = addressesOf(name, own.rendered);
  const places = [
    { name: `shared variables (${scope.environmentName})`, raw: shared, leadsHere: () => true },
    ...read.map(({ service, raw }) => ({
      name: `${service.name} (${scope.environmentName})`,
      raw,
      // A database has a password of its own, which may be the same one.
      leadsHere: isDatabase(service) ? namesAnAddress(addresses) : () => true,
    })),
    ...(await readElsewhere(railway, scope, projectEnvironments ?? [], addresses)),
  ];
  const texts = new Map([
    ["shared", shared],
    ...read.map(({ service, raw }) => [service.name, raw] as const),
  ]);
  const affected = read
    .map(({ service, rendered }): Dependent => {
      const byReference = namesWith(rendered, passwords).filter((variable) =>
        refersTo(name, { service: service.name, variable }, texts),
      );
      const sealed = records
        .filter(({ serviceId, isSealed }) => serviceId === service.id && isSealed)
        .filter(({ references }) => references.some((text) => text.startsWith(`${name}.`)));
      return { service, variables: [...new Set([...byReference, ...sealed.map((one) => one.name)])] };
    })
    .filter((dependent) => dependent.variables.length > 0);
  const copies = places.flatMap((place) =>
    namesWith(place.raw, passwords).map((variable) => ({
      text: `${place.name}: ${variable}`,
      leadsHere: place.leadsHere(place.raw.get(variable) ?? ""),
    })),
  );
  const kinds = [...own.raw.keys()].map((one) => ({ name: one, kind: kindOf(one, own.raw, passwords) }));
  return {
    holders: kinds.flatMap(({ name, kind }) => (kind === "whole" || kind === "url" ? [{ name, kind }] : [])),
    unfit: kinds.filter(({ kind }) => kind === "inside").map((one) => one.name),
    dependents: affected.filter(isInUse),
    idle: affected.filter((one) => !isInUse(one)).map(({ service }) => service.name),
    copies: copies.filter(({ leadsHere }) => leadsHere).map(({ text }) => text),
    sameElsewhere: copies.filter(({ leadsHere }) => !leadsHere).map(({ text }) => text),
    unreadable: places.flatMap((place) =>
      [...place.raw].filter(([, text]) => text === null).map(([variable]) => `${place.name}: ${variable}`),
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
  /** Whether a text with the password there is meant for this server. */
  leadsHere(text: string): boolean;
}

/**
 * The other environments. From there only a public address leads to this server: a private name, or a reference, is that of
 * the environment's own.
 */
async function readElsewhere(
  railway: Railway,
  own: EnvironmentScope,
  environments: readonly EnvironmentScope[],
  addresses: DatabaseAddresses,
): Promise<Place[]> {
  const leadsHere = namesAnAddress({ ...addresses, serviceName: "", hosts: [] });
  const others = environments.filter(({ environmentId }) => environmentId !== own.environmentId);
  const look = async (environment: EnvironmentScope): Promise<Place[]> => {
    const services = await railway.listServices(environment);
    const [shared, raw] = await Promise.all([
      railway.rawVariables(environment, null),
      railway.rawVariablesOf(
        environment,
        services.map(({ id }) => id),
      ),
    ]);
    const place = (name: string, variables: Variables): Place => ({
      ...{ name: `${name} (${environment.environmentName})`, raw: variables, leadsHere },
    });
    return [
      place("shared variables", shared),
      ...services.map(({ id, name }) => place(name, raw.get(id) ?? new Map())),
    ];
  };
  const found = await lookIntoEnvironments(railway, own, others, (present) => Promise.all(present.map(look)));
  return found.flat();
}

function namesAnAddress(target: DatabaseAddresses): (text: string) => boolean {
  return (text) => classifyVariable(text, undefined, { target }) !== "other";
}

function isInUse({ service: { activeDeployments, latestDeployment } }: Dependent): boolean {
  return activeDeployments.length > 0 || (latestDeployment !== null && isPending(latestDeployment));
}

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
