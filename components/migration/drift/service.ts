import type { EnvironmentScope, Railway, RailwayService } from "../../railway/railway.ts";
import { normaliseReference } from "../../railway/references.ts";
import { classifyVariable } from "../preflight/railway/addresses.ts";
import type { AddressPair } from "../preflight/railway/variables.ts";
import { sameText } from "../switch/given-values.ts";
import { type DriftItem, drifted } from "./item.ts";
import type { Presence } from "./presence.ts";
import type { Authors } from "./who.ts";

/** How one application service shall be wired. */
export interface Wiring {
  readonly resource: string;
  /** Variable name → the reference that it shall hold. */
  readonly variables: Readonly<Record<string, string>>;
}

/** What is needed to look at a service, read once for all of them. */
export interface ServiceLook {
  readonly railway: Railway;
  readonly scope: EnvironmentScope;
  readonly authors: Authors;
  /** How a text names one of the two databases. */
  readonly addresses: AddressPair;
}

type Values = ReadonlyMap<string, string | null>;

/**
 * What a service's variables hold and what its running deployment was given, against how it shall be wired. No time is
 * compared: the variables that Railway kept of the deployment tell by themselves.
 */
export async function readServiceDrift(
  look: ServiceLook,
  { service, items }: Presence,
  wiring: Wiring,
): Promise<DriftItem[]> {
  if (service === undefined) return items;
  const { railway, scope } = look;
  const [raw, rendered] = await Promise.all([
    railway.rawVariables(scope, service.id),
    railway.renderedVariables(scope, service.id),
  ]);
  const stored = await Promise.all(
    Object.keys(wiring.variables).map((name) => storedDrift(look, service, wiring, name, raw, rendered)),
  );
  return [...items, ...stored.flat(), ...(await deployedDrift(look, service, wiring, raw, rendered))];
}

async function storedDrift(
  { addresses, authors }: ServiceLook,
  service: RailwayService,
  { resource, variables }: Wiring,
  name: string,
  raw: Values,
  rendered: Values,
): Promise<DriftItem[]> {
  const wanted = variables[name] ?? "";
  const text = raw.get(name);
  const item = async (code: Parameters<typeof drifted>[0], is: string) => [
    drifted(code, {
      ...{ resource, object: name, was: normaliseReference(wanted), is },
      who: await authors.editor(service.id, name),
    }),
  ];
  if (text === undefined) return item("SERVICE_VARIABLE_MISSING", "absent");
  if (text === null) return item("SERVICE_VARIABLE_SEALED", "sealed");
  const leads = leadsTo(text, rendered.get(name), addresses);
  if (!sameText(text, wanted)) {
    return isPureReference(text)
      ? item("SERVICE_REFERENCE_CHANGED", `${normaliseReference(text)}, which leads to ${leads}`)
      : item("SERVICE_LITERAL", `another text, which leads to ${leads}`);
  }
  // The reference names the new database; what it leads to is another question.
  const value = rendered.get(name);
  if (typeof value !== "string") return item("SERVICE_NOT_TOLD", "Railway does not show what it renders to");
  const reached = leadsTo(value, value, addresses);
  return reached === newDatabase ? [] : item("SERVICE_RENDERS_ELSEWHERE", `it leads to ${reached}`);
}

async function deployedDrift(
  { railway, addresses, authors }: ServiceLook,
  service: RailwayService,
  { resource, variables }: Wiring,
  raw: Values,
  rendered: Values,
): Promise<DriftItem[]> {
  const object = service.name;
  const active = newestActive(service);
  if (active === undefined) {
    const status = service.latestDeployment?.status ?? "none";
    const is = `nothing runs; newest deployment: ${status}`;
    return [drifted("SERVICE_NOT_RUNNING", { resource, object, was: "running", is })];
  }
  const given = await railway.deploymentVariables(active.id);
  if (given === undefined) {
    const is = `Railway keeps no variables of deployment ${active.id}`;
    return [drifted("SERVICE_NOT_TOLD", { resource, object, was: "told", is })];
  }
  const names = Object.keys(variables);
  const masked = names.filter((name) => given.get(name) === null && raw.get(name) !== null);
  const stale = names.filter((name) => isStale(given.get(name), raw.get(name), rendered.get(name)));
  return [
    ...masked.map((name) =>
      drifted("SERVICE_NOT_TOLD", {
        ...{ resource, object: name, was: "told" },
        is: `Railway does not show what deployment ${active.id} was given`,
      }),
    ),
    ...(stale.length === 0 ? [] : [await staleItem()]),
  ];

  async function staleItem(): Promise<DriftItem> {
    const ends = stale.map((name) => {
      const value = given?.get(name);
      return { name, leads: value === undefined ? "nothing" : leadsTo(value, value, addresses) };
    });
    // Each was proven on the new database: what runs on the old one now was given values from before.
    const isRolledBack = ends.some(
      ({ name, leads }) => leads === oldDatabase && sameText(raw.get(name) ?? undefined, variables[name]),
    );
    return drifted(isRolledBack ? "SERVICE_ROLLED_BACK" : "SERVICE_NOT_DEPLOYED", {
      ...{ resource, object },
      was: "running with what its variables hold",
      is: `deployment ${active?.id} runs with other values: ${ends.map(({ name, leads }) => `${name} leads to ${leads}`).join(", ")}`,
      who: await authors.deployer(active?.id ?? ""),
    });
  }
}

/** What runs now, whichever is newest: in an overlap there are two, and nothing says in which order. */
function newestActive(service: RailwayService): RailwayService["activeDeployments"][number] | undefined {
  return service.activeDeployments.toSorted(
    (left, right) => right.createdAt.getTime() - left.createdAt.getTime(),
  )[0];
}

/** A sealed variable is told by itself, and a masked value is not seen. */
function isStale(
  given: string | null | undefined,
  raw: string | null | undefined,
  rendered: string | null | undefined,
): boolean {
  if (given === null || raw === null) return false;
  return given !== rendered && !sameText(given, raw);
}

const oldDatabase = "the old database";
const newDatabase = "the new database";

/** Never the text itself, which may hold a password. */
function leadsTo(
  text: string | null | undefined,
  rendered: string | null | undefined,
  addresses: AddressPair,
): string {
  const kind = classifyVariable(text, rendered, addresses);
  if (kind.endsWith("source")) return oldDatabase;
  if (kind.endsWith("target")) return newDatabase;
  return rendered === "" || text === "" ? "nothing" : "elsewhere";
}

function isPureReference(text: string): boolean {
  return /^\s*\$\{\{[^{}]*\}\}\s*$/.test(text);
}
