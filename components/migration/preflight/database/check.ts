import type { Finding } from "../../finding.ts";
import type { MigrationInputs } from "../../inputs.ts";
import { checkSourceActivity, checkTargetActivity } from "./activity.ts";
import { checkBoundValues } from "./bound-values.ts";
import { checkColumnOrder } from "./column-order.ts";
import { checkSourceContents } from "./contents.ts";
import { checkSourceDependencies, checkTargetDependencies } from "./dependencies.ts";
import { checkEventTriggers } from "./event-triggers.ts";
import { compareExistingObjects } from "./existing-objects.ts";
import { checkExtensionRows } from "./extension-rows.ts";
import { checkVector, compareExtensions } from "./extensions.ts";
import { checkIdentity, checkSwapped } from "./identity.ts";
import { checkInheritance } from "./inheritance.ts";
import { checkLeftoverFence } from "./leftover-fence.ts";
import { checkLoadObstacles } from "./load-obstacles.ts";
import { checkLockTable } from "./locks.ts";
import { checkNamedObjects, checkNamedRoles } from "./named-objects.ts";
import type { DatabaseObservation } from "./observe.ts";
import { checkOutdatedRows } from "./outdated-rows.ts";
import { checkOutsideNames } from "./outside-names.ts";
import { checkProtectedIndexes } from "./protected-indexes.ts";
import { checkTargetPublications } from "./publications.ts";
import { checkReadOnly, readOnlySetting } from "./read-only.ts";
import { checkRestrictedBuilds, checkRowRules } from "./restricted-builds.ts";
import { checkSourceRoles, compareRoles } from "./roles.ts";
import { checkScheduledJobs } from "./scheduled-jobs.ts";
import { checkSourceSchemas, checkTargetSchemas } from "./schemas.ts";
import { checkConnectionSlots, checkServer, checkSourceSlots, compareServers } from "./server.ts";
import { compareServerObjects } from "./server-objects.ts";
import { compareServerSettings } from "./server-settings.ts";
import { compareSettings } from "./settings.ts";
import { checkTakenNames } from "./taken-names.ts";
import { checkUnsaid } from "./unsaid.ts";

/** Everything that the source tells by itself. */
export function checkSource(source: DatabaseObservation, inputs: MigrationInputs): Finding[] {
  const { server, schemas, dependencies, roles, settings, activity, contents } = source;
  return [
    ...(server ? [...checkServer("source", server), ...checkSourceSlots(server, inputs.copy.workers)] : []),
    ...(server && source.lockNeeds ? checkLockTable("source", server, source.lockNeeds) : []),
    ...(source.witness ? checkLeftoverFence(source.witness) : []),
    ...(source.scheduledJobs ? checkScheduledJobs(source.scheduledJobs) : []),
    ...(schemas ? checkSourceSchemas(schemas, inputs.schemas, inputs.protectedSchemas) : []),
    ...(dependencies ? checkSourceDependencies(dependencies) : []),
    ...checkExtensionRows(source.extensionRows ?? []),
    ...checkInheritance(source.splitFamilies ?? []),
    ...checkColumnOrder(source.inheritingTables ?? []),
    ...checkBoundValues(source.boundColumns ?? []),
    ...checkNamedObjects(source.namedObjects ?? []),
    ...checkOutdatedRows(source.outdatedRows ?? []),
    ...checkEventTriggers("source", source.eventTriggersOff ?? []),
    ...(server && roles ? checkSourceRoles(roles, server.bypassesRowSecurity) : []),
    ...(server && settings
      ? checkReadOnly("source", settings, source.serverSettings?.[readOnlySetting], server.user)
      : []),
    ...(activity ? checkSourceActivity(activity) : []),
    ...(contents ? checkSourceContents(contents) : []),
    ...(source.restrictedBuilds ? checkRowRules(source.restrictedBuilds) : []),
  ];
}

/** Everything that the target tells by itself. */
export function checkTarget(target: DatabaseObservation, inputs: MigrationInputs): Finding[] {
  const { server, schemas, dependencies, extensions, settings, activity } = target;
  return [
    ...(server ? checkServer("target", server) : []),
    ...(schemas
      ? checkTargetSchemas(schemas, target.tables ?? [], inputs.schemas, inputs.protectedSchemas)
      : []),
    ...(dependencies ? checkTargetDependencies(dependencies, inputs.protectedSchemas) : []),
    ...checkTargetPublications(target.publications ?? []),
    ...checkProtectedIndexes(target.invalidProtectedIndexes ?? []),
    ...checkEventTriggers("target", target.eventTriggersOff ?? []),
    ...(extensions ? checkVector(extensions) : []),
    ...(server && settings
      ? checkReadOnly("target", settings, target.serverSettings?.[readOnlySetting], server.user)
      : []),
    ...(activity ? checkTargetActivity(activity) : []),
  ];
}

/** Everything that only both databases together tell. */
export function compareDatabases(
  source: DatabaseObservation,
  target: DatabaseObservation,
  isSame: boolean,
  inputs: MigrationInputs,
): Finding[] {
  const findings: Finding[] = [];
  if (source.server && target.server) {
    findings.push(
      ...checkIdentity(isSame, source.server, target.server),
      ...compareServers(source.server, target.server),
      ...checkConnectionSlots(source.server, target.server, inputs.copy.workers),
    );
    if (source.lockNeeds) findings.push(...checkLockTable("target", target.server, source.lockNeeds));
    if (source.restrictedBuilds) {
      findings.push(...checkRestrictedBuilds(source.restrictedBuilds, target.server.major));
    }
    if (source.loadObstacles) {
      findings.push(...checkLoadObstacles(source.loadObstacles, target.server.major));
    }
    if (source.unsaid) {
      findings.push(...checkUnsaid(source.unsaid, source.server.major, target.server.major));
    }
    if (source.settings && target.settings) {
      findings.push(
        ...compareSettings(source.settings, target.settings, source.server.user, source.roles?.roles ?? []),
      );
    }
    if (source.serverSettings && target.serverSettings) {
      findings.push(
        ...compareServerSettings(source.serverSettings, target.serverSettings, {
          source: source.settings ?? [],
          target: target.settings ?? [],
        }),
      );
    }
    if (source.serverObjects && target.serverObjects) {
      findings.push(...compareServerObjects(source.serverObjects, target.serverObjects));
    }
    if (source.existingObjects && target.existingObjects && !isSame) {
      findings.push(
        ...compareExistingObjects(
          { major: source.server.major, objects: source.existingObjects },
          { major: target.server.major, objects: target.existingObjects },
        ),
      );
    }
  }
  if (source.heldNames && target.heldNames && !isSame) {
    findings.push(...checkTakenNames(source.heldNames, target.heldNames));
  }
  if (source.schemas && target.schemas && !isSame) {
    findings.push(...checkSwapped(source.schemas, target.schemas, inputs.schemas, inputs.protectedSchemas));
  }
  if (source.extensions && target.extensions && source.dependencies) {
    findings.push(...compareExtensions(source.extensions, target.extensions, source.dependencies.extensions));
  }
  if (source.roles && target.roles) findings.push(...compareRoles(source.roles, target.roles));
  if (target.roles) findings.push(...checkNamedRoles(source.namedObjects ?? [], target.roles.roles));
  if (source.textBodies && target.textBodies) {
    findings.push(...checkOutsideNames(source.textBodies, target.textBodies));
  }
  return findings;
}
