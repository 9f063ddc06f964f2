import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CrashRow, crashRows } from "./crash-table.ts";
import { Arena } from "./soak/arena.ts";
import { type Fault, type FaultKind, faultKinds } from "./soak/faults.ts";
import { type LifeReport, playLife } from "./soak/life.ts";
import { type LifePlan, livesInRound, planLife } from "./soak/plan.ts";

/** A short, fixed selection of what `npm run soak` plays for hours. */
describe("a life under faults", () => {
  let arena: Arena;
  const rows = new Set<CrashRow>();
  beforeAll(async () => {
    arena = await Arena.start(() => {});
  });
  afterAll(() => arena?.dispose());

  async function live(plan: Partial<LifePlan> & Pick<LifePlan, "commands" | "ending">): Promise<LifeReport> {
    const report = await playLife(arena, {
      seed: 1,
      number: 1,
      hasHook: false,
      hasLateService: false,
      ...plan,
    });
    for (const row of report.rows) rows.add(row);
    expect(report.violations, told(report)).toEqual([]);
    return report;
  }

  /** For whoever reads a failure that came once, on a machine under load. */
  const told = ({ ends, output }: LifeReport) => `${ends.join("; ")}\n${output.slice(-6_000)}`;

  const at = (kind: FaultKind, row: CrashRow, stage: Fault["stage"] = "after", occurrence = 1): Fault => ({
    kind,
    row,
    stage,
    occurrence,
  });

  test("killed at the seal, the abort itself killed on its way back: one abort puts everything back", async () => {
    const report = await live({
      hasHook: true,
      commands: [
        { command: "up", fault: at("kill", "16") },
        { command: "abort", fault: at("kill", "h", "before", 20) },
      ],
      ending: "abort",
    });
    expect(report.hits, told(report)).toHaveLength(2);
    expect(report.outcome?.active).toBe("source");
  });

  test("killed right after the commit that closes the source's fence, and again behind the seal: one up ends the move", async () => {
    const report = await live({
      commands: [
        { command: "up", fault: at("kill", "10", "after", 4) },
        { command: "up", fault: at("kill", "16") },
      ],
      ending: "up",
    });
    expect(report.hits, told(report)).toHaveLength(2);
    expect(report.outcome?.active).toBe("target");
  });

  test("the answer to the commit of the promotion is lost: the run finds out, and ends the move by itself", async () => {
    const report = await live({
      hasLateService: true,
      commands: [{ command: "up", fault: at("cut-target", "17") }],
      ending: "up",
    });
    expect(report.hits, told(report)).toHaveLength(1);
    expect(report.ends[0]).toBe("up: ok");
  });

  test("the target crashes while services move: the run waits for it, and puts everything back by itself", async () => {
    const report = await live({
      commands: [{ command: "up", fault: at("restart-target", "13", "before") }],
      ending: "abort",
    });
    expect(report.ends[0]).toBe("up: CUTOVER_ABORTED");
  });

  test("nobody comes after a kill while services move: the source lets its writers in again by itself", async () => {
    const report = await live({
      commands: [{ command: "up", fault: at("kill-and-wait", "12") }],
      ending: "up",
    });
    expect(report.hits, told(report)).toHaveLength(1);
  });

  test("every effect of all these commands has its row in the crash table, and every row was come to", () => {
    expect([...rows].sort()).toEqual([...crashRows].sort());
  });
});

test("the crash table of the documentation has exactly these rows, beside those that no wire shows", async () => {
  const text = await readFile(new URL("../../docs/protocol.md", import.meta.url), "utf8");
  const documented = [...text.matchAll(/^\| ([0-9]+|[a-z]) \|/gm)].map(([, row]) => row);
  // b only looks; 21 and 22 are the engine's and the command's.
  expect(documented.filter((row) => !["b", "21", "22"].includes(row ?? "")).sort()).toEqual(
    [...crashRows].sort(),
  );
});

describe("the plan of a soak", () => {
  test("is the same for the same seed and number", () => {
    expect(planLife(7, 12)).toEqual(planLife(7, 12));
    expect(planLife(7, 12)).not.toEqual(planLife(8, 12));
  });

  test("comes to every row and every kind at least ten times in four rounds", () => {
    const plans = Array.from({ length: 4 * livesInRound() }, (_, number) => planLife(3, number));
    const faults = plans.flatMap(({ commands }) =>
      commands.flatMap(({ fault, next }) => (next === undefined ? [fault] : [fault, next])),
    );
    for (const row of crashRows)
      expect(faults.filter((fault) => fault.row === row).length, row).toBeGreaterThan(9);
    for (const kind of faultKinds)
      expect(faults.filter((fault) => fault.kind === kind).length, kind).toBeGreaterThan(9);
  });
});
