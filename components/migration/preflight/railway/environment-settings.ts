import type { RailwayService } from "../../../railway/railway.ts";
import type { Finding } from "../../finding.ts";
import { findingsOf } from "../definitions.ts";
import { attempt } from "../problems.ts";
import type { RailwayObservation } from "./observe.ts";

export const environmentSettingDefinitions = {
  IMAGE_AUTO_UPDATE: {
    severity: "blocker",
    acceptable: true,
    remedy:
      "Switch the image's automatic updates off until the cutover is over, or accept it if the maintenance window is far from it.",
  },
  PRIVATE_NETWORK_DISABLED: {
    severity: "blocker",
    acceptable: false,
    remedy: "Switch the environment's private network on: the services are to reach the target through it.",
  },
  RAILWAY_DETAILS_UNREADABLE: {
    severity: "warning",
    acceptable: false,
    remedy: "Look at it in Railway's dashboard, or use a token that may read it.",
  },
} as const;

const found = findingsOf(environmentSettingDefinitions);

/** Looks at something that the cutover can do without; a failure is for the reviewer and blocks nothing. */
export function tryLook<Result>(
  findings: Finding[],
  object: string,
  look: () => Promise<Result>,
): Promise<Result | undefined> {
  return attempt(findings, object, look, () =>
    found("RAILWAY_DETAILS_UNREADABLE", object, "Railway does not show this to the token, or not now."),
  );
}

/** Whether Railway may restart one of the databases by itself, and whether the services can reach the target. */
export function checkEnvironmentSettings(
  { environmentSettings: settings, scope }: RailwayObservation,
  databases: ReadonlyArray<RailwayService | undefined>,
): Finding[] {
  if (settings === undefined) return [];
  const updated = databases.filter((service) => service && settings.autoUpdatedServices.includes(service.id));
  return [
    ...updated.map((service) =>
      found(
        "IMAGE_AUTO_UPDATE",
        service?.name ?? "",
        "Railway replaces its image and restarts it by itself in a maintenance window; a restart in the middle of the cutover puts everything back.",
      ),
    ),
    ...(settings.privateNetworkDisabled
      ? [found("PRIVATE_NETWORK_DISABLED", scope.environmentName, "Its services cannot reach each other.")]
      : []),
  ];
}
