import { readFileSync, renameSync, writeFileSync } from "node:fs";
import type { Properties } from "./secrets.ts";

/** One resource as the last operation left it. Secret values are wrapped as on Pulumi's wire, see `secrets.ts`. */
export interface ResourceState {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  /** `false` for a component, which has children but no provider. */
  readonly custom: boolean;
  readonly id: string;
  readonly inputs: Properties;
  readonly outputs: Properties;
  readonly protect: boolean;
  /** Why the resource is not finished; the next `up` calls `update` whatever `diff` says. */
  readonly initErrors: readonly string[];
}

export interface StackState {
  /** The configuration of the last `up`: what a refresh hands to the providers. */
  config: Record<string, string>;
  /** In the order of creation, so that a reversed walk deletes dependants first. */
  resources: ResourceState[];
  outputs: Properties;
}

export function readState(file: string): StackState {
  return JSON.parse(readFileSync(file, "utf8"));
}

/** Replaces the file in one step, after each finished resource: a killed host loses nothing that was done. */
export function writeState(file: string, state: StackState): void {
  writeFileSync(`${file}.next`, `${JSON.stringify(state, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.next`, file);
}
