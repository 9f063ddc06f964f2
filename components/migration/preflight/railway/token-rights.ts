import type { EnvironmentScope, ProjectAccess, Railway } from "../../../railway/railway.ts";
import type { Finding } from "../../finding.ts";
import { findingsOf } from "../definitions.ts";
import type { AppFacts } from "../facts.ts";
import { problem } from "../problems.ts";

export const tokenRightDefinitions = {
  TOKEN_READS_ONLY: {
    severity: "blocker",
    acceptable: false,
    remedy:
      "Use a project token of the environment, or give the token's user at least the role MEMBER in the project.",
  },
  DEPLOYMENTS_DISALLOWED: {
    severity: "blocker",
    acceptable: true,
    remedy: "Settle what Railway names first: a service could be neither switched nor put back.",
  },
  TOKEN_RIGHTS_UNPROVEN: {
    severity: "warning",
    acceptable: false,
    remedy:
      "Nothing, if this token has changed variables before; otherwise try it on a service of no importance first.",
  },
} as const;

const found = findingsOf(tokenRightDefinitions);

/** What Railway says beforehand about the token's rights; a preview must be content with it. */
export function checkProjectAccess(
  access: ProjectAccess | undefined,
  { projectName }: EnvironmentScope,
): Finding[] {
  if (access === undefined) return [];
  const { role, deploymentsDisallowed } = access;
  return [
    ...(role === "VIEWER"
      ? [found("TOKEN_READS_ONLY", projectName, "The token's user has the role VIEWER in the project.")]
      : []),
    ...(deploymentsDisallowed === null
      ? []
      : [
          found(
            "DEPLOYMENTS_DISALLOWED",
            projectName,
            `Railway allows no deployments in the project: ${deploymentsDisallowed}`,
          ),
        ]),
  ];
}

/**
 * Tries on every application service whether the token may set variables; none is changed. For a run that nothing else
 * blocks: writes are not paused yet, and the first change that counts comes when they are.
 */
export async function tryTokenRights(
  railway: Railway,
  scope: EnvironmentScope,
  apps: readonly AppFacts[],
): Promise<Finding[]> {
  const services = apps.flatMap(({ service }) => (service === undefined ? [] : [service]));
  const findings = await Promise.all(
    services.map(async ({ id, name }) => {
      try {
        await railway.tryVariableWrite(scope, id);
        return [];
      } catch (error) {
        const { code, why } = problem(name, error);
        return code === "RAILWAY_NOT_AUTHORIZED"
          ? [found("TOKEN_READS_ONLY", name, `The token may not set variables of this service: ${why}`)]
          : [
              found(
                "TOKEN_RIGHTS_UNPROVEN",
                name,
                `Whether the token may set variables could not be tried: ${why}`,
              ),
            ];
      }
    }),
  );
  return findings.flat();
}
