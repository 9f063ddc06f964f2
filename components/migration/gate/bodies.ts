import type { UnresolvedBody } from "../../postgres/catalogue/unresolved-bodies.ts";
import { qualifiedNames } from "../preflight/database/function-body.ts";
import type { FoundDifference } from "./difference.ts";

export { readUnresolvedBodies, type UnresolvedBody } from "../../postgres/catalogue/unresolved-bodies.ts";

/**
 * SQL functions and procedures that the target cannot resolve. One that the source cannot resolve either is no fault of
 * the copy, unless it was written for a protected schema, which only the target has.
 */
export function brokenBodies(
  onSource: readonly UnresolvedBody[],
  onTarget: readonly UnresolvedBody[],
  protectedSchemas: readonly string[],
): FoundDifference[] {
  const known = new Set(onSource.map(({ object }) => object));
  const isForProtected = (body: string) =>
    qualifiedNames(body).some(({ schema }) => protectedSchemas.includes(schema));
  return onTarget
    .filter(({ object, body }) => !known.has(object) || isForProtected(body))
    .map(({ object }) => ({ code: "BODY_NAMES_OUTSIDE", object, aspect: null }));
}
