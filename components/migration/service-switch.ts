import { setTimeout as delay } from "node:timers/promises";
import { CutoverError, describeError } from "../errors.ts";
import type { EnvironmentScope, Railway } from "../railway/railway.ts";
import { normaliseReference } from "../railway/references.ts";
import type { Reporter } from "./reporter.ts";

/** What a variable shall hold. */
export interface DesiredValue {
  /** The raw text, usually a reference. */
  readonly text: string;
  /** The host it must render to, and that the deployment must have been given; `null` where that is not known. */
  readonly host: string | null;
}

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
}

/**
 * Writes the variables without deploying, then reads them back raw and rendered. Variables that are right already are
 * not written. Safe to repeat.
 *
 * @throws CutoverError `VARIABLE_NOT_APPLIED`, `REFERENCE_RENDERS_WRONG`
 */
export async function applyVariables(railway: Railway, move: ServiceSwitch): Promise<void> {
  const raw = await railway.rawVariables(move.scope, move.serviceId);
  for (const [name, value] of move.desired) {
    if (sameText(raw.get(name) ?? undefined, value?.text)) continue;
    if (value === undefined) await railway.deleteVariable(move.scope, move.serviceId, name);
    else await railway.setVariable(move.scope, move.serviceId, name, value.text);
  }
  await waitUntilRendered(railway, move);
}

/**
 * A deployment of the service that was given the expected database: the active one if it was already, otherwise a new
 * one, which is waited for. Returns its id.
 *
 * @param ongoing a deployment that an earlier run asked for
 * @throws CutoverError `DEPLOYMENT_FAILED`, `DEPLOYMENT_TIMEOUT` and what the client throws
 */
export async function deployWithVariables(
  railway: Railway,
  move: ServiceSwitch,
  ongoing: string | null,
  onDeploying: (deploymentId: string) => Promise<void>,
): Promise<string> {
  const deploymentId =
    (await stillUsable(railway, move, ongoing)) ??
    (await newestMatching(railway, move)) ??
    (await railway.deploy(move.scope, move.serviceId));
  await onDeploying(deploymentId);
  const deployment = await railway.waitForDeployment(move.scope, move.serviceId, deploymentId, {
    timeoutMs: move.deploymentTimeoutMs,
    onStatus: ({ status }) => move.reporter.detail(`${move.name}: deployment ${status.toLowerCase()}`),
    ...(move.signal === undefined ? {} : { signal: move.signal }),
  });
  return deployment.id;
}

/**
 * Checks that the deployment was given the expected database and that the service answers.
 *
 * @throws CutoverError `DEPLOYMENT_HAS_OLD_VARIABLES`, `HEALTH_CHECK_FAILED`
 */
export async function proveDeployment(
  railway: Railway,
  move: ServiceSwitch,
  deploymentId: string,
): Promise<void> {
  const given = await railway.deploymentVariables(deploymentId);
  if (given === undefined) {
    move.reporter.detail(
      `${move.name}: Railway does not tell what the deployment was given; relying on its sessions`,
    );
  } else {
    for (const [name, value] of move.desired) {
      if (wasGiven(given, name, value)) continue;
      throw new CutoverError({
        code: "DEPLOYMENT_HAS_OLD_VARIABLES",
        message: `The deployment of ${move.name} was given another ${name} than the one that was set.`,
        remedy: "Look for a deployment started by someone else at the same time, then run again.",
      });
    }
  }
  if (move.healthCheckUrl !== null)
    await probeHealth(move.name, move.healthCheckUrl, move.deploymentTimeoutMs, move.signal);
}

/** Whether the variables hold what they shall: what drift and no-op decisions compare. */
export function sameText(actual: string | undefined, desired: string | undefined): boolean {
  if (actual === undefined || desired === undefined) return actual === desired;
  return normaliseReference(actual) === normaliseReference(desired);
}

