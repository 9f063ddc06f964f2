import type { RailwayService } from "../../railway/railway.ts";
import { type DriftItem, drifted } from "./item.ts";

/** A service as the environment has it now, and what became of the one that was left. */
export interface Presence {
  /** The very service, or another one of its name; `undefined` where there is neither. */
  readonly service: RailwayService | undefined;
  readonly items: DriftItem[];
}

/**
 * Finds a service by the id it had and the name it is configured by. Pure.
 *
 * @param expected.id `null` where nothing remembers one
 */
export function findPresence(
  services: readonly RailwayService[],
  resource: string,
  expected: { readonly name: string; readonly id: string | null },
): Presence {
  const { name, id } = expected;
  const named = services.find((one) => one.name === name || one.id === name);
  const same = id === null ? named : services.find((one) => one.id === id);
  const was = id === null ? "on Railway" : `service ${id}`;
  if (same === undefined && named === undefined) {
    return {
      service: undefined,
      items: [drifted("SERVICE_VANISHED", { resource, object: name, was, is: "not on Railway any more" })],
    };
  }
  if (same === undefined) {
    const is = `another service of that name, ${named?.id}`;
    return { service: named, items: [drifted("SERVICE_REPLACED", { resource, object: name, was, is })] };
  }
  if (named?.id !== same.id) {
    const facts = { resource, object: name, was: `called ${name}`, is: `called ${same.name}` };
    return { service: same, items: [drifted("SERVICE_RENAMED", facts)] };
  }
  return { service: same, items: [] };
}
