import type { S3Credentials } from "../../backup/destination.ts";
import type { CutoverRun } from "../exclusion/exclusive-run.ts";
import type { PostgresServiceInputs } from "../postgres-service.ts";

/** What a retirement is given to work with. */
export interface RetirementRun extends CutoverRun {
  readonly inputs: PostgresServiceInputs;
  /** The service that this stack adopted. */
  readonly serviceId: string;
  /** For a final backup in an S3 bucket; `undefined` where the environment has none. */
  readonly credentials: S3Credentials | undefined;
}
