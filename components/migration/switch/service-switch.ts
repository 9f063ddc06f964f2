import { CutoverError, hasCode } from "../../errors.ts";
import type { EnvironmentScope, Railway } from "../../railway/railway.ts";
import type { Reporter } from "../reporter.ts";
import {
  compareDeployment,
  findUsableDeployment,
  type GivenVariable,
  recentDeployments,
} from "./adopt-deployment.ts";
import { type DesiredValue, namesHost, sameText } from "./given-values.ts";
import { probeHealth } from "./health-probe.ts";

/** One service to be run on the database that its variables shall name. */
export interface ServiceSwitch {
  readonly scope: EnvironmentScope;
  readonly serviceId: string;
  readonly name: string;
  /** Variable name → what it shall hold; `undefined` where it shall not exist. */
  readonly desired: ReadonlyMap<string, DesiredValue | undefined>;
  readonly healthCheckUrl: string | null;
  readonly deploymentTimeoutMs: number;
  readonly reporter: Reporter;
  readonly signal?: AbortSignal;
  /** An interrupted run may have asked for a deployment that nobody noted, and that Railway's reads do not show yet. */
  readonly mayHaveDeployed?: boolean;
  /** Writes the variables even where they are read as they shall be: Railway's reads lag, and a dead run's write may be on its way. */
  readonly writesAlways?: boolean;
  /** Adopts no deployment: one that a dead run asked for may still come, and the newest one wins. */
  readonly deploysAlways?: boolean;
}

/** What is told about a deployment on its way. */
export interface DeploymentNotes {
  /** A deployment is about to be asked for. */
  readonly onAsking?: () => Promise<void>;
  /** The id that is waited for, and once more when another one took its place. */
  readonly onDeploying?: (deploymentId: string) => Promise<void>;
}

/**
 * Writes the variables without deploying, then reads them back raw and rendered. Variables that are right already are
 * not written. Safe to repeat.
 *
 * @throws CutoverError `VARIABLE_NOT_APPLIED`, `REFERENCE_RENDERS_WRONG`
 */
export async function applyVariables(railway: Railway, move: ServiceSwitch): Promise<void> {
  const raw = await railway.rawVariables(move.scope, move.serviceId);
  for (const [name, value] of removalsLast(move.desired)) {
    const isRight = sameText(raw.get(name) ?? undefined, value?.text);
    if (isRight && (move.writesAlways !== true || value === undefined)) continue;
    if (value === undefined) await railway.deleteVariable(move.scope, move.serviceId, name);
    else await railway.setVariable(move.scope, move.serviceId, name, value.text);
  }
  await waitUntilRendered(railway, move);
}

/**
 * A deployment of the service that was given what the variables hold now: one that an earlier run asked for, or that runs
 * already, otherwise a new one. Waits for it, or for a newer one of somebody else that takes its place. Returns its id.
 *
 * @param ongoing a deployment that an earlier run asked for
 * @throws CutoverError `DEPLOYMENT_FAILED`, `DEPLOYMENT_TIMEOUT` and what the client throws
 */
export async function deployWithVariables(
  railway: Railway,
  move: ServiceSwitch,
  ongoing: string | null,
  { onAsking, onDeploying }: DeploymentNotes,
): Promise<string> {
  const usable = move.deploysAlways === true ? undefined : await findUsableDeployment(railway, move, ongoing);
  if (usable === undefined) await onAsking?.();
  const deploymentId = usable ?? (await railway.deploy(move.scope, move.serviceId));
  await onDeploying?.(deploymentId);
  const waiting = railway.waitForDeployment(move.scope, move.serviceId, deploymentId, {
    timeoutMs: move.deploymentTimeoutMs,
    onStatus: ({ status }) => move.reporter.detail(`${move.name}: deployment ${status.toLowerCase()}`),
    signal: move.signal,
  });
  const { id } = await waiting.catch((error) => {
    throw ofService(move.name, error);
  });
  if (id !== deploymentId) {
    move.reporter.detail(`${move.name}: somebody else's deployment ${id} took the place of ${deploymentId}`);
    await onDeploying?.(id);
  }
  return id;
}

/** The client knows the deployment's id alone; whoever is to read its logs knows the service by name. */
function ofService(name: string, error: unknown): unknown {
  if (!(error instanceof CutoverError) || !error.code.startsWith("DEPLOYMENT_")) return error;
  const { code, message, remedy } = error;
  return new CutoverError({ code, message: `${name}: ${message}`, remedy, cause: error });
}

/**
 * Waits until nothing of the service runs any more but this deployment: those it replaces, and whatever else was deployed
 * before it meanwhile.
 *
 * @throws CutoverError `DEPLOYMENT_NOT_REMOVED`
 */
