import type { z } from "zod";
import { hasCode } from "../errors.ts";
import type { deploymentAnswer } from "./answers.ts";
import type { RailwayContext } from "./context.ts";
import type { EnvironmentScope } from "./environment.ts";
import * as operations from "./operations.ts";
import { collectPages, pageSize } from "./paging.ts";

/** One deployment of a service. */
export interface Deployment {
  readonly id: string;
  /** Railway's own status text; unknown ones mean "still running". */
  readonly status: string;
  readonly createdAt: Date;
  readonly statusUpdatedAt: Date | null;
  readonly serviceId: string | null;
  readonly environmentId: string;
  /** Taken down on request; its status may still read SUCCESS. */
  readonly stopped: boolean;
  /** Whether Railway still has its image, so that it can be started once more. */
  readonly canRollBack: boolean;
  readonly instances: readonly { readonly id: string; readonly status: string }[];
}

/** Whether the deployment serves now, told from the list alone: one that was stopped may still read SUCCESS. */
export function isRunning({ stopped, status }: Deployment): boolean {
  return !stopped && status === "SUCCESS";
}

/** Reads one deployment. */
export async function readDeployment({ transport }: RailwayContext, id: string): Promise<Deployment> {
  const { deployment } = await transport.request(operations.deployment, { id });
  return toDeployment(deployment);
}

/** Reads one deployment; `undefined` when Railway does not know it: not yet (its reads lag), or not any more. */
export async function findDeployment(context: RailwayContext, id: string): Promise<Deployment | undefined> {
  try {
    return await readDeployment(context, id);
  } catch (error) {
    if (hasCode(error, "RAILWAY_NOT_FOUND")) return undefined;
    throw error;
  }
}

/** The newest deployments of a service, newest first. */
export async function listDeployments(
  { transport }: RailwayContext,
  { projectId, environmentId }: EnvironmentScope,
  serviceId: string,
  limit: number,
): Promise<Deployment[]> {
  const input = { projectId, environmentId, serviceId };
  const found = await collectPages(
    operations.deployments.name,
    async (after) => {
      const page = { input, first: Math.min(limit, pageSize), after };
      return (await transport.request(operations.deployments, page)).deployments;
    },
    (nodes) => nodes.length >= limit,
  );
  return found
    .map(toDeployment)
    .sort((left, right) => right.createdAt.getTime() - left.createdAt.getTime())
    .slice(0, limit);
}

/**
 * The variables a deployment was given, or `undefined` when Railway keeps no snapshot of it. A variable whose value Railway
 * does not show (it is sealed, or masked) has `null`.
 */
export async function readDeploymentVariables(
  { transport }: RailwayContext,
  id: string,
): Promise<ReadonlyMap<string, string | null> | undefined> {
  try {
    const { deploymentSnapshot } = await transport.request(operations.deploymentSnapshot, { id });
    if (deploymentSnapshot === null || deploymentSnapshot === undefined) return undefined;
    const entries = Object.entries(deploymentSnapshot.variables);
    for (const [, value] of entries) if (value !== null) transport.redactor.learn(value);
    return new Map(entries);
  } catch (error) {
    if (hasCode(error, "RAILWAY_NOT_FOUND")) return undefined;
    throw error;
  }
}

/**
 * The step a deployment failed in with the reason Railway gives, such as `HEALTHCHECK`; `undefined` when it says nothing.
 * Never throws: it only makes another error clearer.
 */
export async function readFailingStep(
  { transport }: RailwayContext,
  id: string,
): Promise<string | undefined> {
  try {
    const events = await collectPages(operations.deploymentEvents.name, async (after) => {
      const page = { id, first: pageSize, after };
      return (await transport.request(operations.deploymentEvents, page)).deploymentEvents;
    });
    const failed = events.findLast(({ payload }) => Boolean(payload?.error));
    // A step that has begun and has no end is where a deployment stood when it was given up.
    const step = failed ?? events.findLast(({ completedAt }) => !completedAt);
    if (step === undefined) return undefined;
    const reason = step.payload?.error ?? step.payload?.reason;
    return reason ? `${step.step}: ${transport.redactor.clean(reason)}` : step.step;
  } catch {
    return undefined;
  }
}

export function toDeployment(answer: z.infer<typeof deploymentAnswer>): Deployment {
  return {
    id: answer.id,
    status: answer.status,
    createdAt: new Date(answer.createdAt),
    statusUpdatedAt: answer.statusUpdatedAt ? new Date(answer.statusUpdatedAt) : null,
    serviceId: answer.serviceId ?? null,
    environmentId: answer.environmentId,
    stopped: answer.deploymentStopped,
    canRollBack: answer.canRollback,
    instances: answer.instances,
  };
}
