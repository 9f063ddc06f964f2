import type pg from "pg";
import type { Exclusion } from "../exclusion/exclusion.ts";
import { type JournalEntry, noteAfterwards, readJournal } from "../journal/journal.ts";
import type { RecordIn } from "../journal/record.ts";
import type { RetirementRecord } from "./evidence.ts";
import { refused } from "./refused.ts";

/** A migration that is over: what its journal must say before anything is retired. */
export interface FinishedEntry extends JournalEntry {
  readonly record: RecordIn<"finished">;
}

/** The entry, or a refusal: a migration that is not finished has nothing to compare the old database with. */
export function finishedOrRefused(what: "stop" | "remove", entry: JournalEntry | undefined): FinishedEntry {
  if (entry?.record.state === "finished") return { ...entry, record: entry.record };
  throw refused(what, [notFinished(entry)]);
}

/** The reason where the migration is not finished. */
export function notFinished(entry: JournalEntry | undefined): string {
  return `the journal does not say that the cutover is finished (it says ${entry?.record.state ?? "nothing"})`;
}

/** Writes into the journal what became of the old database; only for the one run that is at work. */
export async function noteRetirement(
  { target }: Pick<Exclusion, "target">,
  retirement: RetirementRecord,
): Promise<void> {
  const { id, epoch, record } = await readFinished(target);
  if (JSON.stringify(record.retirement) === JSON.stringify(retirement)) return;
  await noteAfterwards(target, { id, epoch }, { retirement }, stageOf(retirement));
}

async function readFinished(target: pg.Client): Promise<FinishedEntry> {
  const entry = await readJournal(target);
  if (entry?.record.state === "finished") return { ...entry, record: entry.record };
  throw new TypeError("a finished migration does not become another");
}

function stageOf({ removedAt, removalBegunAt, stoppedAt }: RetirementRecord): string {
  if (removedAt !== null) return "old database removed";
  if (removalBegunAt !== null) return "removal of the old database begun";
  if (stoppedAt !== null) return "old database stopped";
  return "old database proven unused, final backup restored once";
}
