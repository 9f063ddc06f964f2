import { parseReferences } from "../../railway/references.ts";

type Texts = ReadonlyMap<string, string | null>;

/**
 * Whether a variable refers to one of a service, directly or through others: a shared variable, another one of its own service,
 * or one of a third. Pure.
 *
 * @param texts stored texts by the service's name, and those that are shared as `shared`
 */
export function refersTo(
  service: string,
  from: { readonly service: string; readonly variable: string },
  texts: ReadonlyMap<string, Texts>,
  visited: ReadonlySet<string> = new Set(),
): boolean {
  const place = `${from.service}\0${from.variable}`;
  const text = texts.get(from.service)?.get(from.variable);
  if (typeof text !== "string" || visited.has(place)) return false;
  return parseReferences(text).some(({ namespace, variable }) => {
    if (namespace === service) return true;
    const next = { service: namespace ?? from.service, variable };
    return refersTo(service, next, texts, new Set([...visited, place]));
  });
}
