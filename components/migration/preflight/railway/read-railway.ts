import type { ConnectionTarget } from "../../../postgres/connection.ts";
import type { EnvironmentScope, Railway, RailwayService } from "../../../railway/railway.ts";
import type { Finding } from "../../finding.ts";
import type { MigrationInputs } from "../../inputs.ts";
import type { AppFacts } from "../facts.ts";
import { addressesOf } from "./addresses.ts";
import { readDeploymentMs } from "./deployment-time.ts";
import { checkEnvironmentSettings } from "./environment-settings.ts";
import { checkHealth } from "./health-check.ts";
import { observeRailway } from "./observe.ts";
import { checkAppService, checkDatabaseService, checkEnvironment, findServices } from "./services.ts";
import { checkTargetUrl } from "./target-service.ts";
import { findTlsDemands } from "./tls-demands.ts";
import { checkProjectAccess } from "./token-rights.ts";
import { checkUndeployedVariables } from "./undeployed-variables.ts";
import { type AddressPair, checkAppVariables, checkOtherConsumers, readAppVariables } from "./variables.ts";

/** Railway's side of the cutover, checked. The rendered variables of the databases contain passwords. */
export interface RailwayFacts {
  readonly scope: EnvironmentScope;
  readonly source: RailwayService | undefined;
  readonly target: RailwayService | undefined;
  readonly apps: readonly AppFacts[];
  readonly rendered: {
    readonly source: ReadonlyMap<string, string | null> | undefined;
    readonly target: ReadonlyMap<string, string | null> | undefined;
  };
  readonly targetUrl: ConnectionTarget | undefined;
  /** Variables by which the services demand TLS. */
  readonly tlsDemands: readonly string[];
}

/** Reads Railway and adds everything that speaks against the cutover to `findings`; `undefined` without an environment. */
export async function readRailway(
  railway: Railway,
  inputs: MigrationInputs,
  findings: Finding[],
): Promise<RailwayFacts | undefined> {
  const observed = await observeRailway(railway, inputs, findings);
  if (observed === undefined) return undefined;
  const { source, target, apps: named } = findServices(observed, inputs, findings);
  const rendered = {
    source: source && observed.rendered.get(source.id),
    target: target && observed.rendered.get(target.id),
  };
  const addresses: AddressPair = {
    ...(source && rendered.source && { source: addressesOf(source.name, rendered.source) }),
    ...(target && rendered.target && { target: addressesOf(target.name, rendered.target) }),
  };
  findings.push(
    ...checkEnvironment(observed),
    ...checkEnvironmentSettings(observed, [source, target]),
    ...checkProjectAccess(observed.access, observed.scope),
  );
  for (const service of [source, target]) if (service) findings.push(...checkDatabaseService(service));
  const apps = await Promise.all(
    named.map(async (app) => {
      const variables = readAppVariables(app, observed, addresses);
      findings.push(
        ...checkAppService(app),
        ...checkAppVariables(app, variables, observed, addresses),
        ...checkUndeployedVariables(app, observed.records),
      );
      const [deploymentMs, unhealthy] = await Promise.all([
        readDeploymentMs(railway, observed.scope, app.service, findings),
        checkHealth(app.inputs),
      ]);
      findings.push(...unhealthy);
      return { ...app, variables, deploymentMs };
    }),
  );
  if (addresses.source) {
    findings.push(...checkOtherConsumers(observed.services ?? [], named, observed, addresses.source));
  }
  const targetUrl = rendered.target && (await checkTargetUrl(rendered.target, findings));
  const tlsDemands = named.flatMap(({ service }) =>
    findTlsDemands(service, service && observed.rendered.get(service.id)),
  );
  return { scope: observed.scope, source, target, apps, rendered, targetUrl, tlsDemands };
}
