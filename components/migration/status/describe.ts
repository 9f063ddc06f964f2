import { standOfSource, standOfTarget } from "../decide/stand.ts";
import type { FenceRecord } from "../journal/record.ts";
import type { Status } from "../status.ts";
import type { Look } from "./look.ts";

/** The old database in a few words, and what lies beside it. Pure. */
export function describeSource(seen: Look): string {
  const { scratch, run } = seen;
  if (scratch.length === 0 || run.isActive !== false) return describeStand(seen);
  return `${describeStand(seen)}; beside it lies ${scratch.join(", ")} with its rows, of a stop that was interrupted: legacyPostgres: stop drops it, or drop it by hand`;
}

function describeStand({ entry, isJournalRead, source, locksSince }: Look): string {
  const witness = source?.witness ?? null;
  // Without the journal nobody knows whose fence it is.
  if (!isJournalRead && witness !== null) return `fenced by migration ${witness.migrationId}`;
  const stand = standOfSource(entry, source);
  switch (stand) {
    case "unreachable":
      return describeRetirement({ entry, source }) ?? notSeen;
    case "sealed":
      return "sealed: it accepts no connections";
    case "open":
      return locksSince === null
        ? "open: neither fenced nor sealed"
        : `its tables are locked since ${locksSince}: writes wait, reads go on`;
    case "fenced":
      return `fenced by this migration, without a hole${witness?.yieldsAt == null ? "" : `; lets writes pass again at ${witness.yieldsAt}, unless a run goes on`}`;
    case "behind":
      return "restored or replaced since it was fenced";
    case "torn":
      if (witness?.yielded === true) {
        return `fenced by this migration until ${witness.yieldsAt ?? "somebody passed"}: writes pass again`;
      }
      return source?.fenceUnbroken === true
        ? "fenced, but not as the journal recorded it"
        : "fenced by this migration, but the fence has holes";
    case "foreign":
      return witness === null
        ? "fenced, without a witness"
        : `fenced by another migration, ${witness.migrationId}`;
    default:
      return stand satisfies never;
  }
}

/** The new database in a few words. Pure. */
export function describeTarget({ entry, target }: Look): string {
  if (target === null) return notSeen;
  const state = entry?.record.state;
  const isPrimary = state === "promoted" || state === "finished";
  const stand = standOfTarget(target);
  switch (stand) {
    case "empty":
      return isPrimary ? "the moved tables are gone" : "no copy";
    case "fenced":
      return isPrimary ? "its fence is closed although it is promoted" : "a copy behind its fence";
    case "torn":
      if (isPrimary) return "promoted: the application's database";
      return state === "loading" ? "a copy in the making" : "tables without a whole fence";
    case "open":
      return isPrimary
        ? "promoted: the application's database"
        : "its fence is open although it is not promoted";
    default:
      return stand satisfies never;
  }
}

/** What the journal says of each service, and what has become of its name. Pure. */
export function describeServices({ entry, serviceNames }: Look): Status["services"] {
  const record = entry?.record;
  // Once put back, what the attempt had reached says nothing about the services any more.
  if (record === undefined || record.state === "aborted" || !("fence" in record) || record.fence === null)
    return [];
  return Object.entries(record.fence.services).map(([name, service]) => {
    const now = serviceNames === null ? name : serviceNames.get(service.serviceId);
    const changed =
      now === undefined ? "; not on Railway any more" : now === name ? "" : `; called ${now} now`;
    return { name, state: `${describeStage(service)}${changed}` };
  });
}

function describeStage(service: FenceRecord["services"][string]): string {
  const { provenAt, deploymentId, askedAt, startedAt } = service;
  if (provenAt !== null) return `proven on the target at ${provenAt}`;
  // The journal does not tell what became of it: it may have failed where the run was held or interrupted.
  if (deploymentId !== null) return `deployment ${deploymentId} begun, not proven`;
  if (askedAt != null) return "a deployment was asked for";
  return startedAt === null ? "not touched" : "being pointed at the target";
}

/** Why stands in `unseen`, once. */
const notSeen = "could not be looked at";

/** How `legacyPostgres` took the old database down, so that it is no wonder that it does not answer; `null` where it did not. Pure. */
export function describeRetirement({ entry, source }: Pick<Look, "entry" | "source">): string | null {
  const record = entry?.record;
  if (source !== null || record?.state !== "finished" || record.retirement === undefined) return null;
  const { stoppedAt, removedAt } = record.retirement;
  if (removedAt !== null) return `removed at ${removedAt}: volume and service are deleted`;
  return stoppedAt === null ? null : `stopped at ${stoppedAt}: its volume is kept`;
}
