import { z } from "zod";
import { describeError } from "../../errors.ts";

/**
 * - `drift`: it is not as the cutover left it.
 * - `unseen`: it could not be looked at, or there is nothing to compare it with. Never taken for "all is well".
 * - `note`: it can never be looked at, and stays so night after night. Told, and no reason to wake anybody.
 */
export const driftSeverities = ["drift", "unseen", "note"] as const;

export type DriftSeverity = (typeof driftSeverities)[number];

interface DriftDefinition {
  readonly severity: DriftSeverity;
  readonly remedy: string;
}

/** `pulumi up` mends these. */
const upMends =
  "`pulumi refresh`, then `pulumi up`: it sets the reference again and deploys where that is needed.";

/** Every kind of drift; `docs/drift.md` has a heading for each. */
export const driftDefinitions = {
  SERVICE_REFERENCE_CHANGED: { severity: "drift", remedy: upMends },
  SERVICE_LITERAL: { severity: "drift", remedy: upMends },
  SERVICE_VARIABLE_MISSING: { severity: "drift", remedy: upMends },
  SERVICE_VARIABLE_SEALED: {
    severity: "drift",
    remedy:
      "Delete the sealed variable on Railway, then `pulumi refresh` and `pulumi up`: a sealed value cannot be read back.",
  },
  SERVICE_RENDERS_ELSEWHERE: {
    severity: "drift",
    remedy:
      "Look at DATABASE_URL of the new database on Railway: the reference is right, what it leads to is not.",
  },
  SERVICE_NOT_DEPLOYED: {
    severity: "drift",
    remedy:
      "`pulumi refresh`, then `pulumi up` puts the variables right and deploys where the running deployment has others.",
  },
  SERVICE_ROLLED_BACK: {
    severity: "drift",
    remedy:
      "`pulumi refresh`, then `pulumi up` deploys with the stored variables. The old database refused what was written meanwhile.",
  },
  SERVICE_NOT_RUNNING: {
    severity: "drift",
    remedy: "Look at the service's newest deployment on Railway and deploy it again.",
  },
  SERVICE_VANISHED: {
    severity: "drift",
    remedy: "If it was meant, take the service out of the configuration; otherwise restore it on Railway.",
  },
  SERVICE_RENAMED: {
    severity: "drift",
    remedy: "Give it its former name again, or change the configuration and every reference to it.",
  },
  SERVICE_REPLACED: {
    severity: "drift",
    remedy:
      "Find out who made another service of this name. If it is right, `pulumi state delete` the resource and run `pulumi up`.",
  },
  SERVICE_ON_UNPROMOTED: {
    severity: "drift",
    remedy:
      "Point the service back at the old database: what it writes to the new one is nowhere else. Then find out who changed it.",
  },
  STAGED_EDIT: {
    severity: "drift",
    remedy: "Deploy or discard the staged edits on Railway: whoever deploys next deploys them too.",
  },
  OLD_DATABASE_NAMED: {
    severity: "drift",
    remedy:
      "Point its user at the new database, or accept it: code OTHER_CONSUMER with the object as it stands here.",
  },
  OLD_DATABASE_SEAL_LIFTED: {
    severity: "drift",
    remedy:
      "Find out who lifted it; then, in database postgres of the old server: ALTER DATABASE <name> WITH ALLOW_CONNECTIONS false.",
  },
  OLD_DATABASE_FENCE_LIFTED: {
    severity: "drift",
    remedy:
      "Seal the old database again, then look for writes there: they are in neither the new database nor its backups.",
  },
  OLD_DATABASE_WRITTEN: {
    severity: "drift",
    remedy:
      "Seal it again. A human has to carry over what was written after the cutover: nothing here repairs data.",
  },
  OLD_DATABASE_SESSIONS: {
    severity: "drift",
    remedy: "Find the client by its name and address and point it at the new database.",
  },
  OLD_DATABASE_DOWN: {
    severity: "drift",
    remedy:
      "Deploy it again, or configure legacyPostgres: stop. It is only the copy of the moment of the cutover.",
  },
  OLD_DATABASE_RUNS_AGAIN: {
    severity: "drift",
    remedy:
      "Find out who deployed it, and leave it running: `pulumi refresh`, then `pulumi up` with legacyPostgres: stop proves it anew and stops it.",
  },
  OLD_DATABASE_CLOSED: {
    severity: "drift",
    remedy:
      "`npm run status` says whose fence it is. Without a cutover under way the old database must take writes.",
  },
  NEW_DATABASE_FENCED: {
    severity: "drift",
    remedy: "`npm run status`: the application's database refuses writes. Was it restored from a backup?",
  },
  IMAGE_CHANGED: {
    severity: "drift",
    remedy:
      "If it is right: `npm run drift -- --record-baseline` and `pulumi up`. Otherwise set the image back.",
  },
  VOLUME_CHANGED: {
    severity: "drift",
    remedy: "Stop, and find out whether the data is all there: the volume is the database.",
  },
  EXTENSION_CHANGED: {
    severity: "drift",
    remedy: "If it is right: `npm run drift -- --record-baseline` and `pulumi up`.",
  },
  TCP_PROXY_OPENED: {
    severity: "drift",
    remedy:
      "Close the proxy on Railway, or, if it is right, `npm run drift -- --record-baseline`. It is a way in from the internet.",
  },
  JOURNAL_UNKNOWN: {
    severity: "drift",
    remedy: "Stop: the new database was replaced or restored from a backup. Find out before anything else.",
  },
  MIGRATION_UNFINISHED: { severity: "drift", remedy: "`pulumi up`: it only finishes the rest." },
  COPY_LEFT: {
    severity: "drift",
    remedy: "Nothing uses these tables; `npm run status` says what the journal knows of them.",
  },
  TABLE_MISSING: {
    severity: "drift",
    remedy:
      "If a migration of the application dropped it: `npm run drift -- --record-baseline`. Otherwise a backup.",
  },
  APP_STRUCTURE_CHANGED: {
    severity: "drift",
    remedy: "If a migration of the application did it: `npm run drift -- --record-baseline`.",
  },
  PROTECTED_STRUCTURE_CHANGED: {
    severity: "drift",
    remedy: "Ask the schema's owners. If it is right: `npm run drift -- --record-baseline`.",
  },
  NOT_SEEN: { severity: "unseen", remedy: "Mend what kept it from being looked at, then look again." },
  SERVICE_NOT_TOLD: {
    severity: "unseen",
    remedy: "Look at the deployment's variables in Railway's dashboard; its API does not show them.",
  },
  VARIABLE_UNREADABLE: {
    severity: "note",
    remedy:
      "Ask its owner whether it holds the old database's address. If not, accept it: code VARIABLE_UNREADABLE with the object as it stands here.",
  },
  BASELINE_MISSING: {
    severity: "unseen",
    remedy: "`npm run drift -- --record-baseline` takes how things are now as right, from then on.",
  },
  MIGRATION_UNDER_WAY: {
    severity: "unseen",
    remedy: "`npm run status` says what comes next; look for drift once it is finished or put back.",
  },
} as const satisfies Record<string, DriftDefinition>;

