import { CutoverError } from "../../errors.ts";
import { withConnection } from "../../postgres/connection.ts";
import { scramVerifier } from "../../postgres/scram-verifier.ts";
import { formatDuration } from "../plan/format.ts";
import { proveDeployment, type ServiceSwitch, waitUntilAlone } from "../service-switch.ts";
import { findDeployed, readGiven, waitForRightMoment } from "./deployments.ts";
import type { OwnedRotation, ServiceWork } from "./owned.ts";
import type { RotatedService, RotationIn } from "./record.ts";
import { dropRotationRole, endOlderSessions, isAccepted, setVerifier } from "./server.ts";
import { type Dependent, surveyPassword } from "./survey.ts";
import { waitUntilFollowed, writePassword } from "./variables.ts";

/**
 * From `begun` or `changed` to every service running on the new password. Until then everything can be put back.
 *
 * @throws CutoverError what a deployment fails with, and what the clients throw
 */
export async function moveToNewPassword(rotation: OwnedRotation): Promise<void> {
  const { reporter, timing, inputs } = rotation.run;
  if (rotation.record.state === "begun") {
    reporter.step("Write the new password into the variables");
    await writeNewPassword(rotation);
    reporter.step("Deploy every service that uses it");
    await askForDeployments(rotation);
    await waitForRightMoment(rotation.railway, rotation.scope, Object.values(rotation.record.services), {
      timeoutMs: inputs.limits.deploymentTimeoutMs,
      watchIntervalMs: timing?.watchIntervalMs ?? defaultWatchIntervalMs,
      patienceMs: timing?.patienceMs ?? defaultPatienceMs,
      signal: rotation.signal,
    });
    reporter.step("Change the password on the server");
    await changeOnServer(rotation);
  } else {
    reporter.step("Go on: the server has the new password");
    await askForDeployments(rotation);
  }
  const changedAt = await noteChange(rotation);
  reporter.step("Wait for the deployments, and prove them");
  await rotation.forEachService((name, work) => proveService(rotation, name, changedAt, work));
}

/**
 * What is left when every service runs on the new password. Nothing of it can be put back, and all of it can be repeated.
 *
 * @throws CutoverError `OLD_PASSWORD_ACCEPTED`, `SESSIONS_REMAIN`
 */
export async function finishRotation(rotation: OwnedRotation): Promise<void> {
  const { reporter, timing } = rotation.run;
  const changedAt = await noteChange(rotation);
  const { wayBack: _erased, ...record } = rotation.record as RotationIn<"changed">;
  reporter.step("See that the old password is of no use");
  const ended = await endOlderSessions(rotation.session, record.role, changedAt, {
    signal: rotation.signal,
    ...(timing?.sessionGraceMs === undefined ? {} : { graceMs: timing.sessionGraceMs }),
  });
  if (ended > 0) reporter.detail(`${ended} sessions that the old password had opened were ended`);
  if (await isAccepted(rotation.login(rotation.passwords.old))) throw stillAccepted(record.role);
  reporter.detail("the server refuses the old password (tried: 28P01)");
  await withConnection(
    rotation.exclusion.guarded(rotation.login(rotation.newPassword)),
    { purpose: "rotation" },
    async (session) => {
      await rotation.save(
        { ...record, state: "finished", changedAt },
        { session, effect: () => dropRotationRole(session) },
      );
    },
  );
}

/** Railway's requests are few: one look is one request, and there are minutes of them at most. */
const defaultWatchIntervalMs = 2_000;
/** A program that ends when it is refused is started again some ten times before Railway gives it up. */
const defaultPatienceMs = 15_000;

async function writeNewPassword(rotation: OwnedRotation): Promise<void> {
  const { railway, scope, record, newPassword, passwords } = rotation;
  await writePassword(rotation, newPassword);
  const { dependents } = await surveyPassword(railway, scope, record.serviceId, [newPassword, passwords.old]);
  await rotation.save({ ...record, services: withDependents(rotation, dependents) });
  await rotation.forEachService((name, work) =>
    waitUntilFollowed(work.railway, scope, name, work.service, newPassword),
  );
}

/** Somebody may have given another service the reference since the rotation was begun, or removed one. */
function withDependents(
  { record }: OwnedRotation,
  dependents: readonly Dependent[],
): Record<string, RotatedService> {
  return Object.fromEntries(
    dependents.map(({ service, variables }) => {
      const known = Object.values(record.services).find(({ serviceId }) => serviceId === service.id);
      return [service.name, known ?? rotatedService(service.id, variables, [])];
    }),
  );
}

