import { CutoverError } from "../../errors.ts";
import { proveDeployment, type ServiceSwitch, waitUntilAlone } from "../switch/service-switch.ts";
import { readGiven } from "./deployments.ts";
import type { OwnedRotation, ServiceWork } from "./owned.ts";

export interface ServiceProof {
  readonly name: string;
  /** The deployment that was asked for, or found. */
  readonly deploymentId: string;
  /** The password that it must not have been given. */
  readonly unwanted: "old" | "new";
  /** How long it must stay healthy; 0 looks once. */
  readonly healthyForMs: number;
  /** Called when nothing of the service runs any more but this deployment. */
  readonly onAlone?: () => Promise<void>;
}

/**
 * Waits until a service runs on the right password with one healthy deployment, and nothing else of it runs any more. A
 * newer deployment that somebody pushed meanwhile is proven in its place.
 *
 * @returns the id of the deployment
 * @throws CutoverError `DEPLOYMENT_FAILED` and its kin, `DEPLOYMENT_HAS_OLD_VARIABLES`, `DEPLOYMENT_NOT_REMOVED`,
 *   `HEALTH_CHECK_FAILED`
 */
export async function proveService(
  { scope, run, passwords }: OwnedRotation,
  { service, railway, signal }: ServiceWork,
  { name, deploymentId, unwanted, healthyForMs, onAlone }: ServiceProof,
): Promise<string> {
  const { serviceId, variables } = service;
  const timeoutMs = run.inputs.limits.deploymentTimeoutMs;
  const move: ServiceSwitch = {
    ...{ scope, serviceId, name, deploymentTimeoutMs: timeoutMs, signal },
    desired: new Map(),
    healthCheckUrl: run.inputs.services.find((one) => one.name === name)?.healthCheckUrl ?? null,
    reporter: run.reporter,
  };
  const onStatus = ({ status }: { readonly status: string }) =>
    run.reporter.detail(`${name}: deployment ${status.toLowerCase()}`);
  let awaited = deploymentId;
  for (;;) {
    const { id } = await railway.waitForDeployment(scope, serviceId, awaited, {
      timeoutMs,
      onStatus,
      signal,
    });
    if ((await readGiven(railway, id, variables, passwords)) === unwanted)
      throw givenOther(name, id, unwanted);
    await waitUntilAlone(railway, move, id, []);
    await onAlone?.();
    await proveDeployment(railway, move, id);
    const healthySince = new Date();
    const watch = await railway.watchDeployment(scope, serviceId, id, {
      ...{ healthySince, healthyForMs, timeoutMs, signal },
    });
    if (watch.kind === "steady") return id;
    if (watch.kind === "failed") throw notHealthy(name, id, watch.why);
    awaited = watch.deployment.id;
  }
}

function givenOther(name: string, deploymentId: string, password: "old" | "new"): CutoverError {
  return new CutoverError({
    code: "DEPLOYMENT_HAS_OLD_VARIABLES",
    message: `The deployment ${deploymentId} of ${name} was given the ${password} password.`,
    remedy:
      "Look for somebody else who deployed the service or changed its variables at the same time, then run again.",
  });
}

function notHealthy(name: string, deploymentId: string, why: string): CutoverError {
  return new CutoverError({
    code: "DEPLOYMENT_FAILED",
    message: `The deployment ${deploymentId} of ${name} ${why} although it had been healthy.`,
    remedy: "Look at its logs on Railway, mend the cause, then run the same command again.",
  });
}
