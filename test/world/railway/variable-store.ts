import { randomUUID } from "node:crypto";
import type { RailwayState } from "./state.ts";

export interface VariablePlace {
  readonly environmentId: string;
  readonly serviceId: string | null;
  readonly name: string;
}

/** Stores the text verbatim; references are never checked. A sealed variable stays sealed. */
export function storeVariable(live: RailwayState, place: VariablePlace, value: string): void {
  const now = new Date().toISOString();
  const existing = findVariable(live, place);
  if (existing !== undefined) {
    existing.value = value;
    existing.updatedAt = now;
    return;
  }
  live.variables.push({ id: randomUUID(), ...place, value, isSealed: false, createdAt: now, updatedAt: now });
}

export function removeVariable(live: RailwayState, place: VariablePlace): void {
  const existing = findVariable(live, place);
  live.variables = live.variables.filter((one) => one !== existing);
}

export function findVariable(live: RailwayState, { environmentId, serviceId, name }: VariablePlace) {
  return live.variables.find(
    (one) => one.environmentId === environmentId && one.serviceId === serviceId && one.name === name,
  );
}
