import type { RailwayService } from "../../../railway/railway.ts";
import { namesService } from "../../../railway/references.ts";
import type { Finding } from "../../finding.ts";
import { findingsOf, listNames } from "../definitions.ts";
import {
  classifyVariable,
  connectionParameters,
  type DatabaseAddresses,
  type DatabaseSide,
  loginOf,
  type VariableKind,
} from "./addresses.ts";
import type { RailwayObservation } from "./observe.ts";
import type { NamedService } from "./services.ts";

export const variableDefinitions = {
  VARIABLE_SEALED: {
    severity: "blocker",
    acceptable: false,
    remedy:
      "Delete it in Railway's dashboard and create it again unsealed: a sealed value can be neither proven nor put back.",
  },
  VARIABLE_ABSENT: {
    severity: "warning",
    acceptable: false,
    remedy:
      "If the service is to get it, name it under `newVariables` instead; otherwise take it off the service's `variables`.",
  },
  VARIABLE_NAMES_TARGET: {
    severity: "warning",
    acceptable: false,
    remedy:
      "Find out since when: what its service wrote through it is on the target and nowhere else. An abort leaves it as it is.",
  },
  UNKNOWN_DATABASE: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Find out which database it is: this service's data is not on the source. Accept it only if it is to be pointed at the target nevertheless.",
  },
  CONNECTION_PARAMETERS_LOST: {
    severity: "blocker",
    acceptable: true,
    remedy: "Move the parameters into the application, or accept that it connects without them.",
  },
  DATABASE_DIFFERS: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Leave the variable out if this service is to stay there; accept it only if it is to use the moved database from now on.",
  },
  LOGIN_DIFFERS: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Set the target's DATABASE_URL so that it logs in this role, or leave the variable out and set it by hand; accept it if the other role's rights are meant.",
  },
  OTHER_CONSUMER: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Add the variable to the service's `variables`, point it at the target yourself, or accept that its user loses the database.",
  },
  UNREADABLE_VARIABLES: {
    severity: "warning",
    acceptable: false,
    remedy: "Check by hand that none of them holds the old database's address.",
  },
} as const;

const found = findingsOf(variableDefinitions);

/** One variable that the cutover is to change. Its value is never part of it. */
export interface VariableFacts {
  readonly name: string;
  readonly kind: VariableKind;
  /** The stored text when it is nothing but a reference, and so no secret. */
  readonly pureReference: string | null;
}

export type AddressPair = Readonly<Partial<Record<DatabaseSide, DatabaseAddresses>>>;

/** The variables of one application service that are to be changed. */
export function readAppVariables(
  { inputs, service }: NamedService,
  observed: RailwayObservation,
  addresses: AddressPair,
): VariableFacts[] {
  const raw = service === undefined ? undefined : observed.raw.get(service.id);
  if (service === undefined || raw === undefined) return [];
  const rendered = observed.rendered.get(service.id);
  return inputs.variables.map((name) => {
    const text = raw.get(name);
    return {
      name,
      kind: classifyVariable(text, rendered?.get(name), addresses),
      pureReference: typeof text === "string" && /^\s*\$\{\{[^{}]*\}\}\s*$/.test(text) ? text.trim() : null,
    };
  });
}

export function checkAppVariables(
  { inputs, service }: NamedService,
  variables: readonly VariableFacts[],
  observed: RailwayObservation,
  addresses: AddressPair,
): Finding[] {
  if (service === undefined) return [];
  return variables.flatMap(({ name, kind }): Finding[] => {
    const object = `${service.name} ${name}`;
    switch (kind) {
      case "sealed":
        return [
          found("VARIABLE_SEALED", object, "The variable is sealed, so its present value cannot be read."),
        ];
      case "absent":
        return inputs.newVariables?.includes(name)
          ? []
          : [found("VARIABLE_ABSENT", object, "The service has no such variable; it would be created.")];
      case "other":
        // Without a source none can be told from others; that is told once.
        if (addresses.source === undefined) return [];
        return [found("UNKNOWN_DATABASE", object, "It names neither the source nor the target.")];
      default:
        return [
          ...(kind.endsWith("target") ? [namesTarget(object)] : []),
          ...(kind.endsWith("source")
            ? checkLogin(object, observed.rendered.get(service.id)?.get(name), addresses)
            : []),
          ...checkParameters(object, observed.raw.get(service.id)?.get(name) ?? ""),
        ];
    }
  });
}

function namesTarget(object: string): Finding {
  return found("VARIABLE_NAMES_TARGET", object, "It names the target already, before anything was moved.");
}

/** Every service gets the same URL: what differs from it now, another database or role, is lost without an error. */
function checkLogin(
  object: string,
  rendered: string | null | undefined,
  { source, target }: AddressPair,
): Finding[] {
  const login = loginOf(rendered);
  if (login === undefined) return [];
  if (
    source &&
    source.logins.length > 0 &&
    source.logins.every(({ database }) => database !== login.database)
  ) {
    return [
      found(
        "DATABASE_DIFFERS",
        object,
        "It names another database of the source's server than the one that is moved.",
      ),
    ];
  }
  if (!target || target.logins.length === 0 || target.logins.some(({ user }) => user === login.user))
    return [];
  return [
    found(
      "LOGIN_DIFFERS",
      object,
      "It logs in another role than the target's DATABASE_URL: the rights, settings and row level security of that role would no longer hold for the service.",
    ),
  ];
}

function checkParameters(object: string, text: string): Finding[] {
  const parameters = connectionParameters(text);
  if (parameters.length === 0) return [];
  return [
    found(
      "CONNECTION_PARAMETERS_LOST",
      object,
      `The text has connection parameters (${listNames(parameters)}) that the plain reference to the target has not.`,
    ),
  ];
}

/** Every other variable of the environment that names the source: its user would be left with a fenced database. */
export function checkOtherConsumers(
  services: readonly RailwayService[],
  apps: readonly NamedService[],
  observed: RailwayObservation,
  source: DatabaseAddresses,
): Finding[] {
  const findings: Finding[] = [];
  for (const { id, name: serviceName } of services) {
    if (serviceName === source.serviceName) continue;
    const changed = new Set(apps.find(({ service }) => service?.id === id)?.inputs.variables);
    const raw = observed.raw.get(id) ?? new Map<string, string | null>();
    findings.push(...consumers(serviceName, raw, changed, source));
  }
  findings.push(...consumers("shared", observed.shared, new Set(), source));
  return findings;
}

function consumers(
  owner: string,
  raw: ReadonlyMap<string, string | null>,
  changed: ReadonlySet<string>,
  source: DatabaseAddresses,
): Finding[] {
  const findings: Finding[] = [];
  const unreadable: string[] = [];
  for (const [name, text] of raw) {
    if (changed.has(name)) continue;
    if (text === null) unreadable.push(name);
    else if (namesService(text, source.serviceName) || classifyVariable(text, text, { source }) !== "other") {
      findings.push(
        found(
          "OTHER_CONSUMER",
          `${owner} ${name}`,
          "The variable names the old database, and the cutover does not change it.",
        ),
      );
    }
  }
  if (unreadable.length > 0) {
    findings.push(
      found(
        "UNREADABLE_VARIABLES",
        owner,
        `Sealed variables cannot be searched for the old database's address: ${listNames(unreadable)}.`,
      ),
    );
  }
  return findings;
}