/** Railway may show what a deployment was given raw or rendered: either the text itself or a URL of its host. */
function wasGiven(
  given: ReadonlyMap<string, string>,
  name: string,
  desired: DesiredValue | undefined,
): boolean {
  const value = given.get(name);
  if (value === undefined || desired === undefined) return value === desired;
  return surelyGiven(given, name, desired) || desired.host === null;
}

/** Nothing is taken for granted where the host is not known: such a deployment is not adopted. */
function surelyGiven(
  given: ReadonlyMap<string, string>,
  name: string,
  desired: DesiredValue | undefined,
): boolean {
  const value = given.get(name);
  if (value === undefined || desired === undefined) return value === desired;
  return sameText(value, desired.text) || (desired.host !== null && namesHost(value, desired.host));
}

/** References are rendered some time after they were written; a wrong one stays empty for ever, without an error. */
async function waitUntilRendered(railway: Railway, move: ServiceSwitch): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const rendered = await railway.renderedVariables(move.scope, move.serviceId);
    const wrong = [...move.desired].find(
      ([name, value]) =>
        value !== undefined && value.host !== null && !namesHost(rendered.get(name), value.host),
    );
    if (wrong === undefined) return;
    if (attempt >= renderAttempts) {
      throw new CutoverError({
        code: "REFERENCE_RENDERS_WRONG",
        message: `${wrong[0]} of ${move.name} was set, but Railway does not render it to the host ${wrong[1]?.host}.`,
        remedy: "Check on Railway that the referenced service and variable exist under exactly that name.",
      });
    }
    await delay(renderIntervalMs, undefined, move.signal === undefined ? {} : { signal: move.signal });
  }
}

const renderAttempts = 10;
const renderIntervalMs = 1_000;

/** An earlier run's deployment, unless it has ended: waiting for a failed one would fail every further run. */
async function stillUsable(
  railway: Railway,
  { scope, serviceId }: ServiceSwitch,
  ongoing: string | null,
): Promise<string | undefined> {
  if (ongoing === null) return undefined;
  const recent = await railway.listDeployments(scope, serviceId, recentDeployments);
  const own = recent.find(({ id }) => id === ongoing);
  // Not in the list: Railway's reads lag behind its writes.
  return own === undefined || (usable.has(own.status) && !own.stopped) ? ongoing : undefined;
}

/**
 * The newest deployment that runs or is under way, if it was given what is desired: adopting it avoids another one. A
 * failed one is passed over, since the one before it goes on serving.
 */
async function newestMatching(railway: Railway, move: ServiceSwitch): Promise<string | undefined> {
  const recent = await railway.listDeployments(move.scope, move.serviceId, recentDeployments);
  const newest = recent.find(({ status, stopped }) => usable.has(status) && !stopped);
  if (newest === undefined) return undefined;
  const given = await railway.deploymentVariables(newest.id);
  if (given === undefined) return undefined;
  const matches = [...move.desired].every(([name, value]) => surelyGiven(given, name, value));
  return matches ? newest.id : undefined;
}

const recentDeployments = 10;
const usable = new Set(["INITIALIZING", "QUEUED", "WAITING", "BUILDING", "DEPLOYING", "SUCCESS", "SLEEPING"]);

async function probeHealth(
  name: string,
  url: string,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<void> {
  const giveUpAt = Date.now() + timeoutMs;
  for (;;) {
    signal?.throwIfAborted();
    const outcome = await fetch(url, { redirect: "manual", signal: AbortSignal.timeout(10_000) }).then(
      (response) => (response.status === 200 ? "healthy" : `HTTP status ${response.status}`),
      (error: unknown) => describeError(error),
    );
    if (outcome === "healthy") return;
    if (Date.now() >= giveUpAt) {
      throw new CutoverError({
        code: "HEALTH_CHECK_FAILED",
        message: `The health check of ${name} did not answer 200 in time: ${outcome}.`,
        remedy: "Look at the deployment's logs on Railway.",
      });
    }
    await delay(1_000);
  }
}

function namesHost(value: string | null | undefined, host: string): boolean {
  return typeof value === "string" && URL.canParse(value) && new URL(value).hostname === host;
}
