import { standOfTarget } from "../decide/stand.ts";
import type { MigrationInputs } from "../inputs.ts";
import type { Status } from "../status.ts";
import type { Look } from "./look.ts";

type Writers = Status["writes"] & { readonly pause: Status["pause"] };

/** Who acknowledges the application's writes now, and since when. Pure. */
export function whoWrites(seen: Look, inputs: MigrationInputs, now: Date): Writers {
  const source = sourceAccepts(seen);
  const target = targetAccepts(seen);
  if (source === true && target === true) {
    return told("both", null, `BOTH ${inputs.source} and ${inputs.target}: writes are being split`);
  }
  if (target === true) return toTarget(seen, inputs);
  if (source === true) return toSource(seen, inputs);
  if (source === null && target === null) return told("unknown", null, "unknown: neither database was seen");
  if (source === null) return unknownSource(seen, inputs);
  if (target === null) {
    return told(
      "unknown",
      null,
      `not ${inputs.source}; ${inputs.target} could not be looked at, and accepts writes only if it was promoted`,
    );
  }
  return paused(seen, inputs, now);
}

/** `null` where it was not seen. A fence with holes lets some writes pass. */
function sourceAccepts({ source, locksSince }: Look): boolean | null {
  if (source === null) return null;
  if (source.sealed || source.fenceUnbroken === true) return false;
  return locksSince === null;
}

/** Before its fence closes nobody is pointed at a copy, and other tables of these names are not the application's. */
function targetAccepts({ entry, target }: Look): boolean | null {
  if (target === null) return null;
  const record = entry?.record;
  if (record === undefined || record.state === "aborted" || record.state === "loading") return false;
  const stand = standOfTarget(target);
  return ("fence" in record && record.fence !== null && (stand === "torn" || stand === "open")) || false;
}

function toTarget({ entry }: Look, { target }: MigrationInputs): Writers {
  const record = entry?.record;
  if (record?.state !== "promoted" && record?.state !== "finished") {
    return told("target", null, `${target}, although it is not promoted: its fence has holes or was opened`);
  }
  const { promotedAt, writePauseMs } = record.promotion;
  return told(
    "target",
    promotedAt,
    `${target} since ${promotedAt}, after a pause of ${duration(writePauseMs)}`,
  );
}

function toSource({ entry, isJournalRead, source: seen }: Look, { source }: MigrationInputs): Writers {
  if (seen?.witness?.yielded === true) {
    const { yieldsAt } = seen.witness;
    return told(
      "source",
      yieldsAt,
      `${source} since ${yieldsAt}: the time of its fence is over${staleReaders(entry)}`,
    );
  }
  if (!isJournalRead) return told("source", null, `${source}: it is neither fenced nor sealed`);
  const state = entry?.record.state;
  if (state === undefined) return told("source", null, `${source}, as ever`);
  if (state === "aborted") {
    return told("source", entry?.updatedAt ?? null, `${source}, since ${entry?.updatedAt} at the latest`);
  }
  if (state === "promoted" || state === "finished") {
    return told("source", null, `${source}, ALTHOUGH the target is promoted and refuses writes`);
  }
  return told("source", null, `${source}: nothing holds writes up any more${staleReaders(entry)}`);
}

/** Services that were pointed at the copy and not yet put back: they see nothing of what the source takes. */
function staleReaders(entry: Look["entry"]): string {
  const record = entry?.record;
  if (record?.state !== "switching" && record?.state !== "aborting") return "";
  const begun = Object.entries(record.fence?.services ?? {}).filter(
    ([, { startedAt }]) => startedAt !== null,
  );
  if (begun.length === 0) return "";
  return `; ${begun.map(([name]) => name).join(", ")} may still read the copy, which stands still`;
}

function unknownSource({ entry }: Look, { source }: MigrationInputs): Writers {
  const record = entry?.record;
  const fence = record !== undefined && "fence" in record ? record.fence : null;
  const byJournal =
    record?.state === "switching" && fence !== null
      ? `; by the journal writes have been paused since ${fence.pausedAt}`
      : "";
  return told("unknown", null, `unknown: ${source} could not be looked at${byJournal}`);
}

function paused(seen: Look, inputs: MigrationInputs, now: Date): Writers {
  const since = pausedSince(seen);
  if (since === null) return told("nobody", null, "nobody: writes are refused, reads go on");
  const forMs = Math.max(0, now.getTime() - Date.parse(since));
  const limitMs = inputs.limits.writePauseMs;
  const overMs = Math.max(0, forMs - limitMs);
  const limit =
    overMs > 0
      ? `OVER the limit of ${duration(limitMs)} by ${duration(overMs)}`
      : `the limit is ${duration(limitMs)}`;
  const effect = seen.locksSince === null ? "writes are refused" : "writes wait";
  return {
    ...told(
      "nobody",
      since,
      `nobody since ${since}, for ${duration(forMs)} (${limit}): ${effect}, reads go on`,
    ),
    pause: { since, forMs, limitMs, overMs },
  };
}

/** The first lock: from the journal once the fence stands, before that from the session that holds the locks. */
function pausedSince({ entry, locksSince }: Look): string | null {
  const record = entry?.record;
  const isUnfinished = record?.state === "switching" || record?.state === "aborting";
  return (isUnfinished ? record.fence?.pausedAt : undefined) ?? locksSince;
}

function told(to: Writers["to"], since: string | null, text: string): Writers {
  return { to, since, text, pause: null };
}

/** `42 s`, `12 min 5 s`, `3 h 20 min`. */
export function duration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  const parts =
    hours > 0
      ? [`${hours} h`, `${minutes} min`]
      : [...(minutes > 0 ? [`${minutes} min`] : []), `${seconds % 60} s`];
  return parts.filter((part) => !part.startsWith("0 ") || parts.length === 1).join(" ");
}
