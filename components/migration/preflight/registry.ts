import { acceptanceDefinitions } from "./acceptances.ts";
import { activityDefinitions } from "./database/activity.ts";
import { boundValueDefinitions } from "./database/bound-values.ts";
import { columnOrderDefinitions } from "./database/column-order.ts";
import { contentDefinitions } from "./database/contents.ts";
import { dependencyDefinitions } from "./database/dependencies.ts";
import { eventTriggerDefinitions } from "./database/event-triggers.ts";
import { existingObjectDefinitions } from "./database/existing-objects.ts";
import { extensionRowDefinitions } from "./database/extension-rows.ts";
import { extensionDefinitions } from "./database/extensions.ts";
import { identityDefinitions } from "./database/identity.ts";
import { inheritanceDefinitions } from "./database/inheritance.ts";
import { leftoverFenceDefinitions } from "./database/leftover-fence.ts";
import { loadObstacleDefinitions } from "./database/load-obstacles.ts";
import { lockDefinitions } from "./database/locks.ts";
import { outdatedRowDefinitions } from "./database/outdated-rows.ts";
import { outsideNameDefinitions } from "./database/outside-names.ts";
import { protectedIndexDefinitions } from "./database/protected-indexes.ts";
import { readOnlyDefinitions } from "./database/read-only.ts";
import { restrictedBuildDefinitions } from "./database/restricted-builds.ts";
import { roleDefinitions } from "./database/roles.ts";
import { scheduledJobDefinitions } from "./database/scheduled-jobs.ts";
import { schemaDefinitions } from "./database/schemas.ts";
import { serverDefinitions } from "./database/server.ts";
import { serverObjectDefinitions } from "./database/server-objects.ts";
import { serverSettingDefinitions } from "./database/server-settings.ts";
import { settingDefinitions } from "./database/settings.ts";
import { takenNameDefinitions } from "./database/taken-names.ts";
import { timeZoneDefinitions } from "./database/time-zones.ts";
import type { FindingDefinitions } from "./definitions.ts";
import { dumpClientDefinitions } from "./dump-client.ts";
import { problemDefinitions } from "./problems.ts";
import { backupDefinitions } from "./railway/backups.ts";
import { deploymentDefinitions } from "./railway/deployments.ts";
import { environmentSettingDefinitions } from "./railway/environment-settings.ts";
import { healthCheckDefinitions } from "./railway/health-check.ts";
import { serviceDefinitions } from "./railway/services.ts";
import { targetServiceDefinitions } from "./railway/target-service.ts";
import { tlsDefinitions } from "./railway/tls-demands.ts";
import { tokenRightDefinitions } from "./railway/token-rights.ts";
import { undeployedVariableDefinitions } from "./railway/undeployed-variables.ts";
import { variableDefinitions } from "./railway/variables.ts";
import { transportDefinitions } from "./transports.ts";
import { writePauseDefinitions } from "./write-pause.ts";

/** Every code that a preflight can report; `docs/findings.md` has a heading for each. */
export const findingDefinitions: FindingDefinitions = {
  ...acceptanceDefinitions,
  ...activityDefinitions,
  ...backupDefinitions,
  ...boundValueDefinitions,
  ...columnOrderDefinitions,
  ...contentDefinitions,
  ...dependencyDefinitions,
  ...deploymentDefinitions,
  ...dumpClientDefinitions,
  ...environmentSettingDefinitions,
  ...eventTriggerDefinitions,
  ...existingObjectDefinitions,
  ...extensionRowDefinitions,
  ...inheritanceDefinitions,
  ...leftoverFenceDefinitions,
  ...loadObstacleDefinitions,
  ...lockDefinitions,
  ...outdatedRowDefinitions,
  ...outsideNameDefinitions,
  ...protectedIndexDefinitions,
  ...restrictedBuildDefinitions,
  ...scheduledJobDefinitions,
  ...extensionDefinitions,
  ...healthCheckDefinitions,
  ...identityDefinitions,
  ...problemDefinitions,
  ...readOnlyDefinitions,
  ...roleDefinitions,
  ...schemaDefinitions,
  ...serverDefinitions,
  ...serviceDefinitions,
  ...serverObjectDefinitions,
  ...serverSettingDefinitions,
  ...settingDefinitions,
  ...takenNameDefinitions,
  ...targetServiceDefinitions,
  ...timeZoneDefinitions,
  ...tlsDefinitions,
  ...tokenRightDefinitions,
  ...transportDefinitions,
  ...undeployedVariableDefinitions,
  ...variableDefinitions,
  ...writePauseDefinitions,
};
