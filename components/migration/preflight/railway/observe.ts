import type {
  EnvironmentScope,
  EnvironmentSettings,
  ProjectAccess,
  Railway,
  RailwayService,
  VariableRecord,
} from "../../../railway/railway.ts";
import type { Finding } from "../../finding.ts";
import type { MigrationInputs } from "../../inputs.ts";
import { attempt } from "../problems.ts";
import { tryLook } from "./environment-settings.ts";

/** What Railway answered. Held in memory only: it contains the values of variables. */
export interface RailwayObservation {
  readonly scope: EnvironmentScope;
  readonly environment: { readonly canAccess: boolean; readonly unmergedChangesCount: number } | undefined;
  readonly environmentSettings: EnvironmentSettings | undefined;
  readonly access: ProjectAccess | undefined;
  readonly services: readonly RailwayService[] | undefined;
  /** Everything about the variables but their values. */
  readonly records: readonly VariableRecord[];
  /** Stored text by service id; `null` as a value is a sealed variable. */
  readonly raw: ReadonlyMap<string, ReadonlyMap<string, string | null>>;
  readonly shared: ReadonlyMap<string, string | null>;
  /** Rendered variables of the two databases and the named services, by service id. */
  readonly rendered: ReadonlyMap<string, ReadonlyMap<string, string | null>>;
}

/**
 * Reads what the checks need, in as few rounds as the API allows; nothing is changed. A look-up that fails is a
 * finding and the others go on. `undefined` when not even the environment could be found.
 */
export async function observeRailway(
  railway: Railway,
  inputs: MigrationInputs,
  findings: Finding[],
): Promise<RailwayObservation | undefined> {
  const { project, environment: environmentName } = inputs;
  const scope = await attempt(findings, `${project} ${environmentName}`, () =>
    railway.resolveEnvironment({ project, environment: environmentName }),
  );
  if (scope === undefined) return undefined;
  const [environment, services, shared, environmentSettings, access, records] = await Promise.all([
    attempt(findings, environmentName, () => railway.environmentFacts(scope)),
    attempt(findings, `${environmentName} services`, () => railway.listServices(scope)),
    attempt(findings, `${environmentName} shared variables`, () => railway.rawVariables(scope, null)),
    tryLook(findings, `${environmentName} settings`, () => railway.environmentSettings(scope)),
    tryLook(findings, `${environmentName} rights`, () => railway.projectAccess(scope)),
    tryLook(findings, `${environmentName} variable changes`, () => railway.variableRecords(scope)),
  ]);
  const named = new Set([inputs.source, inputs.target, ...inputs.services.map(({ name }) => name)]);
  const isNamed = ({ id, name }: RailwayService) => named.has(name) || named.has(id);
  const others = (services ?? []).filter((service) => !isNamed(service)).map(({ id }) => id);
  const [own, ofOthers] = await Promise.all([
    Promise.all(
      (services ?? []).filter(isNamed).map(async ({ id, name }) => {
        const seen = await attempt(findings, `${name} variables`, () => railway.serviceVariables(scope, id));
        return seen === undefined ? [] : [{ id, ...seen }];
      }),
    ),
    attempt(findings, `${environmentName} variables of the other services`, () =>
      railway.rawVariablesOf(scope, others),
    ),
  ]);
  const variables = own.flat();
  return {
    scope,
    environment,
    environmentSettings,
    access,
    services,
    records: records ?? [],
    raw: new Map([...(ofOthers ?? []), ...variables.map(({ id, raw }) => [id, raw] as const)]),
    shared: shared ?? new Map(),
    rendered: new Map(variables.map(({ id, rendered }) => [id, rendered])),
  };
}
