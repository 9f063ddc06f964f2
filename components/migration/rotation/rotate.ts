import { randomUUID } from "node:crypto";
import { CutoverError, describeError, hasCode, isConnectionLoss } from "../../errors.ts";
import { inTransaction } from "../../postgres/transaction.ts";
import { isOutage } from "../../railway/waiting.ts";
import { excludeOtherRuns } from "../exclusion/exclusion.ts";
import { readJournal } from "../journal/journal.ts";
import { recallValue, rememberValue } from "../recover/previous-value.ts";
import { assertRotatable } from "./blockers.ts";
import { notYetDeployed, type Passwords } from "./deployments.ts";
import { finishRotation, moveToNewPassword } from "./forward.ts";
import { beginRotation, type RotationEntry, readRotation, takeOverRotation } from "./journal.ts";
import { OwnedRotation } from "./owned.ts";
import { putRotationBack } from "./put-back.ts";
import { type Holder, isUnfinished, type UnfinishedRotation } from "./record.ts";
import {
  asRotationRole,
  dropRotationRole,
  giveRotationRole,
  isAccepted,
  keepOutOfLog,
  newPassword,
  readRole,
} from "./server.ts";
import { surveyPassword } from "./survey.ts";
import { findWayIn, type RotationRun, type WayIn } from "./way-in.ts";

export type RotationOutcome = "rotated" | "rotated before" | "put back" | "nothing to put back";

/**
 * Gives the target's login a new password, everywhere, and makes the old one useless; or goes on with an interrupted
 * rotation, from any machine. Without `again` a rotation that is finished is not followed by another one.
 *
 * @throws CutoverError among others `ROTATION_BLOCKED`; `ROTATION_PUT_BACK` when it failed and everything uses the old
 *   password as before; `ROTATION_INTERRUPTED`, `ROTATION_INCOMPLETE`, `ANOTHER_RUN_ACTIVE`
 */
export async function rotatePassword(
  run: RotationRun,
  { again }: { readonly again: boolean },
): Promise<RotationOutcome> {
  const found = await findWayIn(run);
  const record = found.rotation?.record;
  if (record?.state === "finished" && !again) return "rotated before";
  if (
    record !== undefined &&
    isUnfinished(record) &&
    (record.state !== "begun" || found.account === "rotation")
  ) {
    return goOn(run, found, found.own.password, "forward");
  }
  const password = await begin(run, found);
  return goOn(run, found, password, "forward");
}

/**
 * Puts an unfinished rotation back: everything uses the old password as before.
 *
 * @throws CutoverError `ROTATION_INCOMPLETE`, `ROTATION_INTERRUPTED`, `ANOTHER_RUN_ACTIVE`
 */
export async function undoRotation(run: RotationRun): Promise<RotationOutcome> {
  const found = await findWayIn(run);
  if (found.rotation === undefined || !isUnfinished(found.rotation.record)) return "nothing to put back";
  return goOn(run, found, found.own.password, "back");
}

/**
 * Makes the second way in and notes what leads back, before anything is changed. Nobody but the rotation notices.
 *
 * @returns the new password
 */
async function begin(run: RotationRun, { scope, service, own }: WayIn): Promise<string> {
  const { railway, reporter } = run;
  const exclusion = await excludeOtherRuns({ target: own });
  try {
    const { target } = exclusion;
    reporter.step("Look whether the password can be rotated");
    const former = await readRotation(target);
    const unfinished = former !== undefined && isUnfinished(former.record) ? former : undefined;
    if (unfinished !== undefined && unfinished.record.state !== "begun") throw changedMeanwhile();
    const survey = await surveyPassword(railway, scope, service.id, [own.password]);
    const role = await readRole(target, own.user);
    const verifier = assertRotatable({ survey, role, own, migration: await readJournal(target) });
    if (await isAccepted({ ...own, password: newPassword() })) throw asksForNoPassword(own.user);
    await keepOutOfLog(target);
    await railway.tryVariableWrite(scope, service.id);
    const services = await Promise.all(
      survey.dependents.map(
        async (dependent) =>
          [dependent.service.name, await notYetDeployed(railway, scope, dependent)] as const,
      ),
    );
    const password = newPassword();
    const id = unfinished?.id ?? randomUUID();
    const common = {
      ...{ serviceId: service.id, role: own.user, services: Object.fromEntries(services) },
      holders: mergeHolders(unfinished, survey.holders),
    };
    await inTransaction(target, async () => {
      await giveRotationRole(target, password);
      const wayBack = { verifier, password: rememberValue(own.password, password, false) };
      await beginRotation(target, id, { state: "begun", ...common, wayBack });
    });
    if (await isAccepted(asRotationRole(own, password))) return password;
    await inTransaction(target, async () => {
      await dropRotationRole(target);
      await beginRotation(target, id, { state: "put-back", ...common, reason: secondLoginRefused.message });
    });
    throw new CutoverError(secondLoginRefused);
  } finally {
    await exclusion.release();
  }
}

