import type { Deployment } from "../../railway/deployments.ts";
import type { Railway } from "../../railway/railway.ts";
import { compareGiven, type Given } from "./given-values.ts";
import type { ServiceSwitch } from "./service-switch.ts";

/**
 * A deployment that makes another one needless. Where one may be missing, it is looked for as long as Railway's reads may
 * lag behind its writes.
 *
 * @param ongoing a deployment that an earlier run asked for
 */
export async function findUsableDeployment(
  railway: Railway,
  move: ServiceSwitch,
  ongoing: string | null,
): Promise<string | undefined> {
  const noted = await stillUsable(railway, move, ongoing);
  if (noted !== undefined) return noted;
  const look = () => newestMatching(railway, move);
  return move.mayHaveDeployed ? railway.settle(look) : look();
}

/** The deployment that serves now, if it surely has what is desired; whatever failed after it is passed over. */
export async function findServing(railway: Railway, move: ServiceSwitch): Promise<string | undefined> {
  const recent = await railway.listDeployments(move.scope, move.serviceId, recentDeployments);
  if (recent.some(({ status, stopped }) => underWay.has(status) && !stopped)) return undefined;
  return newestMatching(railway, move);
}

/**
 * An earlier run's deployment, unless it has ended or hangs, for waiting for it would fail every further run; or was given
 * something else than the variables hold now, for example a password that was changed since.
 */
async function stillUsable(
  railway: Railway,
  move: ServiceSwitch,
  ongoing: string | null,
): Promise<string | undefined> {
  if (ongoing === null) return undefined;
  const recent = await railway.listDeployments(move.scope, move.serviceId, recentDeployments);
  const own = recent.find(({ id }) => id === ongoing);
  // Not in the list: Railway's reads lag behind its writes.
  if (own === undefined) return ongoing;
  if (!usable.has(own.status) || own.stopped || isOverdue(own, move)) return undefined;
  const given = await compareDeployment(railway, move, ongoing);
  return given === undefined || given.every(({ verdict }) => verdict === "yes" || verdict === "unknown")
    ? ongoing
    : undefined;
}

/**
 * The newest deployment that runs or is under way, if it was given what is desired: adopting it avoids another one. A
 * failed one is passed over, since the one before it goes on serving.
 */
async function newestMatching(railway: Railway, move: ServiceSwitch): Promise<string | undefined> {
  const recent = await railway.listDeployments(move.scope, move.serviceId, recentDeployments);
  const newest = recent.find(({ status, stopped }) => usable.has(status) && !stopped);
  if (newest === undefined || isOverdue(newest, move)) return undefined;
  const given = await compareDeployment(railway, move, newest.id);
  return given?.every(({ verdict }) => verdict === "yes") ? newest.id : undefined;
}

/** A run has waited for it as long as one may, or could have: it hangs, and would fail every further run as well. */
function isOverdue({ status, createdAt }: Deployment, { deploymentTimeoutMs }: ServiceSwitch): boolean {
  return underWay.has(status) && Date.now() - createdAt.getTime() > deploymentTimeoutMs;
}

export interface GivenVariable {
  readonly name: string;
  readonly verdict: Given;
}

/** Each variable of the switch as a deployment was given it; `undefined` when Railway keeps no record of that. */
export async function compareDeployment(
  railway: Railway,
  { scope, serviceId, desired }: ServiceSwitch,
  deploymentId: string,
): Promise<GivenVariable[] | undefined> {
  const given = await railway.deploymentVariables(deploymentId);
  if (given === undefined) return undefined;
  const { raw, rendered } = await railway.serviceVariables(scope, serviceId);
  return [...desired].map(([name, value]) => ({
    name,
    verdict: compareGiven(given.get(name), value, { raw: raw.get(name), rendered: rendered.get(name) }),
  }));
}

/** How far back a service's deployments are looked at. */
export const recentDeployments = 10;

const underWay = new Set(["INITIALIZING", "QUEUED", "WAITING", "NEEDS_APPROVAL", "BUILDING", "DEPLOYING"]);
const usable = new Set(["INITIALIZING", "QUEUED", "WAITING", "BUILDING", "DEPLOYING", "SUCCESS", "SLEEPING"]);
