import type { RailwayService } from "../../../railway/railway.ts";
import { similarNames } from "../../../similar-names.ts";
import type { Finding } from "../../finding.ts";
import type { MigrationInputs, ServiceInputs } from "../../inputs.ts";
import { formatCount } from "../../plan/format.ts";
import { findingsOf } from "../definitions.ts";
import { checkDeployments } from "./deployments.ts";
import { checkHealthSettings } from "./health-check.ts";
import type { RailwayObservation } from "./observe.ts";
import { writesBeforeStart } from "./start-commands.ts";

export const serviceDefinitions = {
  SERVICE_NOT_FOUND: {
    severity: "blocker",
    acceptable: false,
    remedy: "Correct the name in the configuration; names are case-sensitive.",
  },
  SERVICE_AMBIGUOUS: {
    severity: "blocker",
    acceptable: false,
    remedy: "Rename or delete all services of that name but one.",
  },
  SAME_SERVICE: {
    severity: "blocker",
    acceptable: false,
    remedy: "Set `source` to the old and `target` to the new database service.",
  },
  DATABASE_IS_APPLICATION: {
    severity: "blocker",
    acceptable: false,
    remedy: "Take it off `services`, or correct `source` or `target`.",
  },
  NOT_POSTGRES: {
    severity: "blocker",
    acceptable: true,
    remedy: "Check the name; accept it if the image is a PostgreSQL of your own.",
  },
  NO_ACCESS: {
    severity: "blocker",
    acceptable: false,
    remedy: "Give the token's owner access to this restricted environment.",
  },
  STAGED_CHANGES: {
    severity: "blocker",
    acceptable: true,
    remedy: "Deploy or discard the staged changes in Railway's dashboard first.",
  },
  WRITES_BEFORE_START: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Set `startsReadOnly: false` for it, or move the command to the `beforeSwitch` hook, or accept it if it only reads.",
  },
  NO_READ_ONLY_CANARY: {
    severity: "blocker",
    acceptable: false,
    remedy:
      "Put at least one service with `startsReadOnly: true` into the lowest wave: nothing else can prove the target before promotion.",
  },
} as const;

const found = findingsOf(serviceDefinitions);

/** One service of the configuration and what Railway has under its name, if exactly one. */
export interface NamedService {
  readonly inputs: ServiceInputs;
  readonly service: RailwayService | undefined;
}

export interface NamedServices {
  readonly source: RailwayService | undefined;
  readonly target: RailwayService | undefined;
  readonly apps: readonly NamedService[];
}

/** Finds every named service (by name or id), so that all wrong names are reported together. */
export function findServices(
  observed: RailwayObservation,
  inputs: MigrationInputs,
  findings: Finding[],
): NamedServices {
  const find = (name: string) => findOne(name, observed, findings);
  const source = find(inputs.source);
  const target = find(inputs.target);
  const apps = inputs.services.map((service) => ({ inputs: service, service: find(service.name) }));
  if (source !== undefined && source.id === target?.id) {
    findings.push(found("SAME_SERVICE", source.name, "Source and target are the same service."));
  }
  for (const { service } of apps) {
    if (service === undefined || (service.id !== source?.id && service.id !== target?.id)) continue;
    findings.push(
      found(
        "DATABASE_IS_APPLICATION",
        service.name,
        "The database service is also listed as an application.",
      ),
    );
  }
  return { source, target, apps };
}

/** The services of the lowest wave prove the target before promotion; at least one must be able to start there. */
export function checkCanary({ services }: MigrationInputs): Finding[] {
  const canaryWave = Math.min(...services.map(({ wave }) => wave));
  if (services.some(({ wave, startsReadOnly }) => wave === canaryWave && startsReadOnly)) return [];
  return [found("NO_READ_ONLY_CANARY", `wave ${canaryWave}`, "No canary can start while writes are fenced.")];
}

export function checkEnvironment(observed: RailwayObservation): Finding[] {
  const { environment, scope } = observed;
  if (environment === undefined) return [];
  const findings: Finding[] = [];
  if (!environment.canAccess) {
    findings.push(found("NO_ACCESS", scope.environmentName, "The token may not use this environment."));
  }
  if (environment.unmergedChangesCount > 0) {
    findings.push(
      found(
        "STAGED_CHANGES",
        scope.environmentName,
        `Staged and not deployed: ${formatCount(environment.unmergedChangesCount, "change")}. Whoever deploys that meanwhile interferes with the cutover.`,
      ),
    );
  }
  return findings;
}

export function checkDatabaseService(service: RailwayService): Finding[] {
  const findings = checkDeployments(service);
  if (!/postg(res|is)|pgvector|timescale/i.test(service.image ?? "")) {
    findings.push(
      found(
        "NOT_POSTGRES",
        service.name,
        `Its image is ${service.image ?? "built from a repository"}, not a PostgreSQL image.`,
      ),
    );
  }
  return findings;
}

export function checkAppService({ inputs, service }: NamedService): Finding[] {
  if (service === undefined) return [];
  const findings = [...checkDeployments(service), ...checkHealthSettings(service, inputs.healthCheckUrl)];
  const reasons = inputs.startsReadOnly ? writesBeforeStart(service) : [];
  if (reasons.length > 0) {
    findings.push(
      found(
        "WRITES_BEFORE_START",
        service.name,
        `It ${reasons.join(" and ")}: against the new database while that is fenced, where a migration would fail and stop the deployment.`,
      ),
    );
  }
  return findings;
}

function findOne(
  name: string,
  { services }: RailwayObservation,
  findings: Finding[],
): RailwayService | undefined {
  if (services === undefined) return undefined;
  const matches = services.filter((service) => service.name === name || service.id === name);
  if (matches.length > 1) {
    findings.push(found("SERVICE_AMBIGUOUS", name, `${matches.length} services have this name.`));
    return undefined;
  }
  if (matches.length === 0) {
    const [similar] = similarNames(
      name,
      services.map((service) => service.name),
    );
    findings.push(
      found(
        "SERVICE_NOT_FOUND",
        name,
        "The environment has no service of that name.",
        similar === undefined ? undefined : `Did you mean ${similar}? Correct the name in the configuration.`,
      ),
    );
  }
  return matches[0];
}
