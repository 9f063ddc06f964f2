import { CutoverError } from "../../errors.ts";
import type { ConnectionTarget } from "../../postgres/connection.ts";
import type { JournalEntry } from "../journal/journal.ts";
import type { RoleFacts } from "./server.ts";
import type { RotationSurvey } from "./survey.ts";

export interface RotationFacts {
  readonly survey: RotationSurvey;
  readonly role: RoleFacts;
  /** The account that the service's `DATABASE_URL` names. */
  readonly own: Pick<ConnectionTarget, "user">;
  readonly migration: JournalEntry | undefined;
}

/** Everything that speaks against a rotation, each as a sentence with its way out. Empty when nothing does. Pure. */
export function blockersOf({ survey, role, own, migration }: RotationFacts): string[] {
  const blockers: string[] = [];
  const state = migration?.record.state;
  if (state !== undefined && state !== "finished" && state !== "aborted") {
    blockers.push(`A cutover is under way (${state}): finish it with \`pulumi up\`, or abort it, first.`);
  }
  if (role.isStandby) blockers.push("The server is a standby: rotate on its primary.");
  if (!role.isSuperuser) {
    blockers.push(
      `${own.user} is no superuser: what the server stores of its password, which leads back, cannot be read. Rotate it by hand.`,
    );
  } else if (role.verifier === null) {
    blockers.push(`${own.user} has no password on the server: there is none to rotate.`);
  }
  if (survey.holders.length === 0) {
    blockers.push(
      "No variable of the database's service holds the password as it is (it may be sealed, or come from a shared variable): make it a plain one there.",
    );
  }
  for (const name of survey.unfit) {
    blockers.push(
      `${name} of the database's service has the password inside of another text: use a reference there.`,
    );
  }
  for (const copy of survey.copies) {
    blockers.push(
      `${copy} has a copy of the password, which no rotation reaches: use a reference to the database's service there, or remove it.`,
    );
  }
  for (const name of role.replicating) {
    blockers.push(
      `${name} replicates from this server as ${own.user} and could not come back: give it a role of its own.`,
    );
  }
  return blockers;
}

/**
 * @returns what the server stores of the password
 * @throws CutoverError `ROTATION_BLOCKED` with every blocker
 */
export function assertRotatable(facts: RotationFacts): string {
  const blockers = blockersOf(facts);
  const { verifier } = facts.role;
  if (blockers.length === 0 && verifier !== null) return verifier;
  throw new CutoverError({
    code: "ROTATION_BLOCKED",
    message: `The password cannot be rotated now. ${blockers.join(" ")} Nothing was changed.`,
    remedy: "Mend each of them, then run again; without --yes it only looks.",
  });
}
