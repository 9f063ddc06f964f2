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
  /** Another one, that waits for its effect once the first has struck: trouble seldom comes alone. */
  readonly next?: Fault;
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
  const commands = [...extraCommands(random, number), ...subjectCommands];
  return {
    seed,
    number,
    hasHook: rows.includes("7") || random.chance(0.05),
    hasLateService: rows.includes("18") || random.chance(0.1),
    commands: commands.map((planned, index) => withNext(planned, number * 3 + index, random)),
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

/** Rows that nothing but their own turn comes to. */
const seldomRows: readonly CrashRow[] = ["7", "18", ...backRows];

const subjects: readonly Subject[] = interleave(
  [...crashRows, ...seldomRows, ...seldomRows].map((row): Subject => ({ kind: "row", row })),
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

/** A second fault for a command that the first one leaves at work or on its way back, from the kinds in turn. */
function withNext(planned: PlannedCommand, turn: number, random: Random): PlannedCommand {
  const { kind, row } = planned.fault;
  if (/^(kill|interrupt-twice|orphan|disk-full|hold|pause-limit)/.test(kind)) return planned;
  const nextKind = seconds[turn % seconds.length] as FaultKind;
  const isBack = backRows.includes(row) || leadsBack(kind, random);
  const rows = isBack ? abortRows : forwardRows.slice(forwardRows.indexOf(row) + 1);
  if (rows.length === 0) return planned;
  return { ...planned, next: { ...faultAt(nextKind, random.pick(rows), random), occurrence: 1 } };
}

/** Kinds that may strike anywhere and need nothing prepared. */
const seconds: readonly FaultKind[] = faultKinds.filter(
  (kind) => !/^(deployment-|disk-full|pause-limit|hold|kill-and-|swallow-)/.test(kind),
);

/** Rows of putting back that any abort of a switch comes to. */
const abortRows = backRows.filter((row) => row !== "t" && row !== "d");
const forwardRows = firstRunRows.slice(0, -1);

/** Whether the run is likely to be on its way back after it. */
function leadsBack(kind: FaultKind, random: Random): boolean {
  return kind.startsWith("restart-") || kind.startsWith("deployment-") || random.chance(0.2);
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
