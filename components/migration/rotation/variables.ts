import { CutoverError } from "../../errors.ts";
import type { EnvironmentScope, Railway } from "../../railway/railway.ts";
import type { OwnedRotation } from "./owned.ts";
import { carriesPassword, withPassword } from "./password-texts.ts";
import type { RotatedService } from "./record.ts";
import { renderedPassword } from "./survey.ts";

/**
 * Writes a password into the variables of the database's own service without deploying anything, and waits until
 * `DATABASE_URL` renders with it. Safe to repeat.
 *
 * @throws CutoverError `VARIABLE_NOT_APPLIED`, `REFERENCE_RENDERS_WRONG`
 */
export async function writePassword(
  { railway, scope, record, run }: Pick<OwnedRotation, "railway" | "scope" | "record" | "run">,
  password: string,
): Promise<void> {
  const { serviceId, holders } = record;
  const raw = await railway.rawVariables(scope, serviceId);
  for (const { name, kind } of holders) {
    const text = raw.get(name);
    const wanted = withPassword(kind, text ?? "", password);
    // One that somebody removed is not made again.
    if (typeof text !== "string" || text === wanted) continue;
    await railway.setVariable(scope, serviceId, name, wanted);
    run.reporter.detail(`${name} is set, and nothing deployed`);
  }
  const isRendered = await railway.settle(async () =>
    (await renderedPassword(railway, scope, serviceId)) === password ? true : undefined,
  );
  if (isRendered) return;
  throw rendersWrong("DATABASE_URL of the database");
}

/**
 * Waits until the variables of a service render with the password: a deployment is given what they render to when it is made.
 *
 * @throws CutoverError `REFERENCE_RENDERS_WRONG`
 */
export async function waitUntilFollowed(
  railway: Railway,
  scope: EnvironmentScope,
  name: string,
  { serviceId, variables }: RotatedService,
  password: string,
): Promise<void> {
  const follows = await railway.settle(async () => {
    const rendered = await railway.renderedVariables(scope, serviceId);
    const present = variables.filter((variable) => typeof rendered.get(variable) === "string");
    return present.every((variable) => carriesPassword(variable, rendered.get(variable), password) !== null)
      ? true
      : undefined;
  });
  if (follows) return;
  throw rendersWrong(`a variable of ${name} that refers to the database`);
}

function rendersWrong(what: string): CutoverError {
  return new CutoverError({
    code: "REFERENCE_RENDERS_WRONG",
    message: `The password was set, but Railway does not render ${what} with it.`,
    remedy: "Look at the variables on Railway: somebody else may have changed them at the same time.",
  });
}
