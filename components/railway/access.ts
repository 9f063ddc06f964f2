import type { RailwayContext } from "./context.ts";
import type { EnvironmentScope } from "./environment.ts";
import * as operations from "./operations.ts";
import type { RailwayTokenKind } from "./token.ts";

/** What Railway says beforehand about the rights of a token. */
export interface ProjectAccess {
  /** Why nobody may deploy in the project now, in Railway's words; `null`: nothing speaks against it. */
  readonly deploymentsDisallowed: string | null;
  /** The role of an account token's user in the project; `undefined` for other tokens, which have none. */
  readonly role: string | undefined;
}

/**
 * Asks what may be done in the project. Reads only, so it cannot tell all: a query is no proof that a mutation works.
 *
 * @throws CutoverError those of the transport
 */
export async function readProjectAccess(
  { transport }: RailwayContext,
  { projectId }: EnvironmentScope,
): Promise<ProjectAccess> {
  const [{ projectResourceAccess: access }, members] = await Promise.all([
    transport.request(operations.projectAccess, { projectId }),
    transport.token.kind === "account" ? transport.request(operations.memberRoles, { projectId }) : undefined,
  ]);
  return {
    deploymentsDisallowed: access.deployment.disallowed || null,
    role: members?.projectMembers.find(({ id }) => id === members.me.id)?.role,
  };
}

/** Whom Railway knows a token as. */
export interface TokenOwner {
  readonly tokenKind: RailwayTokenKind;
  /** A project token's name or an account token's user, never a part of the token; a workspace token has neither. */
  readonly identity: string | null;
}

/**
 * Asks whom Railway knows the token as.
 *
 * @throws CutoverError those of the transport
 */
export async function readTokenOwner({ transport }: RailwayContext): Promise<TokenOwner> {
  const tokenKind = transport.token.kind;
  if (tokenKind === "workspace") return { tokenKind, identity: null };
  if (tokenKind === "project") {
    const { projectToken } = await transport.request(operations.projectTokenName);
    return { tokenKind, identity: projectToken.name };
  }
  const { me } = await transport.request(operations.accountUser);
  return { tokenKind, identity: me.name ? `${me.name} <${me.email}>` : me.email };
}

/**
 * Tries whether the token may set variables of a service: sends it an empty set of them, which by Railway's schema
 * changes none (`replace: false`) and deploys nothing (`skipDeploys: true`).
 *
 * @throws CutoverError `RAILWAY_NOT_AUTHORIZED` when it may not, and those of the transport
 */
export async function tryVariableWrite(
  { transport }: RailwayContext,
  { projectId, environmentId }: EnvironmentScope,
  serviceId: string,
): Promise<void> {
  const input = { projectId, environmentId, serviceId, variables: {}, replace: false, skipDeploys: true };
  await transport.request(operations.variableCollectionUpsert, { input });
}
