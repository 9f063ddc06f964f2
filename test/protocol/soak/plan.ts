import { type CrashRow, crashRows } from "../crash-table.ts";
import { backRows, effectsInRow, type Fault, type FaultKind, faultKinds } from "./faults.ts";
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
 * The plan of one life, from the seed and its number alone, so that a failure can be played again. Kinds and rows come in
 * turn, so that each comes as often as every other, and in ever new pairs; whatever else happens is drawn.
 */
export function planLife(seed: number, number: number): LifePlan {
  const random = new Random(seed * 7_919 + number * 104_729);
  const kind = inTurn(kindsInTurn, number);
  const row = inTurn(rowsInTurn, number);
  const placeOfKind = fixedRow(kind, random);
  const wishes =
    placeOfKind === undefined
      ? [faultAt(kind, row, random)]
      : [faultAt(kind, placeOfKind, random), faultAt(killOrOther(random), row, random)];
  const commands = arrange(wishes).flatMap((wish) => lead(wish, random));
  const rows = commands.flatMap(({ fault, next }) => [fault.row, next?.row]);
  return {
    seed,
    number,
    hasHook: rows.includes("7") || random.chance(0.05),
    hasLateService: rows.includes("18") || random.chance(0.1),
    commands: commands.map((planned, index) => withNext(planned, number + index * 5, random)),
    ending: random.chance(0.3) ? "abort" : "up",
  };
}

/** How many lives it takes until every row and every kind had its turn. */
export function livesInRound(): number {
  return Math.max(kindsInTurn.length, rowsInTurn.length);
}

/** Kinds that come in their own turn only: not as a second fault. */
const seldomKinds = faultKinds.filter((kind) =>
  /^(deployment-|disk-full|pause-limit|hold|kill-and-|swallow-)/.test(kind),
);
const kindsInTurn = [...faultKinds, ...seldomKinds, ...seldomKinds, ...seldomKinds];

/** Rows that nothing but their own turn comes to. */
const seldomRows: readonly CrashRow[] = ["1", "3", "4", "7", "8", "9", "10", "t", "d"];
const rowsInTurn = [...crashRows, ...seldomRows];

function inTurn<Item>(items: readonly Item[], turn: number): Item {
  return items[turn % items.length] as Item;
}

function killOrOther(random: Random): FaultKind {
  return random.chance(0.7) ? "kill" : random.pick(harmlessAnywhere);
}

/**
 * What leaves the move unfinished comes first, so that there is something left for the other. Where neither does, both
 * befall the same command.
 */
function arrange(wishes: readonly Fault[]): PlannedCommand[] {
  const [first, second] = wishes.toSorted((a, b) => Number(finishes(a)) - Number(finishes(b)));
  if (first === undefined) return [];
  if (second === undefined) return [{ command: "up", fault: first }];
  const isLater = forwardRows.indexOf(second.row) > forwardRows.indexOf(first.row);
  return finishes(first) && isLater
    ? [{ command: "up", fault: first, next: { ...second, occurrence: 1 } }]
    : [first, second].map((fault) => ({ command: "up", fault }));
}

/** Whether a run that meets it is likely to come to its end. */
function finishes({ kind, row }: Fault): boolean {
  const stops = /^(kill|interrupt-twice|disk-full|hold|pause-limit|deployment-(?!SUPERSEDED))/.test(kind);
  return !stops || forwardRows.indexOf(row) >= forwardRows.indexOf("17");
}

/** With what must have happened before it can: something to put back, or to take over. */
function lead(planned: PlannedCommand, random: Random): PlannedCommand[] {
  const { row } = planned.fault;
  if (!backRows.includes(row)) return [planned];
  // A run that died while services moved, behind the seal where that is the subject.
  const cause = faultAt("kill", row === "d" ? "16" : random.pick(["13", "14", "15", "16"]), random);
  return [
    { command: "up", fault: cause },
    { ...planned, command: row === "t" ? "up" : "abort" },
  ];
}

/** A second fault for a command that the first one leaves at work or on its way back, from the kinds in turn. */
function withNext(planned: PlannedCommand, turn: number, random: Random): PlannedCommand {
  const { kind, row } = planned.fault;
  if (planned.next !== undefined || /^(kill|interrupt-twice|orphan|disk-full|hold|pause-limit)/.test(kind)) {
    return planned;
  }
  const isBack = backRows.includes(row) || leadsBack(kind, random);
  const rows = isBack ? abortRows : forwardRows.slice(forwardRows.indexOf(row) + 1);
  if (rows.length === 0) return planned;
  return {
    ...planned,
    next: { ...faultAt(inTurn(seconds, turn), random.pick(rows), random), occurrence: 1 },
  };
}

/** Kinds that may strike anywhere and need nothing prepared. */
const seconds = faultKinds.filter((kind) => !seldomKinds.includes(kind));

/** Rows of putting back that any abort of a switch comes to. */
const abortRows = backRows.filter((row) => row !== "t" && row !== "d");
const forwardRows = crashRows.slice(0, crashRows.indexOf("t"));

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

function faultAt(kind: FaultKind, row: CrashRow, random: Random): Fault {
  return {
    kind,
    row,
    stage: random.chance(0.5) ? "before" : "after",
    occurrence: random.upTo(effectsInRow[row] ?? 1),
  };
}
