import { expect, it } from "vitest";
import { type Decision, decideNext, type SourceObservation } from "../../components/migration/decide.ts";
import type { JournalEntry } from "../../components/migration/journal.ts";
import { migrationStates } from "../../components/migration/record.ts";

const witnesses = {
  none: null,
  own: { migrationId: "m1", epoch: 1, yielded: false },
  foreign: { migrationId: "m0", epoch: 1, yielded: false },
};

const observations: ReadonlyArray<readonly [string, SourceObservation | null]> = [
  ["unreachable", null],
  ["sealed", { sealed: true, witness: null, fenceUnbroken: null }],
  ...Object.entries(witnesses).flatMap(([name, witness]) =>
    [true, false].map(
      (whole) =>
        [
          `witness ${name}, fence ${whole ? "whole" : "broken"}`,
          { sealed: false, witness, fenceUnbroken: whole },
        ] as const,
    ),
  ),
];

function entryIn(state: (typeof migrationStates)[number] | "none"): JournalEntry | undefined {
  if (state === "none") return undefined;
  return { id: "m1", epoch: 2, updatedAt: "", record: { state } as JournalEntry["record"] };
}

/** The whole table; what is not listed for a state is its `otherwise`. */
const table: Record<string, { otherwise: string; exceptions?: Record<string, string> }> = {
  none: {
    otherwise: "refuse FENCED_WITHOUT_JOURNAL",
    exceptions: {
      "witness none, fence whole": "start",
      "witness none, fence broken": "start",
      unreachable: "start",
    },
  },
  loading: { otherwise: "put-back" },
  switching: {
    otherwise: "put-back",
    exceptions: { sealed: "go-on", "witness own, fence whole": "go-on" },
  },
  promoted: { otherwise: "finish" },
  finished: { otherwise: "nothing" },
  aborting: { otherwise: "put-back" },
};
table.aborted = table.none as (typeof table)[string];

const cases = ["none" as const, ...migrationStates].flatMap((state) =>
  observations.map(([seen, source]) => ({ state, seen, source })),
);

it.each(cases)("journal $state, source $seen", ({ state, seen, source }) => {
  const row = table[state];
  const decision = decideNext(entryIn(state), source);
  expect(shown(decision)).toBe(row?.exceptions?.[seen] ?? row?.otherwise);
});

it("covers every state", () => {
  expect(Object.keys(table).sort()).toEqual(["none", ...migrationStates].sort());
});

function shown(decision: Decision): string {
  return decision.action === "refuse" ? `refuse ${decision.code}` : decision.action;
}
