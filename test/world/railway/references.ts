import { providedVariables } from "./provided-variables.ts";
import { findServiceByName, type RailwayState } from "./state.ts";

/** One `${{ … }}` in a raw value. `namespace` is a service's name, `shared`, or `null` for the same service. */
export interface Reference {
  readonly namespace: string | null;
  readonly name: string;
}

export interface VariableScope {
  readonly environmentId: string;
  /** `null`: the environment's shared variables. */
  readonly serviceId: string | null;
}

/** The references of a raw value. Text that Railway could not resolve either (an unquoted `@scope/name`) is left out. */
export function findReferences(raw: string): Reference[] {
  return [...raw.matchAll(bracesPattern)]
    .map(([, inner]) => parseReference(inner ?? ""))
    .filter((one) => one !== null);
}

/**
 * The user's variables of one scope with every reference resolved. An unknown service or variable and a cycle resolve
 * to an empty string, never to an error.
 *
 * @param reveal `true` as a container sees it; `false` as the API shows it: a sealed variable is `null`, and empty inside others
 */
export function renderVariables(
  state: RailwayState,
  scope: VariableScope,
  reveal: boolean,
): Record<string, string | null> {
  const renderer = new Renderer(state, reveal);
  const own = state.variables.filter(
    (variable) => variable.environmentId === scope.environmentId && variable.serviceId === scope.serviceId,
  );
  return Object.fromEntries(
    own.map((variable) => [
      variable.name,
      variable.isSealed && !reveal ? null : renderer.value(scope, variable.name),
    ]),
  );
}

/** What a deployment gets: the rendered variables, and Railway's own over them. */
export function renderForDeployment(
  state: RailwayState,
  scope: VariableScope & { serviceId: string },
  reveal: boolean,
): Record<string, string | null> {
  return { ...renderVariables(state, scope, reveal), ...providedVariables(state, scope) };
}

/** Ids of the services whose variables depend on one variable, through any number of other variables. */
export function findDependentServices(state: RailwayState, scope: VariableScope, name: string): Set<string> {
  const reached = new Set([keyOf(scope, name)]);
  const services = new Set<string>();
  for (let before = -1; before !== reached.size; ) {
    before = reached.size;
    for (const variable of state.variables) {
      if (variable.environmentId !== scope.environmentId) continue;
      const targets = findReferences(variable.value).map((reference) =>
        resolveKey(state, variable, reference),
      );
      if (!targets.some((key) => key !== undefined && reached.has(key))) continue;
      reached.add(keyOf(variable, variable.name));
      if (variable.serviceId !== null) services.add(variable.serviceId);
    }
  }
  return services;
}

const bracesPattern = /\$\{\{(.*?)\}\}/gs;
const quotedPattern = /^"((?:[^"\\]|\\.)*)"\s*\.\s*([A-Za-z_][A-Za-z0-9_]*)$/;
const plainPattern = /^([A-Za-z0-9_-]+)\s*\.\s*([A-Za-z_][A-Za-z0-9_]*)$/;
const barePattern = /^[A-Za-z_][A-Za-z0-9_]*$/;

function parseReference(inner: string): Reference | null {
  const text = inner.trim();
  const named = quotedPattern.exec(text) ?? plainPattern.exec(text);
  if (named !== null) {
    const [, namespace = "", name = ""] = named;
    return { namespace: namespace.replaceAll(/\\(.)/g, "$1"), name };
  }
  return barePattern.test(text) ? { namespace: null, name: text } : null;
}

class Renderer {
  readonly #state: RailwayState;
  readonly #reveal: boolean;
  readonly #rendered = new Map<string, string>();
  readonly #visiting = new Set<string>();

  constructor(state: RailwayState, reveal: boolean) {
    this.#state = state;
    this.#reveal = reveal;
  }

  value(scope: VariableScope, name: string): string {
    const key = keyOf(scope, name);
    const known = this.#rendered.get(key);
    if (known !== undefined) return known;
    if (this.#visiting.has(key)) return "";
    this.#visiting.add(key);
    const value = this.#provided(scope, name) ?? this.#renderStored(scope, name);
    this.#visiting.delete(key);
    this.#rendered.set(key, value);
    return value;
  }

  #provided({ environmentId, serviceId }: VariableScope, name: string): string | undefined {
    return serviceId === null
      ? undefined
      : providedVariables(this.#state, { environmentId, serviceId })[name];
  }

  #renderStored(scope: VariableScope, name: string): string {
    const variable = this.#state.variables.find(
      (one) =>
        one.environmentId === scope.environmentId && one.serviceId === scope.serviceId && one.name === name,
    );
    if (variable === undefined || (variable.isSealed && !this.#reveal)) return "";
    return variable.value.replaceAll(bracesPattern, (_all, inner: string) => {
      const reference = parseReference(inner);
      const target = reference === null ? undefined : resolveScope(this.#state, scope, reference);
      return reference === null || target === undefined ? "" : this.value(target, reference.name);
    });
  }
}

function resolveScope(
  state: RailwayState,
  from: VariableScope,
  { namespace }: Reference,
): VariableScope | undefined {
  const { environmentId } = from;
  if (namespace === null) return { environmentId, serviceId: from.serviceId };
  if (namespace === "shared") return { environmentId, serviceId: null };
  const service = findServiceByName(state, namespace);
  return service === undefined ? undefined : { environmentId, serviceId: service.id };
}

function resolveKey(state: RailwayState, from: VariableScope, reference: Reference): string | undefined {
  const scope = resolveScope(state, from, reference);
  return scope === undefined ? undefined : keyOf(scope, reference.name);
}

function keyOf(scope: VariableScope, name: string): string {
  return `${scope.environmentId}/${scope.serviceId ?? "shared"}/${name}`;
}
