import { CutoverError } from "../errors.ts";
import type { Leftover, Runner } from "./runner.ts";

/** A runner that is about to begin its job. */
export interface Beginner {
  readonly name: string;
  readonly since: Date;
}

/**
 * Of several commands that looked at the same time and saw nobody, lets one begin: the one whose machine was made first. All of
 * them see the same times.
 *
 * @param found every runner of the project and stack, this one as well
 * @throws CutoverError `REMOTE_RUN_EXISTS`
 */
export function refuseBeside(own: Beginner, found: readonly Leftover[]): void {
  const others = found.filter(({ runner }) => runner.name !== own.name);
  const inTheWay = others.find(
    ({ state, runner: { name }, since }) =>
      state === "running" || (state === "preparing" && isBefore({ name, since }, own)),
  );
  if (inTheWay !== undefined) throw runExists(inTheWay.runner, inTheWay.state);
}

export function runExists({ name }: Runner, state: Leftover["state"]): CutoverError {
  return new CutoverError({
    code: "REMOTE_RUN_EXISTS",
    message:
      state === "running"
        ? `A run of this stack is under way in the ${name}. Nothing was begun.`
        : `The ${name} of this stack is being prepared by another command, or one that was killed minutes ago. Nothing was begun.`,
    remedy: "`--attach` follows a run, `--stop` ends it and removes what was never started.",
  });
}

function isBefore(one: Beginner, other: Beginner): boolean {
  const difference = one.since.getTime() - other.since.getTime();
  return difference < 0 || (difference === 0 && one.name < other.name);
}
