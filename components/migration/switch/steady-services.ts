import { CutoverError } from "../../errors.ts";
import type { Deployment } from "../../railway/railway.ts";
import type { ResolvedService } from "../decide/resolve.ts";
import { formatDuration } from "../plan/format.ts";
import { probeHealth } from "./health-probe.ts";
import { type MoveContext, moveTogether, proveService } from "./move-services.ts";

/**
 * Waits until each service has run on the target for long enough since it was proven, then asks each health check once
 * more. What crashes some seconds after it started, as it does whose first write is refused, is found here, while
 * everything can still be put back. A newer deployment that somebody pushed meanwhile is proven in the old one's place.
 *
 * @param services those that were moved and proven
 * @param healthyForMs 0: looks once, and waits for nothing
 * @throws CutoverError `DEPLOYMENT_FAILED` with the service's name, `DEPLOYMENT_HAS_OLD_VARIABLES`, `HEALTH_CHECK_FAILED`,
 *   `DEPLOYMENT_TIMEOUT`, and the reason of the context's signal
 */
export async function waitUntilSteady(
  context: MoveContext,
  services: readonly ResolvedService[],
  healthyForMs: number,
): Promise<void> {
  if (healthyForMs > 0) {
    context.reporter.detail(
      `watching until every service has stayed healthy for ${formatDuration(healthyForMs)}`,
    );
  }
  await moveTogether(context, services, async (bound, service) => {
    await stayHealthy(bound, service, healthyForMs);
    await askOnceMore(bound, service);
  });
}

async function stayHealthy(
  context: MoveContext,
  resolved: ResolvedService,
  healthyForMs: number,
): Promise<void> {
  const { id: serviceId, name } = resolved.service;
  for (;;) {
    const { deploymentId, provenAt } = context.read(name);
    if (deploymentId === null || provenAt === null) throw new TypeError(`${name} was never proven`);
    const watch = await context.railway.watchDeployment(context.world.scope, serviceId, deploymentId, {
      healthySince: new Date(provenAt),
      healthyForMs,
      timeoutMs: context.deploymentTimeoutMs,
      signal: context.signal,
    });
    switch (watch.kind) {
      case "steady":
        return;
      case "failed":
        throw notHealthy(name, `(${deploymentId}) ${watch.why}`);
      case "superseded":
        await adopt(context, resolved, watch.deployment);
        break;
      default:
        return watch satisfies never;
    }
  }
}

/** Noted before it is proven, so that a run that goes on after a kill does not rely on the one that is gone. */
async function adopt(context: MoveContext, resolved: ResolvedService, { id }: Deployment): Promise<void> {
  const { name } = resolved.service;
  context.reporter.detail(
    `${name}: somebody deployed it meanwhile; proving ${id}, which took the place of the proven one`,
  );
  const record = context.read(name);
  await context.save(name, { ...record, deploymentId: id, provenAt: null });
  await proveService(context, resolved, id);
}

async function askOnceMore(context: MoveContext, { inputs, service }: ResolvedService): Promise<void> {
  if (inputs.healthCheckUrl === null) return;
  await probeHealth({
    name: service.name,
    url: inputs.healthCheckUrl,
    timeoutMs: lastProbeMs,
    signal: context.signal,
  });
}

/** It has answered before: this is for a lost packet, not for starting up. */
const lastProbeMs = 5_000;

function notHealthy(name: string, why: string): CutoverError {
  return new CutoverError({
    code: "DEPLOYMENT_FAILED",
    message: `The deployment of ${name} ${why} although it had been healthy.`,
    remedy: "Look at its logs on Railway; it may not start without writing (startsReadOnly: false).",
  });
}
