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
  const variables = await Promise.all(
    (services ?? []).map(async ({ id, name }) => {
      // The others' are only searched for the old database's address.
      const isNamed = named.has(name) || named.has(id);
      const seen = await attempt(findings, `${name} variables`, async () =>
        isNamed
          ? railway.serviceVariables(scope, id)
          : { raw: await railway.rawVariables(scope, id), rendered: undefined },
      );
      return { id, raw: seen?.raw, rendered: seen?.rendered };
    }),
  );
  return {
    scope,
    environment,
    environmentSettings,
    access,
    services,
    records: records ?? [],
    raw: byId(variables, ({ raw }) => raw),
    shared: shared ?? new Map(),
    rendered: byId(variables, ({ rendered }) => rendered),
  };
}

function byId<Seen extends { readonly id: string }, Value>(
  all: readonly Seen[],
  select: (seen: Seen) => Value | undefined,
): Map<string, Value> {
  return new Map(
    all.flatMap((seen) => {
      const value = select(seen);
      return value === undefined ? [] : [[seen.id, value] as const];
    }),
  );
}
