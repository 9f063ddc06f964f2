import { CutoverError } from "../../errors.ts";
import { isPending } from "../../railway/deployment-verdict.ts";
import type { Deployment, EnvironmentScope, Railway, RailwayService } from "../../railway/railway.ts";
import { pollUntil } from "../../railway/waiting.ts";
import { recentDeployments } from "../switch/adopt-deployment.ts";
import { carriesPassword } from "./password-texts.ts";
import type { RotatedService } from "./record.ts";
import { isRightMoment } from "./right-moment.ts";
import type { Dependent } from "./survey.ts";

/** A service as it is before anything of it is deployed. */
export async function notYetDeployed(
  railway: Railway,
  scope: EnvironmentScope,
  dependent: Dependent,
): Promise<RotatedService> {
  const recent = await railway.listDeployments(scope, dependent.service.id, recentDeployments);
  return untouched(
    dependent,
    recent.map(({ id }) => id),
  );
}

/** A service that this rotation has done nothing with. */
export function untouched({ service, variables }: Dependent, replaces: readonly string[]): RotatedService {
  return {
    ...{ serviceId: service.id, variables: [...variables], replaces: [...replaces] },
    ...{ askedAt: null, deploymentId: null, provenAt: null },
  };
}

/** What was deployed since the variables were changed, newest first. */
export async function deployedSince(
  railway: Railway,
  scope: EnvironmentScope,
  { serviceId, replaces }: RotatedService,
): Promise<readonly Deployment[]> {
  const recent = await railway.listDeployments(scope, serviceId, recentDeployments);
  const known = recent.findIndex(({ id }) => replaces.includes(id));
  return known === -1 ? recent : recent.slice(0, known);
}

/** The same; what a run may have asked for, and nobody noted, is looked for as long as Railway's reads may lag. */
export async function surelyDeployedSince(
  railway: Railway,
  scope: EnvironmentScope,
  service: RotatedService,
): Promise<readonly Deployment[]> {
  const look = () => deployedSince(railway, scope, service);
  if (!mayBeUnseen(service)) return look();
  const seen = async () => {
    const found = await look();
    return found.length === 0 ? undefined : found;
  };
  return (await railway.settle(seen)) ?? [];
}

/**
 * A deployment that was given the new password: one that an earlier run asked for, or somebody pushed meanwhile. Where a run
 * may have asked for one that nobody noted, it is looked for as long as Railway's reads may lag.
 */
export async function findDeployed(
  railway: Railway,
  scope: EnvironmentScope,
  service: RotatedService,
  passwords: Passwords,
): Promise<string | undefined> {
  const look = async () => {
    const [newest] = await deployedSince(railway, scope, service);
    if (newest === undefined || newest.stopped || ended.has(newest.status)) return undefined;
    const given = await readGiven(railway, newest.id, service.variables, passwords);
    return given === "old" ? undefined : newest.id;
  };
  return mayBeUnseen(service) ? railway.settle(look) : look();
}

/** The newest deployment from before the rotation that Railway can start once more, given the old password. */
export async function findFormer(
  railway: Railway,
  scope: EnvironmentScope,
  { serviceId, variables }: RotatedService,
  passwords: Passwords,
): Promise<string | undefined> {
  const recent = await railway.listDeployments(scope, serviceId, recentDeployments);
  for (const { id } of recent.filter(({ canRollBack }) => canRollBack)) {
    if ((await readGiven(railway, id, variables, passwords)) === "old") return id;
  }
  return undefined;
}

export interface Passwords {
  readonly old: string;
  /** `null`: nobody knows it any more, and it only gets out of the way. */
  readonly new: string | null;
}

/** Which password a deployment was given; `unknown` where Railway does not tell, or shows references. */
export async function readGiven(
  railway: Railway,
  deploymentId: string,
  variables: readonly string[],
  passwords: Passwords,
): Promise<"old" | "new" | "unknown"> {
  const given = await railway.deploymentVariables(deploymentId);
  const has = (password: string | null) =>
    password !== null && variables.some((name) => carriesPassword(name, given?.get(name), password) !== null);
  if (has(passwords.old)) return "old";
  return has(passwords.new) ? "new" : "unknown";
}

/**
 * Whether the new container of a service may be refused for a while. With a volume Railway takes the old one down first, and
 * without a health check as soon as the new one was started.
 */
export function canWait(service: RailwayService): boolean {
  return (
    service.healthcheckPath !== null &&
    service.volume === null &&
    service.preDeployCommand.length === 0 &&
    (service.fileSettings?.preDeployCommand.length ?? 0) === 0
  );
}

/** Since when each service's new deployment has been past its build, by the service's id. */
export type BuiltSince = Map<string, number>;

/**
 * Watches deployments until the server's password is to be changed, as far as these services are concerned.
 *
 * @throws CutoverError `DEPLOYMENT_FAILED` and its kin as soon as one of them comes to nothing; `DEPLOYMENT_TIMEOUT`
 */
export async function waitForRightMoment(
  railway: Railway,
  scope: EnvironmentScope,
  services: readonly RotatedService[],
  options: {
    readonly timeoutMs: number;
    readonly watchIntervalMs: number;
    readonly patienceMs: number;
    readonly builtSince: BuiltSince;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { timeoutMs, watchIntervalMs, patienceMs, builtSince, signal } = options;
  const look = async () => {
    const present = new Map((await railway.listServices(scope)).map((service) => [service.id, service]));
    const progress = await Promise.all(
      services.map(async ({ serviceId, replaces }) => {
        const service = present.get(serviceId);
        const latest = service?.latestDeployment ?? null;
        const own = latest === null || replaces.includes(latest.id) ? undefined : latest;
        if (own !== undefined && isLost(own)) {
          await railway.waitForDeployment(scope, serviceId, own.id, { timeoutMs: watchIntervalMs, signal });
        }
        if (own === undefined || !built.has(own.status)) builtSince.delete(serviceId);
        else if (!builtSince.has(serviceId)) builtSince.set(serviceId, performance.now());
        return {
          // One whose health check passes without the database serves by now, and has none.
          canWait: service !== undefined && canWait(service) && own?.status === "DEPLOYING",
          builtSinceMs: builtSince.get(serviceId) ?? null,
        };
      }),
    );
    return isRightMoment(progress, performance.now(), patienceMs) ? true : undefined;
  };
  const isThere = await pollUntil(look, { timeoutMs, intervalMs: () => watchIntervalMs, signal });
  if (isThere) return;
  throw new CutoverError({
    code: "DEPLOYMENT_TIMEOUT",
    message: `${builtSince.size === 0 ? "No" : "Not every"} deployment got past its build within ${Math.round(timeoutMs / 1_000)} s.`,
    remedy:
      "Look at the deployments in Railway's dashboard; if they are only slow, raise the deployment timeout.",
  });
}

function mayBeUnseen({ askedAt, deploymentId }: RotatedService): boolean {
  return askedAt !== null && deploymentId === null;
}

/** It will not come to a container any more, or only when a human acts. */
function isLost(deployment: Deployment): boolean {
  if (deployment.status === "NEEDS_APPROVAL") return true;
  return !isPending(deployment) && (deployment.stopped || ended.has(deployment.status));
}

const ended = new Set(["FAILED", "CRASHED", "REMOVED", "REMOVING", "SKIPPED"]);
const built = new Set(["DEPLOYING", "SUCCESS", "SLEEPING"]);
