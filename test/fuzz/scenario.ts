import fc from "fast-check";
import { quoteIdentifier } from "../../components/postgres/identifiers.ts";
import { Application, type Statement } from "./application.ts";
import * as changing from "./changing.ts";
import { Dice } from "./dice.ts";
import * as code from "./making-code.ts";
import * as everyday from "./making-everyday.ts";
import type { Step } from "./making-tables.ts";
import * as tables from "./making-tables.ts";

/** One database with an application in it, and what is done to copies of it, each to one of its own. */
export interface Scenario {
  readonly schemas: readonly string[];
  /** Makes the application, in order; one that the server refuses is left out. */
  readonly statements: readonly string[];
  readonly changes: readonly Statement[];
  /** Whether the copy treats each table as it does large ones. */
  readonly asLarge?: boolean;
}

export interface ScenarioSize {
  readonly statements: number;
  readonly changes: number;
}

/** Scenarios of about a size. They shrink by leaving statements out, so that what is left can be read and run as it stands. */
export class Scenarios extends fc.Arbitrary<Scenario> {
  readonly #size: ScenarioSize;

  constructor(size: ScenarioSize) {
    super();
    this.#size = size;
  }

  override generate(random: fc.Random): fc.Value<Scenario> {
    const dice = new Dice(random);
    return new fc.Value(readable(generate(dice, this.#size)), undefined);
  }

  override canShrinkWithoutContext(value: unknown): value is Scenario {
    return typeof value === "object" && value !== null && "statements" in value;
  }

  override shrink(value: Scenario): fc.Stream<fc.Value<Scenario>> {
    return fc.stream(smaller(value)).map((one) => new fc.Value(readable(one), undefined));
  }
}

function generate(dice: Dice, size: ScenarioSize): Scenario {
  const schemas = ["public", dice.pick(["clinic", "Odd; schema", "é".repeat(31)])];
  const app = new Application(schemas);
  const add = (count: number, next: () => Step) => {
    for (let number = 0; number < count; number++) app.add(next()(app, dice));
  };
  add(size.statements / 20, () => tables.makeType);
  add(size.statements / 10, () => dice.pick([tables.makeTable, everyday.makeModel]));
  add(size.statements, () => dice.pick(making));
  add(size.statements / 5, () => tables.insertRows);
  add(2, () => code.refreshView);
  const statements = app.statements.map(({ sql }) => sql);
  const changes: Statement[] = [];
  for (let number = 0; number < size.changes; number++) {
    const change = dice.pick(mutating)(app, dice);
    if (change !== undefined) changes.push(change);
  }
  return {
    schemas,
    statements: [`CREATE SCHEMA ${quoteIdentifier(schemas[1] as string)}`, ...statements],
    changes,
    asLarge: dice.once(2),
  };
}

const making = weighed([
  [6, tables.makeTable],
  [3, tables.makeType],
  [2, tables.makePartitioned],
  [4, tables.makePartition],
  [1, tables.makeChild],
  [12, tables.addColumn],
  [3, tables.addReference],
  [3, tables.addCheck],
  [3, tables.addKey],
  [5, tables.makeIndex],
  [2, tables.makeStatistics],
  [8, tables.insertRows],
  [2, tables.changeRows],
  [3, code.makeSequence],
  [3, code.useSequence],
  [6, code.makeView],
  [5, code.makeFunction],
  [2, code.useFunction],
  [3, code.makeTrigger],
  [3, code.makePolicy],
  [1, code.makeRare],
  [2, changing.alterTable],
  [3, changing.alterColumn],
  [2, changing.dropColumn],
  [1, changing.rename],
  [1, changing.renamePart],
  [1, changing.alterType],
  [1, changing.alterRoutine],
  [1, changing.alterOther],
  [4, changing.grant],
  [1, changing.grantOnSchema],
  [1, changing.changeOwner],
  [3, changing.comment],
  [1, changing.drop],
  [4, everyday.makeModel],
  [2, everyday.makeJoinTable],
  [5, everyday.makeEverydayIndex],
  [2, everyday.addExclusion],
  [2, everyday.makeTimePartitioned],
  [1, everyday.makeLike],
  [5, everyday.makeReport],
  [3, everyday.makeEverydayFunction],
  [2, everyday.makeTenantPolicy],
  [4, everyday.changeByAndBy],
  [2, everyday.changeView],
]);

const mutating = weighed([
  ...[...new Set(making)].map((step) => [1, step] as const),
  [3, changing.drop],
  [3, changing.grant],
  [3, changing.alterTable],
  [3, changing.alterColumn],
  [3, tables.changeRows],
  [2, code.useSequence],
]);

/** Each as often as it is to be picked. */
function weighed(steps: ReadonlyArray<readonly [weight: number, Step]>): Step[] {
  return steps.flatMap(([weight, step]) => Array.from({ length: weight }, () => step));
}

/** Fewer changes first, then fewer statements, by ever smaller pieces from the end, where nothing depends on them. */
function* smaller(scenario: Scenario): IterableIterator<Scenario> {
  const { statements, changes } = scenario;
  if (scenario.asLarge) yield { ...scenario, asLarge: false };
  if (changes.length > 0) yield { ...scenario, changes: [] };
  if (changes.length > 1) for (const change of changes) yield { ...scenario, changes: [change] };
  for (let piece = Math.ceil(statements.length / 2); piece >= 1; piece = Math.floor(piece / 2)) {
    for (let start = statements.length - piece; start > -piece; start -= piece) {
      const from = Math.max(start, 0);
      const left = [...statements.slice(0, from), ...statements.slice(start + piece)];
      if (left.length < statements.length) yield { ...scenario, statements: left };
    }
  }
}

/** Shown by fast-check as the script that it is. */
function readable(scenario: Scenario): Scenario {
  const text = [...scenario.statements, ...scenario.changes.map(({ sql }) => `on the copy: ${sql}`)];
  const large = scenario.asLarge ? "-- copied as large tables are\n" : "";
  return { ...scenario, [fc.toStringMethod]: () => `\n${large}${text.join(";\n")};\n` } as Scenario;
}
