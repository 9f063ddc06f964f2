import { CutoverError, describeError, hasCode } from "../../errors.ts";
import { withConnection } from "../../postgres/connection.ts";
import { isPending } from "../../railway/deployment-verdict.ts";
import { deploymentFailures } from "../../railway/deployment-wait.ts";
import type { Deployment } from "../../railway/railway.ts";
import { findFormer, readGiven, surelyDeployedSince, untouched } from "./deployments.ts";
import type { OwnedRotation } from "./owned.ts";
import { proveService } from "./prove.ts";
import type { RotatedService, UnfinishedRotation } from "./record.ts";
import { dropRotationRole, keepOutOfLog, setVerifier } from "./server.ts";
import { surveyPassword } from "./survey.ts";
import { waitUntilFollowed, writePassword } from "./variables.ts";

/**
 * Gives the server its old password again, then the variables, then the services that run on the new one. Every step may
 * run twice.
 *
 * @throws CutoverError `ROTATION_INCOMPLETE` with what is left
 */
export async function putRotationBack(rotation: OwnedRotation, reason: string): Promise<void> {
  const { passwords, run } = rotation;
  const record = rotation.record as UnfinishedRotation;
  run.reporter.step("Put the old password back");
  if (record.state !== "putting-back") {
    // While Railway takes no variables the old password on the server would only keep out who has the new one.
    await rotation.railway.listServices(rotation.scope);
    await rotation.save(
      { ...record, state: "putting-back", reason },
      { effect: () => setVerifier(rotation.session, record.role, record.wayBack.verifier) },
    );
    run.reporter.detail("the server has the old password");
  }
  await orIncomplete(rotation, async () => {
    await writePassword(rotation, passwords.old);
    await addLatecomers(rotation);
  });
  // Each is tried: one that cannot be put back must not keep the others on a password that is refused.
  const restored = await Promise.allSettled(
    Object.entries(rotation.record.services).map(([name, service]) =>
      restoreService(rotation, name, service),
    ),
  );
  const failed = restored.find((result) => result.status === "rejected");
  if (failed !== undefined) {
    rotation.signal.throwIfAborted();
    throw incomplete(failed.reason);
  }
  // Once more: what a dead run had sent may have been carried out late, and the next deployment would be refused.
  await orIncomplete(rotation, () => writePassword(rotation, passwords.old));
  await withConnection(
    rotation.exclusion.guarded(rotation.login(passwords.old)),
    { purpose: "rotation" },
    async (session) => {
      await keepOutOfLog(session);
      const { serviceId, role, holders, services } = rotation.record;
      await rotation.save(
        { state: "put-back", serviceId, role, holders, services, reason },
        { session, effect: () => dropRotationRole(session) },
      );
    },
  );
  run.reporter.detail("everything uses the old password again");
}

async function orIncomplete({ signal }: OwnedRotation, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    signal.throwIfAborted();
    throw incomplete(error);
  }
}

/** Somebody may have deployed a service with the new password that nothing of it was known of when the rotation looked. */
async function addLatecomers(rotation: OwnedRotation): Promise<void> {
  const { railway, scope, record, passwords } = rotation;
  const known = new Set(Object.values(record.services).map(({ serviceId }) => serviceId));
  const searched = [passwords.old, passwords.new].filter((password) => password !== null);
  const { dependents } = await surveyPassword(railway, scope, record.serviceId, searched);
  const late = dependents
    .filter(({ service }) => !known.has(service.id))
    .map((dependent) => [dependent.service.name, untouched(dependent, [])] as const);
  if (late.length === 0) return;
  await rotation.save({ ...record, services: { ...record.services, ...Object.fromEntries(late) } });
}

/**
 * A deployment that never got healthy has left the old one in place; only one that took its place has to be replaced, and
 * what somebody else wanted to deploy must not be lost.
 */
async function restoreService(rotation: OwnedRotation, name: string, service: RotatedService): Promise<void> {
  const { railway, scope, run, signal, passwords } = rotation;
  const since = await surelyDeployedSince(railway, scope, service);
  const { onItsWay, withdrawn } = await withdraw(rotation, name, service, since.filter(isPending));
  const serving = await readServing(rotation, service);
  if (serving === undefined) return;
  if (onItsWay === undefined && !withdrawn && serving === "old") {
    run.reporter.detail(`${name}: went on with the old password`);
    return;
  }
  await waitUntilFollowed(railway, scope, name, service, passwords.old);
  const prove = async (deploymentId: string) => {
    const work = { service, railway, signal };
    const id = await proveService(rotation, work, { name, deploymentId, unwanted: "new", healthyForMs: 0 });
    run.reporter.detail(`${name}: runs on the old password again (deployment ${id})`);
  };
  try {
    await prove(onItsWay ?? (await railway.deploy(scope, service.serviceId)));
  } catch (error) {
    if (!hasCode(error, ...deploymentFailures)) throw error;
    if ((await readServing(rotation, service)) === "old") {
      run.reporter.detail(
        `${name}: a new deployment failed (${error.code}); it goes on with the old password`,
      );
      return;
    }
    const former = await findFormer(railway, scope, service, passwords);
    if (former === undefined) throw error;
    run.reporter.detail(
      `${name}: a new deployment failed (${error.code}); rolled back to ${former}, from before the rotation`,
    );
    await prove(await railway.rollBack(scope, service.serviceId, former));
  }
}

/**
 * Cancels what waits still and was given the new password.
 *
 * @returns a deployment with the old one that an earlier run asked for, and whether somebody else's was cancelled
 */
async function withdraw(
  { railway, passwords, run }: OwnedRotation,
  name: string,
  service: RotatedService,
  pending: readonly Deployment[],
): Promise<{ readonly onItsWay: string | undefined; readonly withdrawn: boolean }> {
  let onItsWay: string | undefined;
  let withdrawn = false;
  for (const { id } of pending) {
    if ((await readGiven(railway, id, service.variables, passwords)) === "old") {
      onItsWay ??= id;
      continue;
    }
    if (!(await railway.cancelDeployment(id))) {
      run.reporter.detail(
        `${name}: cancel its deployment ${id} on Railway, it was given the new password and still waits`,
      );
    }
    if (id === service.deploymentId) continue;
    withdrawn = true;
    run.reporter.detail(
      `${name}: the deployment ${id} was cancelled, it was given the new password; one with the old password takes its place`,
    );
  }
  return { onItsWay, withdrawn };
}

/** Which password everything was given that serves of a service; `undefined` for a service that is gone. */
async function readServing(
  { railway, scope, passwords }: OwnedRotation,
  { serviceId, replaces, variables }: RotatedService,
): Promise<"old" | "other" | undefined> {
  const found = (await railway.listServices(scope)).find(({ id }) => id === serviceId);
  if (found === undefined) return undefined;
  const serving = found.activeDeployments.filter(({ stopped }) => !stopped);
  const given = await Promise.all(
    serving.map(async ({ id }) =>
      replaces.includes(id) ? "old" : readGiven(railway, id, variables, passwords),
    ),
  );
  return given.length > 0 && given.every((one) => one === "old") ? "old" : "other";
}

function incomplete(error: unknown): CutoverError {
  return new CutoverError({
    code: "ROTATION_INCOMPLETE",
    message: `The server has the old password again, but not every variable and service could be put back to it: ${describeError(error)}`,
    remedy:
      "Its open sessions go on, new ones are refused. Mend the cause, then `npm run rotate-password -- --put-back --yes`.",
    cause: error,
  });
}
