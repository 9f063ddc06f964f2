import { decide, type UpDecision } from "../decide/decide.ts";
import type { MigrationInputs } from "../inputs.ts";
import type { RotationEntry } from "../rotation/journal.ts";
import type { NextStep, Status } from "../status.ts";
import type { Look } from "./look.ts";

/** What the operator does next, and what else he can do: what the commands would decide. Pure. */
export function nextSteps(
  seen: Look,
  inputs: MigrationInputs,
  pause: Status["pause"],
): Pick<Status, "next" | "alternative"> {
  if (seen.target === null) return { next: lookAgain(seen, inputs), alternative: null };
  if (seen.rotation !== undefined) return stepsOfRotation(seen.rotation, seen.run);
  const observed = { ...seen.context, source: seen.source, target: seen.target };
  const up = decide("up", seen.entry, observed);
  const abort = decide("abort", seen.entry, observed);
  const back: NextStep | null =
    abort.action === "put-back" ? { action: "abort", why: "puts everything back to the source" } : null;
  if (seen.run.isActive === true) {
    return {
      next: { action: "wait", why: "a run is at work, and ends by itself" },
      alternative: back && {
        ...back,
        why: `${back.why}, once the run is stopped (Ctrl-C twice where it runs, or \`kill -INT\` to its pulumi twice where its terminal is gone; inside Railway: its machine destroyed)`,
      },
    };
  }
  // Past the limit an `up` puts back, too, and would copy afresh at once.
  if (back !== null && up.action === "put-back" && pause !== null && pause.overMs > 0) {
    return {
      next: { ...back, why: `${back.why}: the pause is over its limit` },
      alternative: forwardStep(up),
    };
  }
  return { next: forwardStep(up), alternative: back };
}

/** Until it is ended, everything else that works on the target is refused. */
function stepsOfRotation(
  { record: { state } }: RotationEntry,
  { isActive }: Look["run"],
): Pick<Status, "next" | "alternative"> {
  if (isActive === true) {
    return {
      next: { action: "wait", why: "a rotation of the target's password is at work, and ends by itself" },
      alternative: null,
    };
  }
  const back = { action: "put-rotation-back", why: "puts the old password back everywhere" } as const;
  if (state === "putting-back") {
    return {
      next: { ...back, why: "a rotation of the target's password was being put back: goes on with that" },
      alternative: null,
    };
  }
  return {
    next: { action: "rotate", why: "goes on with the rotation of the target's password" },
    alternative: back,
  };
}

function forwardStep(decision: UpDecision): NextStep {
  switch (decision.action) {
    case "start":
      return {
        action: "begin",
        why: "no migration is under way; with phase: cutover this shows the plan, and pulumi up carries it out",
      };
    case "go-on":
      return { action: "up", why: `goes on: ${decision.why}` };
    case "put-back":
      return { action: "up", why: `puts everything back and starts afresh: ${decision.why}` };
    case "finish":
      return { action: "up", why: warned(`finishes: ${decision.why}`, decision.warning) };
    case "nothing":
      return {
        action: "nothing",
        why: warned("nothing is left to move; it only ends an up that was interrupted", decision.warning),
      };
    case "refuse":
      return decision.code === "SERVER_UNREACHABLE"
        ? { action: "look-again", why: `${decision.why}. ${decision.remedy}` }
        : { action: "by-hand", why: `${decision.code}: ${decision.why}. ${decision.remedy}` };
    default:
      return decision satisfies never;
  }
}

function lookAgain(seen: Look, { target }: MigrationInputs): NextStep {
  const isRailway = seen.unseen.some(({ what }) => what === "railway");
  const what = isRailway
    ? `Railway could not be asked, and the addresses of both databases come from there`
    : `the journal is on ${target}, which could not be looked at`;
  return {
    action: "look-again",
    why: `${what}. What is fenced stays fenced meanwhile; open nothing by hand.`,
  };
}

function warned(text: string, warning: string | null): string {
  return warning === null ? text : `${text}. WARNING: ${warning}`;
}
