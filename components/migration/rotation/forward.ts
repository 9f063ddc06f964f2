import { CutoverError } from "../../errors.ts";
import { withConnection } from "../../postgres/connection.ts";
import { scramVerifier } from "../../postgres/scram-verifier.ts";
import { formatDuration } from "../plan/format.ts";
import { type BuiltSince, canWait, findDeployed, notYetDeployed, waitForRightMoment } from "./deployments.ts";
import type { OwnedRotation, ServiceWork } from "./owned.ts";
import { proveService } from "./prove.ts";
import type { RotatedService, RotationIn } from "./record.ts";
import { dropRotationRole, endOlderSessions, isAccepted, keepOutOfLog, setVerifier } from "./server.ts";
import { type Dependent, surveyPassword } from "./survey.ts";
import { waitUntilFollowed, writePassword } from "./variables.ts";

/**
 * From `begun` or `changed` to every service running on the new password. Until then everything can be put back.
 *
 * @throws CutoverError what a deployment fails with, and what the clients throw
 */
export async function moveToNewPassword(rotation: OwnedRotation): Promise<void> {
  const { reporter } = rotation.run;
  if (rotation.record.state === "begun") {
    reporter.step("Write the new password into the variables");
    await writeNewPassword(rotation);
    reporter.step("Deploy every service that uses it");
    await deployUntilRightMoment(rotation);
    reporter.step("Change the password on the server");
    await changeOnServer(rotation);
  } else {
    reporter.step("Go on: the server has the new password");
    await askForDeployments(rotation);
  }
  const changedAt = await noteChange(rotation);
  reporter.step("Wait for the deployments, and prove them");
  await rotation.forEachService((name, work) => proveMoved(rotation, name, changedAt, work));
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
  reporter.detail("the server refuses the old password: it was tried");
  // Once more: what a dead run had sent may have been carried out late, and the next deployment would be refused.
  await writePassword(rotation, rotation.newPassword);
  await withConnection(
    rotation.exclusion.guarded(rotation.login(rotation.newPassword)),
    { purpose: "rotation" },
    async (session) => {
      await keepOutOfLog(session);
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
  await rotation.save({ ...record, services: await withDependents(rotation, dependents) });
  await rotation.forEachService((name, work) =>
    waitUntilFollowed(work.railway, scope, name, work.service, newPassword),
  );
}

/** Somebody may have given another service the reference since the rotation was begun, or removed one. */
async function withDependents(
  { railway, scope, record }: OwnedRotation,
  dependents: readonly Dependent[],
): Promise<Record<string, RotatedService>> {
  const entries = dependents.map(async (dependent) => {
    const { id, name } = dependent.service;
    const known = Object.values(record.services).find(({ serviceId }) => serviceId === id);
    return [name, known ?? (await notYetDeployed(railway, scope, dependent))] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

/**
 * Those that cannot wait to be let in come last: one of them, without a build, would have the server changed while the
 * others are still built.
 */
async function deployUntilRightMoment(rotation: OwnedRotation): Promise<void> {
  const { railway, scope, signal, run } = rotation;
  const present = await railway.listServices(scope);
  const patient = new Set(present.filter(canWait).map(({ id }) => id));
  const isPatient = ({ serviceId }: RotatedService) => patient.has(serviceId);
  const builtSince: BuiltSince = new Map();
  const wait = (services: readonly RotatedService[]) =>
    waitForRightMoment(railway, scope, services, {
      timeoutMs: run.inputs.limits.deploymentTimeoutMs,
      watchIntervalMs: run.timing?.watchIntervalMs ?? defaultWatchIntervalMs,
      patienceMs: run.timing?.patienceMs ?? defaultPatienceMs,
      ...{ builtSince, signal },
    });
  await askForDeployments(rotation, isPatient);
  await wait(Object.values(rotation.record.services).filter(isPatient));
  await askForDeployments(rotation, (service) => !isPatient(service));
  await wait(Object.values(rotation.record.services));
}

async function askForDeployments(
  rotation: OwnedRotation,
  isMeant?: (service: RotatedService) => boolean,
): Promise<void> {
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
  }, isMeant);
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

async function proveMoved(
  rotation: OwnedRotation,
  name: string,
  changedAt: string,
  work: ServiceWork,
): Promise<void> {
  const { run } = rotation;
  const { deploymentId, provenAt } = work.service;
  if (provenAt !== null) return;
  if (deploymentId === null) throw new TypeError(`no deployment of ${name} was asked for`);
  const id = await proveService(rotation, work, {
    ...{ name, deploymentId, unwanted: "old", healthyForMs: run.inputs.limits.healthyForMs },
    onAlone: async () => {
      const elapsed = formatDuration(await sinceChange(rotation, changedAt));
      run.reporter.detail(`${name}: its old deployment was gone ${elapsed} after the change`);
    },
  });
  await rotation.saveService(name, { deploymentId: id, provenAt: new Date().toISOString() });
  run.reporter.detail(`${name}: runs on the new password (deployment ${id})`);
}

async function sinceChange({ session }: OwnedRotation, changedAt: string): Promise<number> {
  const { rows } = await session.query(
    "select (extract(epoch from clock_timestamp() - $1::timestamptz) * 1000)::float8 as ms",
    [changedAt],
  );
  return rows[0].ms;
}

function stillAccepted(role: string): CutoverError {
  return new CutoverError({
    code: "OLD_PASSWORD_ACCEPTED",
    message: `The server still lets ${role} in with the old password, although it has the new one.`,
    remedy:
      "Somebody set it back, or pg_hba.conf asks for no password on this way in. Mend that, then run the same command again.",
  });
}
