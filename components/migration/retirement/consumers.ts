import { namesService } from "../../railway/references.ts";
import { classifyVariable, type DatabaseAddresses } from "../preflight/railway/addresses.ts";

/** The variables of one service of one environment, or those it shares. */
export interface VariableHolder {
  /** `metrics`, `shared variables`. */
  readonly name: string;
  readonly environment: string;
  readonly raw: ReadonlyMap<string, string | null>;
  /** What a deployment would be given; empty for shared ones, which nobody is given. */
  readonly rendered: ReadonlyMap<string, string | null>;
  /** What its sealed variables refer to, by name, as Railway lists it (`Postgres.DATABASE_URL`). */
  readonly sealed: ReadonlyMap<string, readonly string[]>;
}

/**
 * Every variable that still leads to the old database: by reference, by what it renders to, or by address. Pure.
 *
 * @param names what the old database is called, and was configured as
 */
export function consumersOf(
  holders: readonly VariableHolder[],
  names: readonly string[],
  addresses: Omit<DatabaseAddresses, "serviceName">,
): string[] {
  return holders.flatMap((holder) =>
    [...new Set([...holder.raw.keys(), ...holder.rendered.keys()])].flatMap((variable) => {
      const named = names.find((serviceName) => leadsTo(holder, variable, { ...addresses, serviceName }));
      return named === undefined
        ? []
        : [`${holder.name} (${holder.environment}): ${variable} names ${named}`];
    }),
  );
}

function leadsTo(holder: VariableHolder, variable: string, source: DatabaseAddresses): boolean {
  const { serviceName } = source;
  const [raw, rendered] = [holder.raw.get(variable), holder.rendered.get(variable)];
  if (raw !== undefined && raw !== null) {
    if (namesService(raw, serviceName)) return true;
    if (classifyVariable(raw, rendered, { source }) !== "other") return true;
  }
  // Provided by Railway, and nobody's choice.
  if (variable.startsWith("RAILWAY_")) return false;
  if (rendered !== undefined && rendered !== null) {
    if (classifyVariable(rendered, rendered, { source }) !== "other") return true;
    if (isHostOfEndpoint(rendered, holder, source)) return true;
  }
  return (holder.sealed.get(variable) ?? []).some((text) => text.startsWith(`${serviceName}.`));
}

/** A host and a port in two variables of one service: the domain of a TCP proxy is shared by many. */
function isHostOfEndpoint(value: string, { rendered }: VariableHolder, source: DatabaseAddresses): boolean {
  const host = value.trim().toLowerCase().replace(/\.$/, "");
  const ports = new Set([...rendered.values()].map((one) => one?.trim()));
  return source.endpoints.some((endpoint) => {
    const separator = endpoint.lastIndexOf(":");
    return endpoint.slice(0, separator) === host && ports.has(endpoint.slice(separator + 1));
  });
}
