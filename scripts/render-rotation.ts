import type { PlannedService, RotationPlan } from "../components/migration/rotation/plan.ts";

/** What `npm run rotate-password` prints without --yes. */
export function renderRotation(plan: RotationPlan, stack: string): string {
  const command = `npm run rotate-password -- --stack ${stack}`;
  const lines = [
    `Rotation of the password of ${plan.role} on ${plan.service} (${plan.environment})`,
    "",
    `Variables of ${plan.service} that get the new one, without a deployment of it: ${list(plan.holders)}`,
    "Services that use it, each deployed once:",
    ...(plan.services.length === 0 ? ["  none"] : plan.services.map(renderService)),
    ...(plan.idle.length === 0
      ? []
      : [`Not running, so given the new one when they are deployed: ${list(plan.idle)}`]),
    `Sessions that are open now: ${list(plan.sessions.map(({ application, count }) => `${application || "(no name)"} × ${count}`))}`,
    "  those that are still open when every service has moved are ended: the old password let them in",
    ...(plan.unreadable.length === 0
      ? []
      : [`Sealed, so nobody can see whether they have a copy: ${list(plan.unreadable)}`]),
    ...(plan.sameElsewhere.length === 0
      ? []
      : [`Another server has the same password, and keeps it: ${list(plan.sameElsewhere)}`]),
    ...(plan.searchedEverywhere
      ? []
      : ["The token sees this environment only: look for copies in the others by hand."]),
    "On developers' machines: `npm run local-env` afterwards, and whatever else has the password in a file.",
    "",
    ...conclusion(plan, command),
  ];
  return `${lines.join("\n")}\n`;
}

function renderService({ name, variables, overlaps, undeployed }: PlannedService): string {
  const notes = [
    ...(overlaps
      ? []
      : ["no health check, a volume, or a command before its deployment: it may be down for moments"]),
    ...(undeployed.length === 0 ? [] : [`its first deployment with ${list(undeployed)}`]),
  ];
  return `  ${name}  ${list(variables)}${notes.length === 0 ? "" : `  (${notes.join("; ")})`}`;
}

function conclusion({ blockers, last }: RotationPlan, command: string): string[] {
  if (blockers.length > 0) {
    return ["It cannot be rotated now:", ...blockers.map((blocker) => `  - ${blocker}`)];
  }
  switch (last?.state) {
    case "begun":
    case "changed":
      return [
        `A rotation was interrupted (${last.state}, ${last.at}). Go on: ${command} --yes`,
        `Back to the old password: ${command} --put-back --yes`,
      ];
    case "putting-back":
      return [`A rotation is being put back (${last.at}). Go on with that: ${command} --put-back --yes`];
    case "finished":
      return [`The last rotation was finished at ${last.at}. To rotate once more: ${command} --again --yes`];
    default:
      return [`Nothing was done. To rotate: ${command} --yes`];
  }
}

function list(names: readonly string[]): string {
  return names.length === 0 ? "none" : names.join(", ");
}
