import type { ConnectionTarget } from "../../postgres/connection.ts";
import type { DumpClient } from "../../postgres/dump.ts";
import type { EnvironmentScope, RailwayService } from "../../railway/railway.ts";
import type { MigrationInputs, ServiceInputs } from "../inputs.ts";
import type { DatabaseObservation } from "./database/observe.ts";
import type { BackupFacts } from "./railway/backups.ts";
import type { VariableFacts } from "./railway/variables.ts";

/** Everything that the plan and the protocol need to know. Held in memory only: the connections contain passwords. */
export interface PreflightFacts {
  readonly inputs: MigrationInputs;
  readonly scope: EnvironmentScope | undefined;
  readonly services: {
    readonly source: RailwayService | undefined;
    readonly target: RailwayService | undefined;
    readonly apps: readonly AppFacts[];
  };
  readonly connections: {
    readonly source: ConnectionTarget | undefined;
    readonly target: ConnectionTarget | undefined;
  };
  readonly source: DatabaseObservation | undefined;
  readonly target: DatabaseObservation | undefined;
  readonly dumpClient: DumpClient | undefined;
  /** The volumes that are backed up before anything is paused; empty where that is skipped, or not known. */
  readonly backups: readonly BackupFacts[];
}

export interface AppFacts {
  readonly inputs: ServiceInputs;
  readonly service: RailwayService | undefined;
  readonly variables: readonly VariableFacts[];
  /** From the service's last successful deployment, in milliseconds; `undefined` if there is none to learn from. */
  readonly deploymentMs: number | undefined;
}
