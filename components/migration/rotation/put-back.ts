import { CutoverError, describeError } from "../../errors.ts";
import { withConnection } from "../../postgres/connection.ts";
import { isPending } from "../../railway/deployment-verdict.ts";
import { deployedSince, readGiven } from "./deployments.ts";
import type { OwnedRotation } from "./owned.ts";
import { proveService } from "./prove.ts";
import type { RotatedService, UnfinishedRotation } from "./record.ts";
import { dropRotationRole, keepOutOfLog, setVerifier } from "./server.ts";
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
  try {
    await writePassword(rotation, passwords.old);
  } catch (error) {
    rotation.signal.throwIfAborted();
    throw incomplete(error);
  }
  // Each is tried: one that cannot be put back must not keep the others on a password that is refused.
  const restored = await Promise.allSettled(
    Object.entries(record.services).map(([name, service]) => restoreService(rotation, name, service)),
  );
  const failed = restored.find((result) => result.status === "rejected");
  if (failed !== undefined) {
    rotation.signal.throwIfAborted();
    throw incomplete(failed.reason);
  }
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

/** A deployment that never got healthy has left the old one in place; only one that took its place has to be replaced. */
async function restoreService(rotation: OwnedRotation, name: string, service: RotatedService): Promise<void> {
  const { railway, scope, run, signal, passwords } = rotation;
  for (const deployment of await deployedSince(railway, scope, service)) {
    if (isPending(deployment)) await railway.cancelDeployment(deployment.id);
  }
  const found = (await railway.listServices(scope)).find(({ id }) => id === service.serviceId);
  if (found === undefined) return;
  const serving = found.activeDeployments.filter(({ stopped }) => !stopped);
  const given = await Promise.all(
    serving.map(async ({ id }) =>
      service.replaces.includes(id) ? "old" : readGiven(railway, id, service.variables, passwords),
    ),
  );
  if (given.length > 0 && given.every((one) => one === "old")) {
    run.reporter.detail(`${name}: went on with the old password`);
    return;
  }
  await waitUntilFollowed(railway, scope, name, service, passwords.old);
  const deploymentId = await railway.deploy(scope, service.serviceId);
  const work = { service, railway, signal };
  const id = await proveService(rotation, work, { name, deploymentId, unwanted: "new", healthyForMs: 0 });
  run.reporter.detail(`${name}: runs on the old password again (deployment ${id})`);
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
