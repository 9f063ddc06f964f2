import { type CrashRow, crashRows } from "../crash-table.ts";
import {
  backRows,
  effectsInRow,
  type Fault,
  type FaultKind,
  faultKinds,
  firstRunRows,
  switchingRows,
} from "./faults.ts";
import { Random } from "./random.ts";

/** One command with what happens to it. */
export interface PlannedCommand {
  readonly command: "up" | "abort";
  readonly fault: Fault;
}

/** A world, the faults that befall it one after the other, and the one command that must put things right at the end. */
export interface LifePlan {
  readonly seed: number;
  readonly number: number;
  /** A command of the operator's runs inside the window. */
  readonly hasHook: boolean;
  /** One service is deployed after the promotion. */
  readonly hasLateService: boolean;
  readonly commands: readonly PlannedCommand[];
  readonly ending: "up" | "abort";
}

/**
 * The plan of one life, from the seed and its number alone, so that a failure can be played again. Each life has one
 * fault as its subject; the subjects go through all rows and all kinds in turn, and further faults are mixed in.
 */
export function planLife(seed: number, number: number): LifePlan {
  const random = new Random(seed * 7_919 + number * 104_729);
  const subject = subjects[number % subjects.length] as Subject;
  const subjectCommands =
    subject.kind === "row" ? commandsForRow(subject.row, random) : commandsForKind(subject.fault, random);
  const rows = subjectCommands.map(({ fault }) => fault.row);
  return {
    seed,
    number,
    hasHook: rows.includes("7") || random.chance(0.05),
    hasLateService: rows.includes("18") || random.chance(0.1),
    commands: [...extraCommands(random, number), ...subjectCommands],
    ending: random.chance(0.3) ? "abort" : "up",
  };
}

/** How many lives it takes until every subject had its turn. */
export function livesInRound(): number {
  return subjects.length;
}

type Subject =
  | { readonly kind: "row"; readonly row: CrashRow }
  | { readonly kind: "fault"; readonly fault: FaultKind };

const subjects: readonly Subject[] = interleave(
  crashRows.map((row): Subject => ({ kind: "row", row })),
  faultKinds.map((fault): Subject => ({ kind: "fault", fault })),
);

function commandsForRow(row: CrashRow, random: Random): PlannedCommand[] {
  const subject = faultAt(random.chance(0.8) ? "kill" : random.pick(harmlessAnywhere), row, random);
  if (!backRows.includes(row)) return [{ command: "up", fault: subject }];
  // Something to put back: a run that died while services moved, behind the seal where that is the subject.
  const cause = faultAt("kill", row === "d" ? "16" : random.pick(["13", "14", "15", "16"]), random);
  return [
    { command: "up", fault: cause },
    { command: row === "t" ? "up" : "abort", fault: subject },
  ];
}

function commandsForKind(kind: FaultKind, random: Random): PlannedCommand[] {
  const row = fixedRow(kind, random) ?? random.pick(rowsInTurn);
  return [{ command: "up", fault: faultAt(kind, row, random) }];
}

/** In turn rather than by chance, so that every kind and every row comes as often as every other. */
function extraCommands(random: Random, number: number): PlannedCommand[] {
  return Array.from({ length: 1 + (number % 2) }, (_, index): PlannedCommand => {
    const kind = faultKinds[(number * 5 + index * 21 + 3) % faultKinds.length] as FaultKind;
    const row = fixedRow(kind, random) ?? rowsInTurn[(number * 3 + index * 7) % rowsInTurn.length];
    return { command: "up", fault: faultAt(kind, row as CrashRow, random) };
  });
}

/** Kinds that mean the same wherever they strike. */
const harmlessAnywhere: readonly FaultKind[] = [
  "interrupt-twice",
  "cut-source",
  "cut-target",
  "terminate-source",
  "terminate-target",
];

/** Where a kind means something only at certain effects. */
function fixedRow(kind: FaultKind, random: Random): CrashRow | undefined {
  if (kind === "disk-full") return "6";
  if (kind === "pause-limit" || kind === "hold" || kind.startsWith("deployment-")) return "5";
  if (kind === "kill-and-wait") return random.pick(["11", "12", "13", "14"]);
  if (kind.startsWith("railway-") || kind === "renders-late") return random.pick(["11", "12", "13", "14"]);
  return kind === "reads-lag" ? random.pick(["5", "11", "12"]) : undefined;
}

/** Most of the others strike where it hurts: while nobody can write. */
const rowsInTurn: readonly CrashRow[] = [...firstRunRows, ...switchingRows];

function faultAt(kind: FaultKind, row: CrashRow, random: Random): Fault {
  return {
    kind,
    row,
    stage: random.chance(0.5) ? "before" : "after",
    occurrence: random.upTo(effectsInRow[row] ?? 1),
  };
}

function interleave<Item>(first: readonly Item[], second: readonly Item[]): Item[] {
  return Array.from({ length: Math.max(first.length, second.length) }).flatMap((_, index) =>
    [first[index], second[index]].filter((item) => item !== undefined),
  );
}
