import { describeError } from "../../../errors.ts";
import type { RailwayService } from "../../../railway/railway.ts";
import type { Finding } from "../../finding.ts";
import type { ServiceInputs } from "../../inputs.ts";
import { findingsOf, listNames } from "../definitions.ts";

export const healthCheckDefinitions = {
  HEALTH_CHECK_MISSING: {
    severity: "warning",
    acceptable: false,
    remedy:
      "Set a health check path that queries the database on Railway, or `healthCheckUrl` in the configuration.",
  },
  HEALTH_CHECK_ONLY_IN_FILE: {
    severity: "warning",
    acceptable: false,
    remedy: "Set the same path on the service itself: Railway reads such files until 2026-12-01 only.",
  },
  SETTINGS_IN_FILE: {
    severity: "warning",
    acceptable: false,
    remedy: "Set on the service itself what must hold: Railway reads such files until 2026-12-01 only.",
  },
  HEALTH_CHECK_FAILING: {
    severity: "warning",
    acceptable: false,
    remedy:
      "Correct `healthCheckUrl`, or find out why it does not answer 200: it must after the deployment, or the cutover puts everything back.",
  },
} as const;

const found = findingsOf(healthCheckDefinitions);

/** Whether Railway checks the service's health when it deploys it, and whether it goes on doing so. */
export function checkHealthSettings(
  { name, healthcheckPath, fileSettings }: RailwayService,
  healthCheckUrl: string | null,
): Finding[] {
  const findings: Finding[] = [];
  const inFile = fileSettings?.healthcheckPath ?? null;
  if (healthcheckPath === null && healthCheckUrl === null) {
    findings.push(
      inFile === null
        ? found(
            "HEALTH_CHECK_MISSING",
            name,
            "Without a health check a deployment succeeds as soon as its container starts.",
          )
        : found(
            "HEALTH_CHECK_ONLY_IN_FILE",
            name,
            "Its health check is set in its configuration file and nowhere else: with the file it disappears.",
          ),
    );
  }
  if (fileSettings !== null) {
    const { file, names } = fileSettings;
    const what = names.length === 0 ? "settings" : listNames(names);
    findings.push(
      found(
        "SETTINGS_IN_FILE",
        name,
        `It takes ${what} from ${file ?? "a configuration file"} in its repository, which overrides the service's own.`,
      ),
    );
  }
  return findings;
}

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
