import { CutoverError } from "../errors.ts";
import type { RailwayContext } from "./context.ts";
import { judgeSteadiness } from "./deployment-verdict.ts";
import { findRecent, recentDeployments } from "./deployment-wait.ts";
import { type Deployment, listDeployments } from "./deployments.ts";
import type { EnvironmentScope } from "./environment.ts";
import { pollUntil } from "./waiting.ts";

export interface DeploymentWatchOptions {
  /** When it was found healthy, by whatever clock: never longer than `healthyForMs` is waited from now on. */
  readonly healthySince: Date;
  readonly healthyForMs: number;
  /** For Railway to tell at all, beyond that time: its API may be away, or a newer deployment undecided. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** What became of a healthy deployment. */
export type DeploymentWatch =
  | { readonly kind: "steady" }
  /** A newer one of the same service is healthy, which nobody has proven yet. */
  | { readonly kind: "superseded"; readonly deployment: Deployment }
  | { readonly kind: "failed"; readonly why: string };

/**
 * Watches a healthy deployment until it has been so for long enough, or is not any more. Looks at least once, also when
 * the time is over already.
 *
 * @throws CutoverError `DEPLOYMENT_TIMEOUT`, and those of the transport
 */
export async function watchDeployment(
  context: RailwayContext,
  scope: EnvironmentScope,
  serviceId: string,
  deploymentId: string,
  { healthySince, healthyForMs, timeoutMs, signal }: DeploymentWatchOptions,
): Promise<DeploymentWatch> {
  const remainingMs = Math.min(healthyForMs, healthySince.getTime() + healthyForMs - Date.now());
  const steadyAt = performance.now() + Math.max(0, remainingMs);
  let first: Deployment | undefined;
  const seen = await pollUntil<DeploymentWatch>(
    async () => {
      // Before the request is sent: what it answers holds for this moment at the earliest.
      const askedAt = performance.now();
      const recent = await listDeployments(context, scope, serviceId, recentDeployments);
      const own = await findRecent(context, recent, deploymentId);
      if (own === undefined) return undefined;
      first ??= own;
      const steadiness = judgeSteadiness(first, own, recent);
      if (steadiness.kind === "undecided") return undefined;
      return steadiness.kind === "steady" && askedAt < steadyAt ? undefined : steadiness;
    },
    {
      timeoutMs: steadyAt - performance.now() + timeoutMs,
      intervalMs: () => {
        const leftMs = steadyAt - performance.now();
        return leftMs > 0 ? Math.min(leftMs, context.pollIntervalMs()) : context.pollIntervalMs();
      },
      signal,
    },
  );
  if (seen !== undefined) return seen;
  throw new CutoverError({
    code: "DEPLOYMENT_TIMEOUT",
    message: `The deployment ${deploymentId} was healthy, but ${Math.round(timeoutMs / 1000)} s did not tell whether it still is or what takes its place.`,
    remedy: "Look at the service's deployments in Railway's dashboard, then run the same command again.",
  });
}
