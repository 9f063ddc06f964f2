import { gateDifferenceCodes, objectOf } from "./gate/difference.ts";
import type { Acceptance } from "./inputs.ts";

/** A finding, or a difference that the gate has found, by its full name. */
type Acceptable = Pick<Acceptance, "code" | "object">;

/**
 * Whether an acceptance is about this one of all: named in full; or a difference without its aspect, where it is the only one
 * of its code about the object. What else comes to differ about an object does not hide behind what was said of it before.
 */
export function covers(acceptance: Acceptance, one: Acceptable, all: readonly Acceptable[]): boolean {
  const { code, object } = acceptance;
  if (one.code !== code) return false;
  if (one.object === object) return true;
  const isOfObject = (other: Acceptable) => other.code === code && objectOf(other.object) === object;
  return differenceCodes.includes(code) && isOfObject(one) && all.filter(isOfObject).length === 1;
}

const differenceCodes: readonly string[] = gateDifferenceCodes;
