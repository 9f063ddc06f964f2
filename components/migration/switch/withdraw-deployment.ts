import { describeError } from "../../errors.ts";
import type { Railway } from "../../railway/railway.ts";
import type { Reporter } from "../reporter.ts";

/**
 * Cancels a deployment that was asked for in vain and waits still, for somebody's approval above all: it was given the target's
 * address, so that it must not start once the service is back on the source. Never throws: it is told where that failed.
 */
export async function withdrawDeployment(
  { railway, reporter }: { readonly railway: Railway; readonly reporter: Reporter },
  name: string,
  deploymentId: string,
): Promise<void> {
  const outcome = await railway.cancelDeployment(deploymentId).then(
    (cancelled) => (cancelled ? undefined : "it still waits"),
    (error: unknown) => describeError(error),
  );
  if (outcome === undefined) return;
  reporter.detail(
    `${name}: cancel its deployment ${deploymentId} on Railway and do not approve it, it would run on the target (${outcome})`,
  );
}
