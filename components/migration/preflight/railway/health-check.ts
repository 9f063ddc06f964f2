import { describeError } from "../../../errors.ts";
import type { Finding } from "../../finding.ts";
import type { ServiceInputs } from "../../inputs.ts";
import { findingsOf } from "../definitions.ts";

export const healthCheckDefinitions = {
  HEALTH_CHECK_FAILING: {
    severity: "warning",
    acceptable: false,
    remedy:
      "Correct `healthCheckUrl`, or find out why it does not answer 200: it must after the deployment, or the cutover puts everything back.",
  },
} as const;

const found = findingsOf(healthCheckDefinitions);

/** One GET, as Railway and monitors send it all the time. */
const timeoutMs = 10_000;

/** Asks the configured health check once, as it will be asked after the deployment. */
export async function checkHealth({ name, healthCheckUrl }: ServiceInputs): Promise<Finding[]> {
  if (healthCheckUrl === null) return [];
  const fault = await fetch(healthCheckUrl, {
    redirect: "manual",
    signal: AbortSignal.timeout(timeoutMs),
  }).then(
    ({ status }) => (status === 200 ? undefined : `HTTP status ${status}`),
    (error: unknown) => describeError(error),
  );
  if (fault === undefined) return [];
  return [found("HEALTH_CHECK_FAILING", name, `Its healthCheckUrl does not answer 200 now: ${fault}.`)];
}