export type DriftCode = keyof typeof driftDefinitions;

const driftCodes = Object.keys(driftDefinitions) as [DriftCode, ...DriftCode[]];

/** One thing that is not as it was left. Free of secrets and of row content. */
export const driftItemSchema = z.object({
  /** Has a heading in `docs/drift.md`. */
  code: z.enum(driftCodes),
  severity: z.enum(driftSeverities),
  /** The Pulumi resource that it belongs to: `source`, `target`, `migration`, or a service's name. */
  resource: z.string(),
  /** What it is about: a variable, a table, a service. */
  object: z.string(),
  was: z.string(),
  is: z.string(),
  /** Who changed it; `null` where Railway does not tell. */
  who: z.string().nullable(),
  remedy: z.string(),
});

export type DriftItem = z.infer<typeof driftItemSchema>;

/** Makes an item of a code; severity and remedy come from its definition. */
export function drifted(
  code: DriftCode,
  facts: Pick<DriftItem, "resource" | "object" | "was" | "is"> & { readonly who?: string | null },
): DriftItem {
  return { code, who: null, ...facts, ...driftDefinitions[code] };
}

/** Looks, and makes an item of what keeps it from looking: nothing that failed may pass for "no drift". */
export async function seeing(
  resource: string,
  object: string,
  look: () => Promise<DriftItem[]>,
): Promise<DriftItem[]> {
  try {
    return await look();
  } catch (error) {
    return [notSeen(resource, object, error)];
  }
}

/** What could not be looked at, and why. */
export function notSeen(resource: string, object: string, error: unknown): DriftItem {
  return drifted("NOT_SEEN", { resource, object, was: "seen", is: describeError(error) });
}

/** `CODE object: was …, is … (who)` on one line. */
export function describeDrift({ code, object, was, is, who }: DriftItem): string {
  return `${code} ${object}: was ${was}, is ${is}${who === null ? "" : ` (${who})`}`;
}
