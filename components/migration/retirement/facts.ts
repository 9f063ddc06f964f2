import type { StoredObject } from "../../backup/store.ts";
import type { Deployment } from "../../railway/railway.ts";
import type { RecordIn } from "../journal/record.ts";
import type { ServerFacts } from "./server-facts.ts";

/** All that a retirement is judged by and that can be seen without an effect. */
export interface RetirementFacts {
  readonly now: Date;
  readonly record: RecordIn<"finished">;
  /** The service to retire, and the new database's. */
  readonly serviceId: string;
  readonly targetId: string;
  readonly soakDays: number;
  /** Sentences about variables that still lead to it. */
  readonly consumers: readonly string[];
  /** The one that the old database is retired in. */
  readonly environmentId: string;
  /** The environments that the token sees; `undefined` where it sees no more than its own. */
  readonly environments: readonly string[] | undefined;
  readonly isRunning: boolean;
  /** Every deployment of the service that Railway still lists, newest first. */
  readonly deployments: readonly Deployment[];
  /** Whether this environment still has the service. */
  readonly isThere: boolean;
  /** The one that is attached to the service; `null` where none is. */
  readonly volume: VolumeFacts | null;
  /** Where the volume that the journal recorded is attached now; `undefined` where it does not exist, or none is recorded. */
  readonly recordedVolume: { readonly serviceId: string | null } | undefined;
  /** Other environments in which the volume exists, too. */
  readonly volumeElsewhere: readonly string[];
  /** `null` where its server does not run. */
  readonly server: ServerFacts | null;
}

export interface VolumeFacts {
  readonly id: string;
  readonly instanceId: string;
  readonly freeBytes: number;
}

/** The final backup as it lies where the journal says: `missing`, or why that cannot be told. */
export type StoredBackupFacts =
  | { readonly kind: "stored"; readonly object: StoredObject }
  | { readonly kind: "missing" }
  | { readonly kind: "unknown"; readonly why: string };