export function rotatedService(
  serviceId: string,
  variables: readonly string[],
  replaces: readonly string[],
): RotatedService {
  return {
    ...{ serviceId, variables: [...variables], replaces: [...replaces] },
    ...{ askedAt: null, deploymentId: null, provenAt: null },
  };
}

async function askForDeployments(rotation: OwnedRotation): Promise<void> {
  const { scope, passwords } = rotation;
  await rotation.forEachService(async (name, { service, railway }) => {
    if (service.provenAt !== null) return;
    let deploymentId = await findDeployed(railway, scope, service, passwords);
    if (deploymentId === undefined) {
      await rotation.saveService(name, { askedAt: new Date().toISOString(), deploymentId: null });
      deploymentId = await railway.deploy(scope, service.serviceId);
    }
    await rotation.saveService(name, { deploymentId });
    rotation.run.reporter.detail(`${name}: deployment ${deploymentId} is given the new password`);
  });
}

async function changeOnServer(rotation: OwnedRotation): Promise<void> {
  const record = rotation.record as RotationIn<"begun">;
  const verifier = scramVerifier(rotation.newPassword);
  await rotation.save(
    { ...record, state: "changed", changedAt: null },
    { effect: () => setVerifier(rotation.session, record.role, verifier) },
  );
  rotation.run.reporter.detail("new sessions need the new password from here on; open ones go on");
}

/** Asked after the commit, so that every session that the old password let in is older. */
async function noteChange(rotation: OwnedRotation): Promise<string> {
  const record = rotation.record as RotationIn<"changed">;
  if (record.changedAt !== null) return record.changedAt;
  const { rows } = await rotation.session.query("select clock_timestamp()::text as now");
  const changedAt: string = rows[0].now;
  await rotation.save({ ...record, changedAt });
  return changedAt;
}

async function proveService(
  rotation: OwnedRotation,
  name: string,
  changedAt: string,
  { railway, signal }: ServiceWork,
): Promise<void> {
  const { scope, run, passwords } = rotation;
  const { serviceId, deploymentId: asked, provenAt, variables } = rotation.service(name);
  if (provenAt !== null) return;
  if (asked === null) throw new TypeError(`no deployment of ${name} was asked for`);
  const deploymentTimeoutMs = run.inputs.limits.deploymentTimeoutMs;
  const { id } = await railway.waitForDeployment(scope, serviceId, asked, {
    timeoutMs: deploymentTimeoutMs,
    onStatus: ({ status }) => run.reporter.detail(`${name}: deployment ${status.toLowerCase()}`),
    signal,
  });
  const move: ServiceSwitch = {
    ...{ scope, serviceId, name, deploymentTimeoutMs, signal },
    desired: new Map(),
    healthCheckUrl: run.inputs.services.find((service) => service.name === name)?.healthCheckUrl ?? null,
    reporter: run.reporter,
  };
  if ((await readGiven(railway, id, variables, passwords)) === "old") throw givenOld(name, id);
  await waitUntilAlone(railway, move, id, []);
  const aloneAfterMs = await sinceChange(rotation, changedAt);
  await proveDeployment(railway, move, id);
  await rotation.saveService(name, { deploymentId: id, provenAt: new Date().toISOString() });
  run.reporter.detail(
    `${name}: runs on the new password (deployment ${id}); its old deployment was gone ${formatDuration(aloneAfterMs)} after the change`,
  );
}

async function sinceChange({ session }: OwnedRotation, changedAt: string): Promise<number> {
  const { rows } = await session.query(
    "select (extract(epoch from clock_timestamp() - $1::timestamptz) * 1000)::float8 as ms",
    [changedAt],
  );
  return rows[0].ms;
}

function givenOld(name: string, deploymentId: string): CutoverError {
  return new CutoverError({
    code: "DEPLOYMENT_HAS_OLD_VARIABLES",
    message: `The deployment ${deploymentId} of ${name} was given the old password.`,
    remedy:
      "Look for somebody else who deployed the service or changed its variables at the same time, then run again.",
  });
}

function stillAccepted(role: string): CutoverError {
  return new CutoverError({
    code: "OLD_PASSWORD_ACCEPTED",
    message: `The server still lets ${role} in with the old password, although it has the new one.`,
    remedy:
      "Somebody set it back, or pg_hba.conf asks for no password on this way in. Mend that, then run the same command again.",
  });
}
