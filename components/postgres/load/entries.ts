import type pg from "pg";
import { inBatches } from "../../in-batches.ts";
import { schemaOfSchemaEntry } from "../dump/parse-script.ts";
import type { DumpEntry } from "../dump.ts";
import { fenceTriggerName } from "../fence/parts.ts";
import { loadFailed } from "./errors.ts";

/** The entries of a dump by the step of the load that makes them. */
export interface LoadSteps {
  /**
   * In order, before any row, with what is granted on schemas and routines: indexes and statistics are made in the name of
   * their table's owner, who may have to be let into the schema of a function.
   */
  readonly definitions: readonly DumpEntry[];
  /** Primary keys, unique and exclusion constraints: in any order, side by side. */
  readonly keys: readonly DumpEntry[];
  /** Views and functions that need a primary key (`GROUP BY` it): in order, after the keys. */
  readonly postponed: readonly DumpEntry[];
  /** In any order, side by side. */
  readonly indexes: readonly DumpEntry[];
  /** Indexes of partitions to those of their parents, whose keys are valid only then. */
  readonly attachments: readonly DumpEntry[];
  readonly statistics: readonly DumpEntry[];
  readonly foreignKeys: readonly DumpEntry[];
  /** In order, at the end: triggers, rules, policies, comments on all of these, other privileges. */
  readonly rest: readonly DumpEntry[];
}

/**
 * Sorts the entries into steps. Left out: what belongs to the whole database, everything about the schemas themselves
 * that exist on the target already, which keep their owner, privileges and comment, and the triggers that an earlier
 * fence may have left on the source.
 */
export function planSteps(entries: readonly DumpEntry[], existingSchemas: readonly string[]): LoadSteps {
  const wanted = entries.filter((entry) => {
    const schema = schemaOfSchemaEntry(entry);
    if (databaseWideTypes.has(entry.type) || isFenceTrigger(entry)) return false;
    return schema === undefined || !existingSchemas.includes(schema);
  });
  const later = wanted.filter(({ section }) => section === "post-data");
  const ofType = (type: string) => later.filter((entry) => entry.type === type);
  const postponed = later.filter(({ type }) => postponableTypes.has(type));
  // A routine that is still to be made must not be for everybody until it is said that it is not.
  const isEarly = postponed.some(({ type }) => routineTypes.has(type)) ? () => false : opensRoutines;
  const hasStep = new Set(["CONSTRAINT", "INDEX", "INDEX ATTACH", "STATISTICS", "FK CONSTRAINT"]);
  return {
    definitions: [
      ...attachedFromTop(wanted.filter(({ section }) => section === "pre-data")),
      ...later.filter(isEarly),
    ],
    keys: ofType("CONSTRAINT"),
    postponed,
    indexes: ofType("INDEX"),
    attachments: ofType("INDEX ATTACH"),
    statistics: ofType("STATISTICS"),
    foreignKeys: ofType("FK CONSTRAINT"),
    rest: later.filter(
      (entry) => !hasStep.has(entry.type) && !postponableTypes.has(entry.type) && !isEarly(entry),
    ),
  };
}

/**
 * Attaches partitions from the top down, where pg_dump goes by their names: from 17 on, a table hands its identity
 * columns to what is attached to it, and no deeper.
 */
function attachedFromTop(definitions: readonly DumpEntry[]): DumpEntry[] {
  const attachments = definitions.filter(({ type }) => type === "TABLE ATTACH");
  const parents = new Map(
    attachments.map(({ sql }) => {
      const [, parent = "", child = ""] = attachmentStatement.exec(sql) ?? [];
      return [child, parent];
    }),
  );
  const depthOf = (child: string | undefined): number => {
    const parent = child === undefined ? undefined : parents.get(child);
    return parent === undefined ? 0 : 1 + depthOf(parent);
  };
  const depth = ({ sql }: DumpEntry) => depthOf(attachmentStatement.exec(sql)?.[2]);
  const sorted = attachments.toSorted((first, second) => depth(first) - depth(second));
  return definitions.map((entry) => (entry.type === "TABLE ATTACH" ? (sorted.shift() ?? entry) : entry));
}

const attachmentStatement =
  /^ALTER TABLE ONLY ((?:"(?:[^"]|"")*"|[^"\s])+) ATTACH PARTITION ((?:"(?:[^"]|"")*"|[^"\s])+) /m;

/**
 * Runs entries in order, many to a round trip. Each batch is one implicit transaction, so a batch that fails is run
 * again entry by entry, to name the one at fault.
 *
 * @param withEach ends each of these transactions
 * @throws CutoverError `LOAD_FAILED`
 */
export async function applyEntries(
  client: pg.Client,
  entries: readonly DumpEntry[],
  withEach = "",
): Promise<void> {
  for (const batch of inBatches(entries, batchSize)) {
    try {
      await client.query([...batch.map(({ sql }) => sql), withEach].join("\n"));
    } catch {
      for (const entry of batch) await applyEntry(client, entry, withEach);
    }
  }
}

/** `TABLE public.users`: what an entry is, for messages. */
export function entryLabel({ type, schema, name }: DumpEntry): string {
  return `${type} ${schema === null ? "" : `${schema}.`}${name}`;
}

/**
 * Finds by how pg_dump names an entry in its comments, where line ends are blanks. A name that two have, such as a table
 * `a b` with a constraint `c` and a table `a` with a constraint `b c`, finds neither: what is not found is made plainly.
 */
export function byEntryTag<Item>(items: readonly Item[], tagOf: (item: Item) => string): Map<string, Item> {
  const groups = Map.groupBy(items, (item) => tagOf(item).replaceAll(/[\r\n]/g, " "));
  return new Map(
    [...groups].flatMap(([tag, [item, other]]) => (item && !other ? [[tag, item] as const] : [])),
  );
}

async function applyEntry(client: pg.Client, entry: DumpEntry, withEach: string): Promise<void> {
  try {
    await client.query(`${entry.sql}\n${withEach}`);
  } catch (error) {
    throw loadFailed(`Creating ${entryLabel(entry)}`, error);
  }
}

/** Privileges on a schema or a routine: pg_dump names what they are about by its kind first. */
function opensRoutines({ type, name }: DumpEntry): boolean {
  return type === "ACL" && /^(?:SCHEMA|FUNCTION|PROCEDURE) /.test(name);
}

/** pg_dump names a trigger by its table and its own name. */
function isFenceTrigger({ type, name }: DumpEntry): boolean {
  return type === "TRIGGER" && name.endsWith(` ${fenceTriggerName}`);
}

/** Entries to a batch: bounds the locks one transaction holds and the work that is repeated after a failure. */
const batchSize = 50;

/** pg_dump moves these behind the keys they depend on; otherwise they are in the section before the rows. */
const postponableTypes: ReadonlySet<string> = new Set([
  "FUNCTION",
  "MATERIALIZED VIEW",
  "PROCEDURE",
  "AGGREGATE",
  "TABLE",
  "VIEW",
]);

/** Those among them that somebody may be allowed to call. */
export const routineTypes: ReadonlySet<string> = new Set(["AGGREGATE", "FUNCTION", "PROCEDURE"]);

const databaseWideTypes: ReadonlySet<string> = new Set([
  "EVENT TRIGGER",
  "PUBLICATION",
  "PUBLICATION TABLE",
  "PUBLICATION TABLES IN SCHEMA",
  "SUBSCRIPTION",
  "SUBSCRIPTION TABLE",
]);
