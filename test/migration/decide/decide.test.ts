import { readFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import {
  type AbortDecision,
  decide,
  type Observation,
  type UpDecision,
} from "../../../components/migration/decide/decide.ts";
import { previewLine } from "../../../components/migration/decide/preview-line.ts";
import {
  type SourceObservation,
  type SourceStand,
  sourceStands,
  standOfSource,
  standOfTarget,
  type TargetObservation,
  type TargetStand,
  targetStands,
} from "../../../components/migration/decide/stand.ts";
import type { JournalEntry } from "../../../components/migration/journal/journal.ts";
import { type MigrationRecord, migrationStates } from "../../../components/migration/journal/record.ts";
import { inlineCode, root, tableWith } from "../../docs/markdown.ts";
import { abortingRecord, loadingRecord, switchingRecord } from "../records.ts";

// The specification is docs/protocol.md: what an operator reads there is what is compared here.
const protocol = await readFile(path.join(root, "docs/protocol.md"), "utf8");

const here = { systemIdentifier: "1", timeline: 1, walPosition: "1000" };
const fence = { ...switchingRecord().fence, sourcePosition: here };
const switching = { ...switchingRecord(), fence };
const promotion = { promotedAt: "2025-01-01T00:01:00.000Z", writePauseMs: 59_000 };
const promoted = { ...switching, state: "promoted", promotion } as const;
const finished = { ...promoted, state: "finished" } as const;

const same = { sameDatabases: true, sameSchemas: true, againstGoingOn: null };
const elsewhere = { ...same, sameDatabases: false };
const outdated = { ...same, againstGoingOn: "the write pause is over its limit" };

/** Every shape of the journal's newest entry and of the configuration beside it, under the name that the table has. */
const journals: ReadonlyArray<{
  name: string;
  record?: MigrationRecord;
  context: Omit<Observation, "source" | "target">;
}> = [
  { name: "none", context: same },
  ...[same, elsewhere].flatMap((context) => [
    { name: "aborted", record: { ...abortingRecord(null), state: "aborted" } as const, context },
    { name: "aborted", record: { ...abortingRecord(fence), state: "aborted" } as const, context },
  ]),
  { name: "loading", record: loadingRecord(), context: same },
  { name: "switching", record: switching, context: same },
  { name: "switching outdated", record: switching, context: outdated },
  { name: "aborting before the fence", record: abortingRecord(null), context: same },
  { name: "aborting behind the fence", record: abortingRecord(fence), context: same },
  { name: "promoted", record: promoted, context: same },
  { name: "finished", record: finished, context: same },
  ...[loadingRecord(), switching, abortingRecord(null), abortingRecord(fence)].map((record) => ({
    name: "unfinished of other databases",
    record,
    context: elsewhere,
  })),
  ...[promoted, finished].map((record) => ({
    name: "promoted of other databases",
    record,
    context: elsewhere,
  })),
];
const journalNames = [...new Set(journals.map(({ name }) => name))];

const own = { migrationId: "m1", epoch: fence.epoch, yielded: false, yieldsAt: null };
const otherEpoch = { ...own, epoch: fence.epoch + 1 };
const yielded = { ...own, yielded: true, yieldsAt: "2025-01-01T00:15:00.000Z" };
const foreign = { ...own, migrationId: "m0" };
const open = { sealed: false, witness: null, fenceUnbroken: false, position: here };
const sealed = { sealed: true, witness: null, fenceUnbroken: null, position: here };

/**
 * Every way in which the source can be seen, and how it stands: to a migration that fenced it and is not over, to one
 * that fenced it and is over, to one that never fenced it, and without any.
 */
const sources: ReadonlyArray<
  readonly [SourceObservation | null, underWay: string, over: string, unfenced: string, none: string]
> = [
  [null, "unreachable", "unreachable", "unreachable", "unreachable"],
  [sealed, "sealed", "sealed", "sealed", "sealed"],
  [open, "open", "open", "open", "open"],
  [{ ...open, fenceUnbroken: true }, "foreign", "foreign", "foreign", "foreign"],
  [{ ...open, witness: own, fenceUnbroken: true }, "fenced", "fenced", "torn", "foreign"],
  [{ ...open, witness: own }, "torn", "torn", "torn", "foreign"],
  [{ ...open, witness: yielded }, "torn", "torn", "torn", "foreign"],
  [{ ...open, witness: otherEpoch, fenceUnbroken: true }, "torn", "torn", "torn", "foreign"],
  [{ ...open, witness: otherEpoch }, "torn", "torn", "torn", "foreign"],
  [{ ...open, witness: foreign, fenceUnbroken: true }, "foreign", "foreign", "foreign", "foreign"],
  [{ ...open, witness: foreign }, "foreign", "foreign", "foreign", "foreign"],
  ...[
    { ...here, walPosition: "999" },
    { ...here, timeline: 2, walPosition: "2000" },
    { ...here, systemIdentifier: "2", walPosition: "2000" },
  ].flatMap((position) => [
    [{ ...sealed, position }, "behind", "sealed", "sealed", "sealed"] as const,
    [{ ...open, position }, "behind", "open", "open", "open"] as const,
    [
      { ...open, witness: own, fenceUnbroken: true, position },
      "behind",
      "fenced",
      "torn",
      "foreign",
    ] as const,
  ]),
];

/** Every way in which the target can be seen, and how it stands. */
const targets: ReadonlyArray<[TargetObservation, string]> = [
  [{ hasCopy: false, fenceUnbroken: false, fenceOpen: false }, "empty"],
  [{ hasCopy: false, fenceUnbroken: false, fenceOpen: true }, "empty"],
  [{ hasCopy: false, fenceUnbroken: true, fenceOpen: false }, "empty"],
  [{ hasCopy: false, fenceUnbroken: true, fenceOpen: true }, "empty"],
  [{ hasCopy: true, fenceUnbroken: false, fenceOpen: false }, "torn"],
  [{ hasCopy: true, fenceUnbroken: true, fenceOpen: false }, "fenced"],
  [{ hasCopy: true, fenceUnbroken: false, fenceOpen: true }, "open"],
  [{ hasCopy: true, fenceUnbroken: true, fenceOpen: true }, "open"],
];

const cases = journals.flatMap(({ name, record, context }) =>
  sources.flatMap(([source, underWay, over, unfenced, none]) =>
    targets.map(([target, targetStand]) => ({
      journal: name,
      entry: record === undefined ? undefined : entryOf(record),
      seen: { ...context, source, target },
      source: { none, unfenced, underWay, over }[fenceOf(record)],
      target: targetStand,
    })),
  ),
);

function fenceOf(record: MigrationRecord | undefined): "none" | "unfenced" | "underWay" | "over" {
  if (record === undefined) return "none";
  if (!("fence" in record) || record.fence === null) return "unfenced";
  return record.state === "switching" || record.state === "aborting" ? "underWay" : "over";
}

function entryOf(record: MigrationRecord): JournalEntry {
  return { id: "m1", epoch: 3, updatedAt: "2025-01-01T00:00:03.000Z", record };
}

it("judges every way in which the two databases can be seen", () => {
  for (const { entry, seen, source, target } of cases) {
    expect(standOfSource(entry, seen.source), JSON.stringify({ entry, seen })).toBe(source);
    expect(standOfTarget(seen.target)).toBe(target);
  }
  expect(new Set(cases.map(({ source }) => source))).toEqual(new Set(sourceStands));
  expect(new Set(cases.map(({ target }) => target))).toEqual(new Set(targetStands));
});

describe("the table of decisions", () => {
  const rows = tableWith(protocol, ["journal", "source", "target", "`up`", "`abort`"]).map(
    ([journal = "", source = "", target = "", up = "", abort = ""]) => ({
      journal: namesIn(journal, journalNames),
      source: namesIn(source, sourceStands) as SourceStand[],
      target: namesIn(target, targetStands) as TargetStand[],
      up: up.replaceAll("`", ""),
      abort: abort.replaceAll("`", ""),
    }),
  );

  it("has exactly one row for each combination", () => {
    for (const { journal, source, target } of cases)
      expect(
        rows.filter(
          (row) =>
            row.journal.includes(journal) &&
            row.source.includes(source as SourceStand) &&
            row.target.includes(target as TargetStand),
        ),
        `${journal}, source ${source}, target ${target}`,
      ).toHaveLength(1);
  });

  it.each(rows)("$journal, source $source, target $target: up $up, abort $abort", (row) => {
    const covered = cases.filter(
      ({ journal, source, target }) =>
        row.journal.includes(journal) &&
        row.source.includes(source as SourceStand) &&
        row.target.includes(target as TargetStand),
    );
    expect(covered).not.toHaveLength(0);
    for (const { entry, seen } of covered) {
      expect(worded(decide("up", entry, seen)), JSON.stringify(seen)).toBe(row.up);
      expect(worded(decide("abort", entry, seen)), JSON.stringify(seen)).toBe(row.abort);
    }
  });

  it("describes every stand", () => {
    const described = tableWith(protocol, ["seen", "meaning"]).map(([seen]) => seen);
    expect(described).toEqual([
      ...sourceStands.map((stand) => `source \`${stand}\``),
      ...targetStands.map((stand) => `target \`${stand}\``),
    ]);
  });
});

it("treats other schemas as other databases in an up, and not at all in an abort", () => {
  for (const { entry, seen } of cases.filter(({ seen: { sameDatabases } }) => sameDatabases)) {
    const changed = { ...seen, sameSchemas: false };
    const isLive = entry !== undefined && entry.record.state !== "aborted";
    expect(worded(decide("up", entry, changed))).toBe(
      isLive ? "CONTEXT_MISMATCH" : worded(decide("up", entry, seen)),
    );
    expect(decide("abort", entry, changed)).toEqual(decide("abort", entry, seen));
  }
});

it("has in the table of states what up does in each, refusals apart", () => {
  const rows = tableWith(protocol, [
    "state",
    "source",
    "target, moved schemas",
    "who can write",
    "what the next `up` does",
  ]);
  const named = rows.flatMap(([state = "", , , , next = ""]) =>
    state.split(", ").map((name) => ({ state: name.replaceAll("`", ""), next })),
  );
  expect(named.map(({ state }) => state).sort()).toEqual(["none", ...migrationStates].sort());
  for (const { state, next } of named) {
    const possible = new Set(
      cases
        .filter(({ entry }) => (entry?.record.state ?? "none") === state)
        .map(({ entry, seen }) => decide("up", entry, seen).action),
    );
    const said = Object.entries(wordsOfStates).filter(([, words]) => words.test(next));
    possible.delete("refuse");
    expect(new Set(said.map(([action]) => action)), state).toEqual(possible);
  }
});

const wordsOfStates: Record<string, RegExp> = {
  start: /^begins/,
  "go-on": /\bgoes on\b/,
  "put-back": /\bputs back\b/,
  finish: /\bfinishes\b/,
  nothing: /\bmoves nothing\b/,
};

it("prints in a preview the lines that the document shows, and no other", () => {
  const shown = tableWith(protocol, ["`up`", "preview"]).map(([decision = "", preview = ""]) => ({
    decision: decision.replaceAll("`", ""),
    line: normalised(inlineCode(preview)[0] ?? ""),
  }));
  const printed = new Map<string, string>();
  for (const { entry, seen } of cases) {
    const decision = decide("up", entry, seen);
    const line = previewLine(entry, decision);
    const live = entry !== undefined && entry.record.state !== "aborted";
    const expectsPlan = decision.action === "start" || (!live && worded(decision) === "SERVER_UNREACHABLE");
    expect(line === undefined, JSON.stringify({ entry, seen })).toBe(expectsPlan);
    if (line === undefined) continue;
    const word = worded(decision);
    printed.set(/^[A-Z]/.test(word) && word !== "SERVER_UNREACHABLE" ? "a code" : word, normalised(line));
  }
  expect(printed).toEqual(new Map(shown.map(({ decision, line }) => [decision, line])));
});

/** Ids, states and codes stand for any. */
function normalised(line: string): string {
  return line
    .replace(/Migration m1\b/, "Migration …")
    .replace(/\((loading|switching|aborting)\)/, "(state)")
    .replace(/\([A-Z_]+\)/, "(CODE)");
}

describe("what the operator is told", () => {
  const { seen } = cases.find(
    ({ journal, source, target }) => journal === "promoted" && source === "open" && target === "open",
  ) as (typeof cases)[number];

  it("warns of a source that somebody opened after the promotion, and finishes", () => {
    expect(decide("up", entryOf(promoted), seen)).toMatchObject({
      action: "finish",
      warning: expect.stringContaining("somebody opened the source"),
    });
  });

  it("warns of a target whose fence is closed although it is the primary", () => {
    const closed = {
      ...seen,
      source: null,
      target: { hasCopy: true, fenceUnbroken: true, fenceOpen: false },
    };
    expect(decide("up", entryOf(promoted), closed)).toMatchObject({
      action: "finish",
      warning: expect.stringContaining("the target refuses writes"),
    });
  });

  it("names the migration that fences a source unknown to the journal", () => {
    const fenced = { ...open, witness: foreign, fenceUnbroken: true };
    expect(decide("abort", undefined, { ...seen, source: fenced })).toMatchObject({
      why: expect.stringContaining("fenced by migration m0"),
    });
  });
});

/** A decision in the words of the table: a refusal is its code. */
function worded(decision: UpDecision | AbortDecision): string {
  switch (decision.action) {
    case "start":
      return "begins";
    case "go-on":
      return "goes on";
    case "put-back":
      return "puts back";
    case "finish":
      return "finishes";
    case "nothing":
      return "nothing";
    case "refuse":
      return decision.code;
    default:
      return decision satisfies never;
  }
}

/** The names of one cell; a state may be followed by a qualification that belongs to it. */
function namesIn(cell: string, known: readonly string[]): string[] {
  if (cell === "any") return [...known];
  const names = cell.replaceAll("`", "").split(", ");
  for (const name of names) if (!known.includes(name)) throw new Error(`the table has no ${name}`);
  return names;
}
