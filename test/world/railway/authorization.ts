import { notAuthorized } from "./railway-errors.ts";

/** Who sends a request. `null`: no token, a dead one, or one in the wrong header. */
export type Caller =
  | { readonly kind: "account" }
  | { readonly kind: "workspace" }
  | { readonly kind: "project"; readonly environmentId: string };

export interface Tokens {
  readonly account: string;
  readonly workspace: string;
  readonly project: string;
}

/** Finds the caller by token and header: a project token is none when it is sent as a bearer. */
export function identifyCaller(
  tokens: Tokens,
  projectEnvironmentId: string,
  headers: { readonly authorization?: string | undefined; readonly projectAccessToken?: string | undefined },
  /** Tokens made with `projectTokenCreate`, and the environment of each. */
  made: ReadonlyMap<string, string> = new Map(),
): Caller | null {
  const environmentId = made.get(headers.projectAccessToken ?? "");
  if (environmentId !== undefined) return { kind: "project", environmentId };
  if (headers.projectAccessToken === tokens.project)
    return { kind: "project", environmentId: projectEnvironmentId };
  if (headers.authorization === `Bearer ${tokens.account}`) return { kind: "account" };
  if (headers.authorization === `Bearer ${tokens.workspace}`) return { kind: "workspace" };
  return null;
}

export function requireCaller(caller: Caller | null): Caller {
  if (caller === null) throw notAuthorized();
  return caller;
}

/** A project token reaches one environment; anything else is "Not Authorized", never "not found". */
export function requireEnvironment(caller: Caller | null, environmentId: string): void {
  if (!canAccessEnvironment(requireCaller(caller), environmentId)) throw notAuthorized();
}

export function canAccessEnvironment(caller: Caller, environmentId: string): boolean {
  return caller.kind !== "project" || caller.environmentId === environmentId;
}