/** A run that died while it wrote the variables may have left its own password, which nobody knows, in some of them. */
function mergeHolders(unfinished: RotationEntry | undefined, holders: readonly Holder[]): Holder[] {
  const byName = new Map([...(unfinished?.record.holders ?? []), ...holders].map((one) => [one.name, one]));
  return [...byName.values()];
}

/**
 * @param password what the variables hold, or will: the one that the rotation's role has, but for what is being put back and
 *   has the old one in its variables again
 */
async function goOn(
  run: RotationRun,
  found: WayIn,
  password: string,
  direction: "forward" | "back",
): Promise<RotationOutcome> {
  const asRole = asRotationRole(found.own, password);
  const connection = (await isAccepted(asRole)) ? asRole : found.own;
  const exclusion = await excludeOtherRuns({ target: connection });
  try {
    await keepOutOfLog(exclusion.target);
    const entry = await readRotation(exclusion.target);
    if (entry === undefined || !isUnfinished(entry.record)) throw changedMeanwhile();
    const { record } = entry;
    const passwords = passwordsOf(record, password);
    if (passwords.new === null && direction === "forward" && record.state !== "putting-back") {
      throw changedMeanwhile();
    }
    const rotation = new OwnedRotation({
      ...{ run, scope: found.scope, exclusion, connection: found.own },
      passwords,
      entry: await takeOverRotation(exclusion.target, entry),
    });
    if (direction === "back" || record.state === "putting-back") {
      await putRotationBack(
        rotation,
        record.state === "putting-back" ? record.reason : "put back by the operator",
      );
      return "put back";
    }
    await forwardOrBack(rotation);
    return "rotated";
  } catch (error) {
    throw isConnectionLoss(error)
      ? interrupted(exclusion.signal.aborted ? exclusion.signal.reason : error)
      : error;
  } finally {
    await exclusion.release();
  }
}

/** The new one is the key to the old one. What it does not open is the old one itself: nothing holds the new one any more. */
function passwordsOf({ wayBack }: UnfinishedRotation, password: string): Passwords {
  const old = recallValue(wayBack.password, password);
  return old.kind === "text" ? { old: old.text, new: password } : { old: password, new: null };
}

async function forwardOrBack(rotation: OwnedRotation): Promise<void> {
  try {
    await moveToNewPassword(rotation);
  } catch (error) {
    if (rotation.signal.aborted || isConnectionLoss(error)) throw error;
    if (hasCode(error, "JOURNAL_LOST")) throw error;
    // Going back needs Railway as well, and the old password on the server would keep out who has moved by then.
    if (isOutage(error)) throw interrupted(error);
    await putRotationBack(rotation, describeError(error));
    throw new CutoverError({
      code: "ROTATION_PUT_BACK",
      message: `The password was not rotated, and everything uses the old one as before. Reason: ${describeError(error)}`,
      remedy: "Do what the remedy of the reason says, then run the same command again.",
      cause: error,
    });
  }
  await finishRotation(rotation).catch((error: unknown) => {
    throw isOutage(error) ? interrupted(error) : error;
  });
}

function asksForNoPassword(role: string): CutoverError {
  return new CutoverError({
    code: "ROTATION_BLOCKED",
    message: `The server lets ${role} in with any password on the way that this machine takes: nobody could tell whether the old one is refused. Nothing was changed.`,
    remedy:
      "Run from where pg_hba.conf asks for a password: not through a tunnel that ends on the server's own loopback.",
  });
}

const secondLoginRefused = {
  code: "ROTATION_BLOCKED",
  message:
    "The server does not let the rotation's own login in, which an interrupted run would need: its pg_hba.conf names roles. Nothing was changed.",
  remedy: "Add a line for the role pgvector_cutover_rotation to pg_hba.conf, reload, and run again.",
} as const;

function changedMeanwhile(): CutoverError {
  return new CutoverError({
    code: "JOURNAL_LOST",
    message: "Another run worked on the rotation at the same time. This one changed nothing.",
    remedy: "Look how far it is: `npm run rotate-password`, without --yes.",
  });
}

function interrupted(error: unknown): CutoverError {
  return new CutoverError({
    code: "ROTATION_INTERRUPTED",
    message: `The rotation was cut off: ${describeError(error)}`,
    remedy: "Run the same command again, from any machine: it goes on. With --put-back it goes back.",
    cause: error,
  });
}
