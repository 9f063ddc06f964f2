import { changedSinceDeployment } from "../preflight/railway/undeployed-variables.ts";
import { blockersOf } from "./blockers.ts";
import { canWait } from "./deployments.ts";
import type { RotationState } from "./record.ts";
import { surveyPassword } from "./survey.ts";
import { findWayIn, type RotationRun } from "./way-in.ts";

/** What a rotation would do, or how far an interrupted one is. No value is in it. */
export interface RotationPlan {
  readonly service: string;
  readonly environment: string;
  /** The login whose password it is. */
  readonly role: string;
  /** Variables of the database's service that hold it. */
  readonly holders: readonly string[];
  readonly services: readonly PlannedService[];
  /** Services that refer to it and have no deployment. */
  readonly idle: readonly string[];
  readonly sessions: readonly { readonly application: string; readonly count: number }[];
  readonly unreadable: readonly string[];
  /** Variables by which another server has the same password. */
  readonly sameElsewhere: readonly string[];
  readonly searchedEverywhere: boolean;
  readonly blockers: readonly string[];
  readonly last: { readonly state: RotationState; readonly at: string } | null;
}

export interface PlannedService {
  readonly name: string;
  readonly variables: readonly string[];
  /** Whether its old container serves until the new one is healthy. */
  readonly overlaps: boolean;
  /** Variables that were changed after its last deployment: this one would be the first with them. */
  readonly undeployed: readonly string[];
}

/** Looks at everything a rotation would meet. Reads only. */
export async function planRotation(run: RotationRun): Promise<RotationPlan> {
  const { scope, service, own, migration, rotation, role } = await findWayIn(run);
  const [survey, records] = await Promise.all([
    surveyPassword(run.railway, scope, service.id, [own.password]),
    run.railway.variableRecords(scope),
  ]);
  const latest = rotation === undefined ? null : { state: rotation.record.state, at: rotation.updatedAt };
  return {
    service: service.name,
    environment: scope.environmentName,
    role: own.user,
    holders: survey.holders.map(({ name }) => name),
    services: survey.dependents.map((dependent) => ({
      name: dependent.service.name,
      variables: dependent.variables,
      overlaps: canWait(dependent.service),
      undeployed: changedSinceDeployment(dependent.service, records),
    })),
    idle: survey.idle,
    sessions: role.sessions,
    unreadable: survey.unreadable,
    sameElsewhere: survey.sameElsewhere,
    searchedEverywhere: survey.everywhere,
    blockers: blockersOf({ survey, role, own, migration }),
    last: latest,
  };
}
