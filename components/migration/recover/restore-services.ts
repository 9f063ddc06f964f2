import { describeError, hasCode } from "../../errors.ts";
import { deploymentFailures } from "../../railway/deployment-wait.ts";
import type { FenceRecord, RecordIn, RestoredService, ServiceRecord } from "../journal/record.ts";
import { findServing } from "../switch/adopt-deployment.ts";
import {
  applyVariables,
  deployWithVariables,
  proveDeployment,
  type ServiceSwitch,
} from "../switch/service-switch.ts";
import { withdrawDeployment } from "../switch/withdraw-deployment.ts";
import { type AbortContext, incomplete } from "./abort.ts";
import { formerValues } from "./former-values.ts";

/**
 * Gives every service that the switch had begun to move its former variables, and a deployment with them unless the
 * serving one surely has them. The others are left alone, but for one that crashed over refused writes. Returns what was done
 * with each.
 *
 * @throws CutoverError `ABORT_INCOMPLETE` naming every service that could not be put back
 */
export async function restoreServices(
  context: AbortContext,
  record: RecordIn<"aborting">,
): Promise<RestoredService[]> {
  return forEachService(record.fence, async (name, service): Promise<RestoredService> => {
    if (service.startedAt === null) return restartIfCrashed(context, name, service);
    if ((await context.railway.readService(context.world.scope, service.serviceId)) === undefined) {
      context.reporter.detail(`${name}: is gone from Railway; there is nothing to put back`);
      return { name, outcome: "gone", deploymentId: null };
    }
    const move = await moveBack(context, record, name, service);
    return { name, outcome: "put back", deploymentId: await restoreService(context, move, service) };
  });
}

/**
 * Looks once more whether the former variables stand: what a dead run had sent may have been carried out late.
 *
 * @throws CutoverError `ABORT_INCOMPLETE`
 */
export async function keepVariables(context: AbortContext, record: RecordIn<"aborting">): Promise<void> {
  await forEachService(record.fence, async (name, service) => {
    if (service.startedAt === null) return;
    if ((await context.railway.readService(context.world.scope, service.serviceId)) === undefined) return;
    await applyVariables(context.railway, await moveBack(context, record, name, service));
  });
}

async function forEachService<Result>(
  fence: FenceRecord | null,
  work: (name: string, service: ServiceRecord) => Promise<Result>,
): Promise<Result[]> {
  const outcomes = await Promise.allSettled(
    Object.entries(fence?.services ?? {}).map(([name, service]) => work(name, service)),
  );
  const failed = outcomes.flatMap((outcome) =>
    outcome.status === "rejected" ? [describeError(outcome.reason)] : [],
  );
  if (failed.length > 0) throw incomplete(`some services could not be put back: ${failed.join("; ")}`);
  return outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
}

/**
 * A deployment that the dead run asked for may still come, unseen in Railway's lagging reads: unless the one it noted is
 * known to have ended, or none was asked for, a new one makes sure that the last word has the former variables. Where
 * that fails (a build that is broken for everybody) the one that serves is good enough, if it has them. Returns which serves.
 */
async function restoreService(
  context: AbortContext,
  move: ServiceSwitch,
  { deploymentId, askedAt }: ServiceRecord,
): Promise<string> {
  const { railway, reporter } = context;
  await applyVariables(railway, { ...move, writesAlways: true });
  reporter.detail(`${move.name}: back to the source`);
  const asked = askedAt !== undefined && askedAt !== null;
  const status = deploymentId === null ? undefined : await statusOf(context, deploymentId);
  const mayStillCome = asked && !(status !== undefined && ended.has(status));
  if (deploymentId !== null && status === "NEEDS_APPROVAL") {
    await withdrawDeployment(context, move.name, deploymentId);
  }
  try {
    const id = await deployWithVariables(railway, { ...move, deploysAlways: mayStillCome }, null, {});
    await proveDeployment(railway, move, id);
    return id;
  } catch (error) {
    const serving = hasCode(error, ...deploymentFailures) ? await findServing(railway, move) : undefined;
    if (serving === undefined) throw error;
    reporter.detail(`${move.name}: a new deployment failed; ${serving} serves and has the former variables`);
    return serving;
  }
}

const ended: ReadonlySet<string> = new Set(["FAILED", "SKIPPED", "REMOVED", "CRASHED"]);

/** `undefined` where Railway does not know it, or not yet. */
async function statusOf({ railway }: AbortContext, deploymentId: string): Promise<string | undefined> {
  const deployment = await railway.deployment(deploymentId).catch((error: unknown) => {
    if (hasCode(error, "RAILWAY_NOT_FOUND", "RAILWAY_NOT_AUTHORIZED")) return undefined;
    throw error;
  });
  return deployment?.status;
}

async function moveBack(
  { railway, world, reporter, deploymentTimeoutMs }: AbortContext,
  { context }: RecordIn<"aborting">,
  name: string,
  service: ServiceRecord,
): Promise<ServiceSwitch> {
  return {
    scope: world.scope,
    serviceId: service.serviceId,
    name,
    desired: await formerValues({ railway, world, reporter }, name, service, context.source.serviceName),
    healthCheckUrl: null,
    deploymentTimeoutMs,
    reporter,
  };
}

/** A service that was not touched may have gone down over refused writes; it is left alone where it runs. */
async function restartIfCrashed(
  { railway, world, reporter }: AbortContext,
  name: string,
  { serviceId }: ServiceRecord,
): Promise<RestoredService> {
  const [newest] = await railway.listDeployments(world.scope, serviceId, 1);
  if (newest?.status !== "CRASHED") return { name, outcome: "not touched", deploymentId: null };
  reporter.detail(`${name}: crashed meanwhile, restarting it`);
  await railway.restartDeployment(newest.id);
  return { name, outcome: "restarted", deploymentId: newest.id };
}