export async function waitUntilAlone(
  railway: Railway,
  { scope, serviceId, deploymentTimeoutMs, signal }: ServiceSwitch,
  deploymentId: string,
  replaced: readonly string[],
): Promise<void> {
  const recent = await railway.listDeployments(scope, serviceId, recentDeployments);
  const own = recent.find(({ id }) => id === deploymentId);
  const earlier = recent.filter(
    ({ status, createdAt }) => serving.has(status) && (own === undefined || createdAt < own.createdAt),
  );
  const others = new Set([...replaced, ...earlier.map(({ id }) => id)]);
  others.delete(deploymentId);
  await railway.waitUntilRemoved([...others], { timeoutMs: deploymentTimeoutMs, signal });
}

/**
 * Checks that the deployment was given what the variables hold now, and that the service answers. Returns whether Railway told
 * what it was given; where it does not, that is left to other proof.
 *
 * @throws CutoverError `DEPLOYMENT_HAS_OLD_VARIABLES`, `HEALTH_CHECK_FAILED`, `DEPLOYMENT_FAILED`
 */
export async function proveDeployment(
  railway: Railway,
  move: ServiceSwitch,
  deploymentId: string,
): Promise<{ givenTold: boolean }> {
  const givenTold = await assertGiven(railway, move, deploymentId);
  if (move.healthCheckUrl === null) return { givenTold };
  await probeHealth({
    name: move.name,
    url: move.healthCheckUrl,
    timeoutMs: move.deploymentTimeoutMs,
    signal: move.signal,
    assertWorthWaiting: () => assertNotOver(railway, move, deploymentId),
  });
  return { givenTold };
}

/** So that what Railway deploys after a removal, which cannot be told to deploy nothing, has every variable. */
function removalsLast(desired: ServiceSwitch["desired"]): [string, DesiredValue | undefined][] {
  const entries = [...desired];
  return [
    ...entries.filter(([, value]) => value !== undefined),
    ...entries.filter(([, value]) => value === undefined),
  ];
}

/** References are rendered some time after they were written; a wrong one stays empty for ever, without an error. */
async function waitUntilRendered(railway: Railway, move: ServiceSwitch): Promise<void> {
  let wrong: [name: string, host: string] | undefined;
  await railway.settle(async () => {
    const rendered = await railway.renderedVariables(move.scope, move.serviceId);
    wrong = undefined;
    for (const [name, value] of move.desired) {
      if (value === undefined || value.host === null || namesHost(rendered.get(name), value.host)) continue;
      wrong ??= [name, value.host];
    }
    return wrong === undefined ? true : undefined;
  });
  if (wrong === undefined) return;
  throw new CutoverError({
    code: "REFERENCE_RENDERS_WRONG",
    message: `${wrong[0]} of ${move.name} was set, but Railway does not render it to the host ${wrong[1]}.`,
    remedy: "Check on Railway that the referenced service and variable exist under exactly that name.",
  });
}

const serving = new Set(["SUCCESS", "SLEEPING", "REMOVING"]);

async function assertGiven(railway: Railway, move: ServiceSwitch, deploymentId: string): Promise<boolean> {
  let given: readonly GivenVariable[] | undefined;
  await railway.settle(async () => {
    given = await compareDeployment(railway, move, deploymentId);
    const mayStillChange =
      given?.some(({ verdict }) => verdict === "stale") && !given.some(({ verdict }) => verdict === "no");
    return mayStillChange ? undefined : true;
  });
  const isTold = given?.every(({ verdict }) => verdict !== "unknown") ?? false;
  if (!isTold) {
    move.reporter.detail(
      `${move.name}: Railway does not tell what the deployment was given; relying on its sessions`,
    );
  }
  const wrong = given?.find(({ verdict }) => verdict === "no" || verdict === "stale");
  if (wrong === undefined) return isTold;
  throw new CutoverError({
    code: "DEPLOYMENT_HAS_OLD_VARIABLES",
    message: `The deployment ${deploymentId} of ${move.name} was not given what ${wrong.name} holds now.`,
    remedy:
      "Look for somebody else who deployed the service or changed the variable (or a password) at the same time, then run again.",
  });
}

/** The service will not answer any more when its deployment has come to an end. */
async function assertNotOver(railway: Railway, move: ServiceSwitch, deploymentId: string): Promise<void> {
  const deployment = await railway.deployment(deploymentId).catch((error: unknown) => {
    // Railway's API being away says nothing about the service.
    if (hasCode(error, "RAILWAY_UNREACHABLE", "RAILWAY_RATE_LIMITED")) return undefined;
    throw error;
  });
  if (deployment === undefined || (!deployment.stopped && !ended.has(deployment.status))) return;
  throw new CutoverError({
    code: "DEPLOYMENT_FAILED",
    message: `The deployment ${deploymentId} of ${move.name} is ${deployment.status} although it had been healthy.`,
    remedy: "Look at its logs on Railway; it may not start without writing (startsReadOnly: false).",
  });
}

const ended = new Set(["FAILED", "CRASHED", "REMOVED"]);
